import type { Failure } from '../model/failure';
import type { RunState } from '../model/state';
import type { StepResult } from '../model/stepResult';
import type { StepTable } from '../model/stepTable';
import { InvalidArgumentError } from '../model/failure';
import type { OpenQuestion, PruneLimits, RunQuery, RunSummary, Store } from './store';

/** The one line about a run. */
export function summaryOf(state: RunState): RunSummary {
  return Object.freeze({
    runId: state.runId,
    name: state.name,
    status: state.status,
    startedAt: state.startedAt,
    ...(state.endedAt === undefined ? {} : { endedAt: state.endedAt }),
    life: state.life,
    ...(state.error?.path === undefined ? {} : { failedStep: state.error.path }),
    ...(state.reason === undefined ? {} : { reason: state.reason }),
    steps: state.steps.tally(),
    ...waitingOf(state),
    ...(state.forkedFrom === undefined ? {} : { forkedFrom: state.forkedFrom }),
    ...(state.error === undefined ? {} : { error: errorText(state.error) }),
    ...(state.tags === undefined ? {} : { tags: state.tags }),
    ...(state.used !== undefined && { used: state.used }),
  });
}

/** The questions of a run that are open. */
export function openQuestions({ status, steps }: RunState): readonly StepResult[] {
  return status === 'COMPLETED' ? [] : [...steps].filter(isOpen);
}

/** Whether a step waits for an answer; one that sleeps does not. Questions of earlier versions have no id. */
export function isOpen(row: StepResult): boolean {
  return row.status === 'SUSPENDED' && (row.asking !== undefined || 'request' in row);
}

const NOTHING: readonly OpenQuestion[] = Object.freeze([]);

/** The questions that are open, and when the first of all waits ends, those of sleeping steps too. */
function waitingOf(state: RunState): Pick<RunSummary, 'waiting' | 'dueAt'> {
  if (state.status === 'COMPLETED') return { waiting: NOTHING };
  const rows = [...state.steps].filter(({ status }) => status === 'SUSPENDED');
  if (rows.length === 0) return { waiting: NOTHING };
  let dueAt = Infinity;
  for (const row of rows) dueAt = Math.min(dueAt, dueAtOf(row, state.steps) ?? Infinity);
  return { waiting: waitingIn(rows.filter(isOpen), state), ...(dueAt < Infinity && { dueAt }) };
}

/** An error in one line. */
function errorText({ name, message }: Failure): string {
  const text = `${name}: ${message}`;
  return text.length <= LONGEST_ERROR ? text : `${text.slice(0, LONGEST_ERROR - 1)}…`;
}

const LONGEST_ERROR = 200;

function waitingIn(open: readonly StepResult[], state: RunState): readonly OpenQuestion[] {
  if (open.length === 0) return NOTHING;
  return open.map((row) => {
    const dueAt = dueAtOf(row, state.steps);
    return {
      path: row.stepId,
      asking: row.asking ?? '',
      ...(dueAt !== undefined && { dueAt }),
      ...(row.signal !== undefined && { signal: row.signal }),
    };
  });
}

/** When a question is over: at its own deadline, or when the time limit of a step that it belongs to ends. */
function dueAtOf({ stepId, deadline, limitAt }: StepResult, steps: StepTable): number | undefined {
  let dueAt = Math.min(deadline ?? Infinity, limitAt ?? Infinity);
  for (let end = 1; end < stepId.length; end += 1) {
    if (stepId[end] === '/' || stepId[end] === '[')
      dueAt = Math.min(dueAt, steps.get(stepId.slice(0, end))?.limitAt ?? Infinity);
  }
  return dueAt === Infinity ? undefined : dueAt;
}

/** A line about a run, and whether nobody carries the run on now. */
export interface ListedRun {
  readonly run: RunSummary;
  readonly isResting: boolean;
}

/** Those lines that fit the query, newest first. */
export function select(runs: Iterable<ListedRun>, query: RunQuery = {}): readonly RunSummary[] {
  const statuses = typeof query.status === 'string' ? [query.status] : query.status;
  const fitting: RunSummary[] = [];
  for (const { run, isResting } of runs) {
    if (query.name !== undefined && run.name !== query.name) continue;
    if (statuses !== undefined && !statuses.includes(run.status)) continue;
    if (query.since !== undefined && run.startedAt < query.since) continue;
    if (query.failedStep !== undefined && run.failedStep !== query.failedStep) continue;
    if (query.dueBefore !== undefined && !((run.dueAt ?? Infinity) < query.dueBefore)) continue;
    if (query.tags !== undefined && !hasTags(run, query.tags)) continue;
    if (query.text !== undefined && !holds(run, query.text.toLowerCase())) continue;
    if (query.isResting !== undefined && isResting !== query.isResting) continue;
    fitting.push(run);
  }
  fitting.sort((a, b) => b.startedAt - a.startedAt || (a.runId < b.runId ? 1 : -1));
  return query.limit === undefined ? fitting : fitting.slice(0, Math.max(0, query.limit));
}

function hasTags({ tags = {} }: RunSummary, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => Object.hasOwn(tags, name) && tags[name] === value);
}

function holds({ runId, name, failedStep, error, tags = {} }: RunSummary, text: string): boolean {
  const texts = [runId, name, failedStep ?? '', error ?? '', ...Object.values(tags)];
  return texts.some((each) => each.toLowerCase().includes(text));
}

/**
 * The ids of the runs that `prune` forgets, oldest last.
 *
 * @throws RangeError when a limit is negative or NaN, so that a setting that is missing does not forget every run.
 */
export function prunable(runs: Iterable<ListedRun>, limits: PruneLimits, now: number): readonly string[] {
  const { keep = 0, olderThanMs = 0 } = limits;
  check('keep', keep);
  check('olderThanMs', olderThanMs);
  return select(runs, { isResting: true })
    .slice(keep)
    .filter((run) => ENDED.has(run.status) && now - (run.endedAt ?? now) >= olderThanMs)
    .map(({ runId }) => runId);
}

// A run that waits for an answer, or was left behind by a crash, has not ended.
const ENDED: ReadonlySet<RunSummary['status']> = new Set<RunSummary['status']>([
  'COMPLETED',
  'FAILED',
  'CANCELLED',
]);

function check(name: keyof PruneLimits, value: number): void {
  if (!(value >= 0))
    throw new InvalidArgumentError(`Cannot prune: ${name} is ${String(value)}`, 'give 0 or more');
}

/**
 * The runs that can be resumed and that nobody carries on, newest first: those a crash left behind are `RUNNING`, the others
 * `FAILED`, `CANCELLED` or `SUSPENDED`.
 */
export async function resumable(store: Pick<Store, 'listRuns'>): Promise<readonly RunSummary[]> {
  if (typeof (store as Partial<Store> | undefined)?.listRuns !== 'function')
    throw new InvalidArgumentError(
      `Cannot list what can be resumed in ${typeof store}: it is no store`,
      'give a store or an engine itself, such as resumable(store)',
    );
  return store.listRuns({ status: ['RUNNING', 'FAILED', 'CANCELLED', 'SUSPENDED'], isResting: true });
}
