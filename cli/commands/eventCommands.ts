import type { Observable } from 'rxjs';
import { takeUntil } from 'rxjs';

import type { LogLevel, RunEvent } from '../../lib/model/event';
import { printable } from '../../lib/report/columns';
import type { KeptEvent, RunSummary, Store } from '../../lib/store/store';
import { usageError } from '../commandError';
import type { CommandContext } from '../context';
import { countOf, textOf, withStore } from '../context';
import { exitCodes } from '../exitCodes';
import { eventText } from '../view/eventText';
import { timeText } from '../view/moments';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { runNamed, untilQuiet } from '../runNames';
import { abortOf } from '../signals';
import { clippedLine } from '../view/table';

/** Tells the kept events of a run, one a line. */
export async function eventsCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const types = textOf(options['type'])?.split(',');
  const isWanted = pathFilter(options['path']);
  return withStore(context, async (store) => {
    const run = await runNamed(store, String(args[0]));
    await eachEvent(wanted(store, run, context), (kept) => {
      const { event } = kept;
      if (
        types !== undefined &&
        !types.some((type) => event.type === type || event.type.startsWith(`${type}.`))
      )
        return;
      if (!isWanted(event)) return;
      if (output.isJson) output.json(kept);
      else output.print(clippedLine(eventLine(kept, output), output.width));
    });
    return exitCodes.done;
  });
}

/** Tells what the steps of a run have logged. */
export async function logsCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const level = levelOf(options['level']);
  const isWanted = pathFilter(options['path']);
  return withStore(context, async (store) => {
    const run = await runNamed(store, String(args[0]));
    await eachEvent(wanted(store, run, context), ({ event, offset }) => {
      if (event.type !== 'step.logged' || LEVELS.indexOf(event.level) < level || !isWanted(event)) return;
      if (output.isJson) {
        output.json({
          offset,
          at: event.at,
          path: event.path,
          level: event.level,
          message: event.message,
          data: event.data,
        });
        return;
      }
      const color =
        event.level === 'WARNING' ? 'yellow' : LEVELS.indexOf(event.level) > 2 ? 'red' : undefined;
      const data = event.data === undefined ? '' : `  ${printable(JSON.stringify(event.data))}`;
      output.print(
        `${timeText(event.at)} ${paint(event.level.padEnd(8), color, output)} ${event.path === '' ? '' : `${printable(event.path)}  `}${printable(event.message)}${data}`,
      );
    });
    return exitCodes.done;
  });
}

const LEVELS: readonly LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

function levelOf(value: unknown): number {
  const typed = textOf(value);
  if (typed === undefined) return 0;
  const upper = typed.toUpperCase();
  const level = LEVELS.indexOf((upper === 'WARN' ? 'WARNING' : upper) as LogLevel);
  if (level >= 0) return level;
  throw usageError(`Cannot take --level ${typed}`, `give one of ${LEVELS.join(', ').toLowerCase()}`);
}

function pathFilter(value: unknown): (event: RunEvent) => boolean {
  const glob = textOf(value);
  if (glob === undefined) return () => true;
  const fits = globOf(glob);
  return (event) => 'path' in event && fits(event.path);
}

/** The events so far, and with `--follow` those to come. */
function wanted(store: Store, run: RunSummary, { options, signal }: CommandContext): Observable<KeptEvent> {
  const after = countOf(options['since'], '--since') ?? 0;
  const events =
    options['follow'] === true ? store.events(run.runId, { after }) : eventsSoFar(store, run, after);
  return events.pipe(takeUntil(abortOf(signal)));
}

/**
 * The events that are kept now. Of a run that is under way the end is not waited for; those of any other one end by themselves, however
 * long a slow disk takes for them.
 */
export function eventsSoFar(
  store: Pick<Store, 'events'>,
  { runId, status }: Pick<RunSummary, 'runId' | 'status'>,
  after = 0,
): Observable<KeptEvent> {
  const kept = store.events(runId, { after });
  return status === 'RUNNING' ? kept.pipe(untilQuiet()) : kept;
}

function eachEvent(events: Observable<KeptEvent>, next: (kept: KeptEvent) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    events.subscribe({ next, error: reject, complete: resolve });
  });
}

/** An event on one line: its number, when it was, which, and what it says. */
function eventLine({ event, offset }: KeptEvent, output: Output): string {
  const path = 'path' in event && event.path !== '' ? `${printable(event.path)}  ` : '';
  const text = printable(textOfEvent(event, output));
  return `${String(offset).padStart(5)} ${timeText(event.at)} ${event.type.padEnd(14)} ${path}${text}`.trimEnd();
}

/** Undefined has no JSON. */
function valueLine(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value);
}

function textOfEvent(event: RunEvent, output: Output): string {
  if (event.type === 'step.logged') return `${event.level} ${event.message}`;
  if (event.type === 'step.emitted') return valueLine(event.value);
  return eventText(event, output) ?? '';
}

/**
 * Whether a path of a step fits a pattern: `*` stands for anything within a part, `**` for anything at all. `pages[*]/ocr` fits the step
 * `ocr` of every item, `pages**` all that belongs to `pages`.
 */
function globOf(pattern: string): (path: string) => boolean {
  const source = pattern
    .split(/(\*\*|\*|\?)/)
    .map((part) => {
      if (part === '**') return '.*';
      if (part === '*') return '[^/\\]]*';
      if (part === '?') return '[^/]';
      return part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
  const shape = new RegExp(`^${source}$`, 'u');
  return (path) => shape.test(path);
}
