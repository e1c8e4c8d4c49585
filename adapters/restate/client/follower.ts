import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { Definition } from '../../../lib/definition/definition';
import { decodedOutput, planOf } from '../../../lib/definition/definition';
import { transitionsFrom } from '../../../lib/engine/transitions';
import type { RunEvent, Transition } from '../../../lib/model/event';
import { isJournaled } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { idleState, withStored } from '../../../lib/model/state';
import type { CallEvent, SideEvent, WireEvent } from '../protocol/protocol';
import { callText, isOfNested } from '../protocol/wireEvent';

/** Puts what is told of a life in order again and scans it. */
export interface Follower<O> {
  /** Events of the life from this position on. */
  events(from: number, events: readonly WireEvent[]): void;
  parts(parts: readonly SideEvent[]): void;
  state(): RunState<O>;
}

/**
 * Events of the journal come in the order of their positions, each once, however often it is told. What was told beside it
 * goes where it belongs: behind the start of its call, and before its end.
 *
 * @param base - How the run stands before this life; a fork tells it with its first event.
 */
export function follower<O>(
  base: RunState<O>,
  definition: Definition,
  tell: (transition: Transition<O>) => void,
): Follower<O> {
  let transitions = transitionsFrom<O>(base);
  /** Events of the journal that came before one in front of them, by their positions. */
  const early = new Map<number, WireEvent>();
  /** Keys of what was told beside the journal and has come. */
  const heard = new Set<string>();
  /** What was told of calls whose start has not come yet. */
  const held = new Map<string, CallEvent[]>();
  /** The call that is under way at each path. */
  const running = new Map<string, string>();
  /** Calls whose end has come. */
  const ended = new Set<string>();
  /** Position of the next event of the journal. */
  let next = 0;
  let seq = base.seq;

  const begin = ({ seed, ...told }: Extract<WireEvent, { type: 'run.resumed' }>): void => {
    const before = validate(StateCodec, seed, `state of run "${base.runId}"`) as RunState<O>;
    transitions = transitionsFrom(before);
    ({ seq } = before);
    show(told);
  };

  const show = (told: WireEvent): void => {
    if (isJournaled(told as RunEvent)) seq += 1;
    // Not `{ ...told, runId, seq }`: to put more behind what is spread takes V8 ten times as long.
    const numbers = { runId: base.runId, seq };
    // And again behind it: what was told beside the journal has a number of its worker.
    const event = Object.assign({ type: told.type, ...numbers }, told, numbers) as RunEvent;
    tell(transitions.next(liveEvent(event, definition)));
  };

  const take = (event: WireEvent): void => {
    if ('path' in event && ENDS.has(event.type)) {
      ended.add(running.get(event.path) ?? '');
      running.delete(event.path);
    }
    // What the lives before it have left, if anything, is not what it begins with.
    if (event.type === 'run.started' && base.status !== 'IDLE')
      transitions = transitionsFrom(idleState(base.runId, definition.name, planOf(definition)));
    if (event.type === 'run.resumed' && event.seed !== undefined) begin(event);
    else show(event);
    if (event.type !== 'step.started') return;
    running.set(event.path, callText(event));
    for (const extra of held.get(callText(event)) ?? []) show(extra.event);
    held.delete(callText(event));
  };

  return {
    events(from, events) {
      events.forEach((event, offset) => {
        if (from + offset >= next) early.set(from + offset, event);
      });
      for (let event = early.get(next); event !== undefined; event = early.get(next)) {
        early.delete(next);
        next += 1;
        take(event);
      }
    },
    parts(parts) {
      for (const part of parts) {
        if ('index' in part) {
          this.events(part.index, [part.event]);
          continue;
        }
        if (heard.has(part.key)) continue;
        heard.add(part.key);
        const call = callText(part.under);
        const current = running.get(part.under.path);
        // Of a call that was stopped more may come than its end waits for, and the next life knows it.
        const isLate = current === undefined && ended.has(call) && isOfNested(part);
        if (current === call || isLate) show(part.event);
        else {
          const others = held.get(call);
          if (others === undefined) held.set(call, [part]);
          else others.push(part);
        }
      }
    },
    state: () => transitions.state(),
  };
}

const ENDS: ReadonlySet<RunEvent['type']> = new Set([
  'step.completed',
  'step.failed',
  'step.retrying',
  'step.cancelled',
  'step.skipped',
]);

/** The beginning of a run carries its plan, and its end the output as it is used, not as it is saved. */
function liveEvent(event: RunEvent, definition: Definition): RunEvent {
  if (event.type === 'run.started') return { ...event, plan: planOf(definition) };
  if (event.type !== 'run.completed') return event;
  const output = decodedOutput(definition, event.output, event.givenBy);
  return withStored({ ...event, output }, event.output);
}
