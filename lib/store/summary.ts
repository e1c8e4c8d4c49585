import { Tags } from '../codec/stateCodec';
import { typeName } from '../codec/typeName';
import type { Failure } from '../model/failure';
import { hideSecrets } from '../model/secrets/secretTexts';
import type { RunState } from '../model/state';
import { pathsAbove } from '../model/stepPath';
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
  const text = hideSecrets(`${name}: ${message}`);
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
  for (const above of pathsAbove(stepId, steps))
    dueAt = Math.min(dueAt, steps.get(above)?.limitAt ?? Infinity);
  return dueAt === Infinity ? undefined : dueAt;
}

/** A line about a run, and whether nobody carries the run on now. */
export interface ListedRun {
  readonly run: RunSummary;
  readonly isResting: boolean;
}

/**
 * Those lines that fit the query, newest first.
 *
 * @throws InvalidArgumentError for a query that cannot be asked.
 */
export function select(runs: Iterable<ListedRun>, query: RunQuery = {}): readonly RunSummary[] {
  checkQuery(query);
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

/** @throws InvalidArgumentError when a field of the query is of another type. */
export function checkQuery(query: RunQuery = {}): void {
  checkFields('list runs', query, queryFields, 'such as listRuns({ status: "FAILED", limit: 20 })');
}

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number' && !Number.isNaN(value);
const isFlag: Check = (value) => typeof value === 'boolean';

type Check = (value: unknown) => boolean;

type Checks<T> = { readonly [K in keyof Required<T>]: readonly [check: Check, expected: string] };

const queryFields: Checks<RunQuery> = {
  name: [isText, 'a text'],
  status: [
    (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
    'a status or a list of them',
  ],
  since: [isNumber, 'epoch milliseconds'],
  failedStep: [isText, 'a text'],
  tags: [Tags.is, 'names and texts'],
  dueBefore: [isNumber, 'epoch milliseconds'],
  text: [isText, 'a text'],
  isResting: [isFlag, 'true or false'],
  limit: [isNumber, 'a number'],
  onDamaged: [(value) => typeof value === 'function', 'a function'],
};

const limitFields: Checks<PruneLimits> = {
  keep: [isNumber, '0 or more'],
  olderThanMs: [isNumber, '0 or more'],
  cache: [isFlag, 'true or false'],
  snapshots: [isFlag, 'true or false'],
  logs: [isFlag, 'true or false'],
};

/** @param action - What is to be done, for the error. */
function checkFields<T extends object>(action: string, given: T, fields: Checks<T>, example: string): void {
  if (typeof given !== 'object' || (given as T | null) === null)
    throw new InvalidArgumentError(`Cannot ${action} by ${typeName(given)}`, `give an object, ${example}`);
  for (const [name, [isGood, expected]] of Object.entries(fields) as [
    keyof T & string,
    Checks<T>[keyof T],
  ][]) {
    const value: unknown = given[name];
    if (value !== undefined && !isGood(value))
      throw new InvalidArgumentError(
        `Cannot ${action}: ${name} is ${typeof value === 'number' ? String(value) : typeName(value)}`,
        `give ${expected}`,
      );
  }
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
 * @throws InvalidArgumentError when a limit is negative or no number, so that a setting that is missing does not forget every run.
 */
export function prunable(runs: Iterable<ListedRun>, limits: PruneLimits, now: number): readonly string[] {
  checkLimits(limits);
  const { keep = 0, olderThanMs = 0 } = limits;
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

/** @throws InvalidArgumentError when they say not which runs to forget. */
export function checkLimits(limits: PruneLimits): void {
  checkFields('prune', limits, limitFields, 'such as prune({ olderThanMs: 7 * 86_400_000 })');
  for (const name of ['keep', 'olderThanMs'] as const) {
    const { [name]: value = 0 } = limits;
    if (value < 0)
      throw new InvalidArgumentError(`Cannot prune: ${name} is ${String(value)}`, 'give 0 or more');
  }
}

/**
 * The runs that can be resumed and that nobody carries on, newest first: those a crash left behind are `RUNNING`, the others
 * `FAILED`, `CANCELLED` or `SUSPENDED`.
 */
export async function resumable(store: Pick<Store, 'listRuns'>): Promise<readonly RunSummary[]> {
  if (typeof (store as Partial<Store> | undefined)?.listRuns !== 'function')
    throw new InvalidArgumentError(
      `Cannot list what can be resumed: a store is needed, got ${typeName(store)}`,
      'give a store or an engine itself, such as resumable(store)',
    );
  return store.listRuns({ status: ['RUNNING', 'FAILED', 'CANCELLED', 'SUSPENDED'], isResting: true });
}
