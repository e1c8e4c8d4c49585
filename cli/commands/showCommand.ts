import { join } from 'node:path';

import { firstValueFrom, toArray } from 'rxjs';

import { UnknownStepError } from '../../lib/errors/stepErrors';
import { EventsNotKeptError } from '../../lib/errors/storageErrors';
import { shortStack } from '../../inspector/shortStack';
import type { Span } from '../../lib/history/timeline';
import { timeline } from '../../lib/history/timeline';
import type { RunEvent } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import type { RunState } from '../../lib/model/state';
import { workedSeconds } from '../../lib/model/state';
import type { StepResult } from '../../lib/model/stepResult';
import { clipped, columns, durationText, printable } from '../../lib/report/columns';
import { ownerOf } from '../../lib/store/salvage/examine';
import type { Store } from '../../lib/store/store';
import { summaryOf } from '../../lib/store/summary';
import { answerShapes } from '../answerShape';
import { CommandError } from '../commandError';
import type { CommandContext } from '../context';
import { commandLine, countOf, textOf, withStore } from '../context';
import { exitCodes, exitOfRun } from '../exitCodes';
import { goOnRows, wentBackText } from '../goOnCommands';
import type { KeptAnswer } from '../keptAnswers';
import { keptAnswers } from '../keptAnswers';
import { momentText, timeText } from '../view/moments';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { eventsSoFar } from './eventCommands';
import { mermaidOf } from '../view/planMermaid';
import type { QueuedRow } from '../queuedRuns';
import { queuedRun } from '../queuedRuns';
import { isLeftBehind } from '../resting';
import { notBegun, rowNamed, stateAt, stateOf } from '../runNames';
import { beginsText, statusText } from '../view/statusText';
import type { Settings } from '../settings';
import { stepRows } from '../view/stepRows';
import { clippedLine } from '../view/table';
import { indented, valueText } from '../view/valueText';
import type { Words } from '../view/words';

/** Shows how a run stands. */
export async function showCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const typed = String(args[0]);
  const at = countOf(options['at'], '--at');
  return withStore(context, async (store, settings) => {
    const row = await rowNamed(store, typed);
    if (row.status === 'QUEUED') return showQueued(store, row, settings, context);
    const state = at === undefined ? await stateOf(store, row) : await stateAt(store, row.runId, at);
    const path = textOf(options['step']);
    // How it stood at an earlier moment says nothing of who carries it on now, and of what waits for that.
    const isLeft = at === undefined && (await isLeftBehind(store, state));
    const isCarried = state.status === 'RUNNING' && !isLeft;
    const answers = at !== undefined || isCarried ? [] : await keptAnswers(store, state);
    if (path !== undefined) await showStep(store, state, path, answers, context);
    else if (options['output'] !== undefined) showOutput(state, options['output'], output);
    else if (options['input'] === true) showValue(state.input, output);
    else if (options['mermaid'] === true) showMermaid(state, output);
    else {
      if (output.isJson) output.json(jsonState(state, isLeft, answers, options['failed'] === true));
      else {
        const left = isLeft ? await leftNote(settings, output) : undefined;
        const shapes = at === undefined ? await shapesFor(state, settings, output) : undefined;
        const served = at === undefined ? await servedNote(state, settings, output) : undefined;
        showRun(state, { left, served, shapes, answers }, settings, context);
      }
    }
    return exitOfRun(state);
  });
}

/** Shows a run that has not begun: when it does, and who begins it. @throws CommandError RUN_QUEUED when something of its steps is asked for. */
async function showQueued(
  store: Store,
  row: QueuedRow,
  settings: Settings,
  { options, output }: CommandContext,
): Promise<number> {
  const { runId, name, status, tags = {} } = row;
  if (['step', 'at', 'output', 'mermaid'].some((option) => options[option] !== undefined))
    throw notBegun(runId);
  const { input } = (await queuedRun(store, runId)) ?? {};
  const owner = await ownerOf(settings.store);
  const isServed = owner?.isAlive === true && owner.isServing;
  const cancel = commandLine(settings, 'cancel', [runId]);
  if (options['input'] === true) showValue(input, output);
  else if (output.isJson) {
    const servedBy = isServed && { servedBy: { pid: owner.pid, host: owner.host } };
    output.json({ ...row, ...(input !== undefined && { input }), isServed, ...servedBy, next: cancel });
  } else {
    const { words, width } = output;
    const who = owner?.isAlive === true ? (isServed ? words.servedBy : words.notServedBy) : undefined;
    const head = [
      paint(printable(name), 'bold', output),
      words.runOf(printable(runId)),
      statusText(status, output),
    ];
    for (const line of [
      head.join('  '),
      words.isQueued(printable(runId), beginsText(row, output)),
      who === undefined || owner === undefined
        ? words.notServed
        : who(owner.pid, owner.host, printable(name)),
      ...tagLines(tags, output),
    ])
      output.print(clippedLine(line, width));
    if (options['full'] === true) output.print(`${words.input}\n${indented(valueText(input, true, output))}`);
    output.print(`\n${words.toCancel}  ${cancel}`);
  }
  return exitCodes.running;
}

function tagLines(tags: Readonly<Record<string, string>>, { words }: Output): readonly string[] {
  const named = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return named.length === 0 ? [] : [`${words.tags}: ${printable(named.join(' '))}`];
}

/** A run as JSON: its state, and the one line about it that `list` tells. */
function jsonState(
  state: RunState,
  isLeft: boolean,
  answers: readonly KeptAnswer[],
  isFailedOnly: boolean,
): object {
  // The table has its own form in JSON.
  const rows = JSON.parse(JSON.stringify(state.steps)) as readonly StepResult[];
  const steps = isFailedOnly ? rows.filter(({ status }) => status === 'FAILED') : rows;
  return {
    ...state,
    steps,
    summary: summaryOf(state),
    ...(isLeft && { isResting: true }),
    ...(answers.length > 0 && { keptAnswers: answers }),
  };
}

/** How the answers look that a run waits for. A file of agents that does not load keeps nobody from seeing how the run stands. */
async function shapesFor(
  state: RunState,
  settings: Settings,
  output: Output,
): Promise<ReadonlyMap<string, string> | undefined> {
  if (state.status !== 'SUSPENDED') return undefined;
  try {
    return await answerShapes(state, settings);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    output.tell(`${paint('!', 'yellow', output)} ${printable(error.message)}`);
    return undefined;
  }
}

/** Says that nobody carries on a run that is under way by its record, and who has ended. */
export async function leftNote({ store }: Settings, { words }: Output): Promise<string> {
  const owner = await ownerOf(store);
  return owner?.isAlive === false ? words.leftBehindBy(owner.pid, owner.host) : words.leftBehind;
}

/** Says who goes on by itself with a run that waits; undefined where nobody serves the store. */
async function servedNote(
  { status, name }: RunState,
  { store }: Settings,
  { words }: Output,
): Promise<string | undefined> {
  const owner = status === 'SUSPENDED' ? await ownerOf(store) : undefined;
  if (owner?.isAlive !== true || !owner.isServing) return undefined;
  return words.goesOnThere(owner.pid, owner.host, printable(name));
}

/** What is found out of a run before it is shown. */
interface Shown {
  /** Says that nobody carries it on; undefined where somebody does, or need not. */
  readonly left: string | undefined;
  /** Says who goes on with it by itself; undefined where nobody does. */
  readonly served: string | undefined;
  /** How the answers look that it waits for. */
  readonly shapes: ReadonlyMap<string, string> | undefined;
  /** The answers that it takes when it goes on. */
  readonly answers: readonly KeptAnswer[];
}

function showRun(
  state: RunState,
  { left, served, shapes, answers }: Shown,
  settings: Settings,
  { options, output }: CommandContext,
): void {
  const { words, width } = output;
  output.print(clippedLine(headOf(state, output), width));
  for (const line of [
    ...(left === undefined ? [] : [left]),
    ...notesOf(state, output),
    ...answers.map((each) => answerText(each, output)),
    ...(served === undefined ? [] : [served]),
  ])
    output.print(clippedLine(line, width));
  const rows = stepRows(
    state,
    { isWhole: options['tree'] === true, isFailedOnly: options['failed'] === true },
    output,
  );
  for (const line of treeLines(rows)) output.print(clippedLine(` ${line}`, width));
  if (options['full'] === true) {
    output.print(`${words.input}\n${indented(valueText(state.input, true, output))}`);
    if (state.status === 'COMPLETED')
      output.print(`${words.output}\n${indented(valueText(state.output, true, output))}`);
  }
  const next =
    options['at'] === undefined
      ? goOnRows(state, settings, output, {
          isLeft: left !== undefined,
          isServed: served !== undefined,
          answered: new Set(answers.map(({ path }) => path)),
          ...(shapes !== undefined && { shapes }),
        })
      : [];
  if (next.length > 0) output.print(['', ...columns(next)].join('\n'));
}

/** An answer that waits for the run, in one line. */
function answerText({ path, at, value }: KeptAnswer, { words }: Output): string {
  const text = clipped(printable(JSON.stringify(value)), MOST_ANSWER);
  return words.wasAnswered(printable(path), at === undefined ? undefined : momentText(at), text);
}

const MOST_ANSWER = 80;

/** Aligned lines; a row of one cell is a line of its own, whose length moves no column. */
function treeLines(rows: readonly (readonly string[])[]): readonly string[] {
  const aligned = columns(rows.filter((row) => row.length > 1));
  return rows.map((row) => (row.length > 1 ? (aligned.shift() ?? '') : (row[0] ?? '')));
}

function headOf(state: RunState, output: Output): string {
  const { words } = output;
  const counts = { PENDING: 0, RUNNING: 0, SUSPENDED: 0, COMPLETED: 0, FAILED: 0, SKIPPED: 0 };
  for (const { status } of state.steps) counts[status] += 1;
  return [
    paint(printable(state.name), 'bold', output),
    words.runOf(printable(state.runId)),
    statusText(state.status, output),
    ...(state.endedAt === undefined ? [] : [durationText(workedSeconds(state))]),
    COUNTED.filter((status) => counts[status] > 0)
      .map((status) => words.counted(counts[status], words.statuses[status]))
      .join(', '),
  ].join('  ');
}

const COUNTED = ['COMPLETED', 'FAILED', 'RUNNING', 'SUSPENDED', 'SKIPPED', 'PENDING'] as const;

function notesOf(state: RunState, output: Output): string[] {
  const { words } = output;
  const { tags = {}, forkedFrom, reason, error } = state;
  const wentBack = wentBackText(state, output);
  return [
    ...(wentBack === undefined ? [] : [wentBack]),
    ...(state.life > 1 ? [words.lifeOf(state.life)] : []),
    ...(forkedFrom === undefined
      ? []
      : [words.forkOf(printable(forkedFrom.runId), printable(forkedFrom.path))]),
    ...(reason === undefined ? [] : [`${words.reason}: ${printable(reason)}`]),
    ...tagLines(tags, output),
    ...(error === undefined || state.status !== 'FAILED' || error.path !== undefined
      ? []
      : [printable(`${error.name}: ${error.message}`)]),
  ];
}

function showOutput(state: RunState, asked: unknown, output: Output): void {
  const path = textOf(asked);
  if (path === undefined) showValue(state.output, output);
  else showValue(stepAt(state, path).output, output);
}

/** Exactly the value, for whatever reads it on. */
function showValue(value: unknown, output: Output): void {
  if (output.isJson) output.json(value ?? null);
  else output.print(JSON.stringify(value ?? null, null, 2));
}

function showMermaid(state: RunState, output: Output): void {
  const text = mermaidOf(state.plan, state);
  if (output.isJson) output.json({ mermaid: text });
  else output.print(text);
}

/** @throws UnknownStepError */
function stepAt(state: RunState, path: string): StepResult {
  const row = state.steps.get(path);
  if (row === undefined) throw new UnknownStepError(state.runId, path);
  return row;
}

async function showStep(
  store: Store,
  state: RunState,
  path: string,
  answers: readonly KeptAnswer[],
  { options, output }: CommandContext,
): Promise<void> {
  const row = stepAt(state, path);
  const given = answers.filter((answer) => answer.path === path);
  const events = await eventsOf(store, state);
  const own = events.filter((event) => 'path' in event && event.path === path);
  const spans = timeline(events).filter((span) => span.path === path);
  const plan = state.plan.find((step) => step.path === path);
  const failure = failureIn(own) ?? row.error ?? undefined;
  if (output.isJson) {
    output.json({
      ...row,
      ...(failure !== undefined && { error: failure }),
      sources: plan?.sources,
      spans,
      events: own,
      ...(given.length > 0 && { keptAnswers: given }),
    });
    return;
  }
  const { words } = output;
  const isFull = options['full'] === true;
  const head = [paint(printable(path), 'bold', output), statusText(row.status, output), printable(row.agent)];
  if (row.duration > 0) head.push(durationText(row.duration));
  if (row.attempts > 1) head.push(words.attempt(row.attempts));
  output.print(head.join('  '));
  if (plan !== undefined) output.print(`${words.reads}: ${printable(plan.reads ?? plan.sources.join(', '))}`);
  for (const line of columns(spans.map((span) => spanRow(span, words)))) output.print(`  ${line}`);
  output.print(
    row.input === undefined
      ? `${words.input}: ${words.notRecorded}`
      : `${words.input}\n${indented(valueText(row.input, isFull, output))}`,
  );
  if (row.request !== undefined)
    output.print(`${words.request}\n${indented(valueText(row.request, isFull, output))}`);
  for (const each of given) output.print(answerText(each, output));
  if (row.status === 'COMPLETED')
    output.print(`${words.output}\n${indented(valueText(row.output, isFull, output))}`);
  if (failure !== undefined && row.status !== 'COMPLETED')
    output.print(failureText(failure, words.error, isFull, output));
}

/** The events of a run that are kept by now; none where none are kept. */
async function eventsOf(store: Store, state: RunState): Promise<readonly RunEvent[]> {
  try {
    const kept = await firstValueFrom(eventsSoFar(store, state).pipe(toArray()));
    return kept.map(({ event }) => event);
  } catch (error) {
    if (error instanceof EventsNotKeptError) return [];
    throw error;
  }
}

/** The latest failure with where it was thrown, which only events tell. */
function failureIn(events: readonly RunEvent[]): Failure | undefined {
  const failed = events.findLast((event) => event.type === 'step.failed' || event.type === 'step.retrying');
  return failed !== undefined && 'error' in failed ? failed.error : undefined;
}

function spanRow({ kind, attempt, from, to }: Span, words: Words): string[] {
  const took = to === undefined ? '' : durationText((to - from) / 1_000);
  return [`[${attempt}]`, words.spans[kind], `${momentText(from).slice(0, 10)} ${timeText(from)}`, took];
}

function failureText(failure: Failure, title: string, isFull: boolean, output: Output): string {
  const { name, message, code, status, stack = '', cause, errors = [] } = failure;
  const { words } = output;
  const facts = [code, status].filter((fact) => fact !== undefined).join(' ');
  const frames = (isFull ? stack : shortStack(stack))
    .split('\n')
    .filter((frame) => frame !== '' && (isFull || isOwn(frame)));
  return [
    paint(`${title}: ${printable(`${name}: ${message}`)}${facts === '' ? '' : ` (${facts})`}`, 'red', output),
    ...frames.map((frame) => `  ${printable(frame)}`),
    ...(cause === undefined ? [] : [indented(failureText(cause, words.cause, isFull, output))]),
    ...errors.map((one) => indented(failureText(one, words.error, isFull, output))),
  ].join('\n');
}

/** Whether a frame is in the code of the user: not in a package, in Node, or in this one. */
function isOwn(frame: string): boolean {
  return !/node_modules|node:/.test(frame) && !frame.includes(join(__dirname, '..', 'core'));
}
