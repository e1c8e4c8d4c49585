import { isDeepStrictEqual } from 'node:util';

import { jsonValue } from '../lib/codec/jsonValue';
import { validate } from '../lib/codec/validate';
import { definitionAt } from '../lib/definition/definitionAt';
import type { StepIds } from '../lib/definition/definition';
import { decodedOutput, definitionOf } from '../lib/definition/definition';
import type { Answer, Decided, StepRequest } from '../lib/definition/scope';
import type { Engine } from '../lib/engine/engine';
import { StepExecutor } from '../lib/engine/interpreter/stepExecutor';
import { hashOf } from '../lib/engine/local/cachedAnswers';
import { resolveStart } from '../lib/engine/resolveStart';
import type { StepTask } from '../lib/engine/task';
import { undoneSagas } from '../lib/engine/undone';
import { DefinitionMismatchError, StreamInputError } from '../lib/errors/runErrors';
import type { Agent } from '../lib/model/agentType';
import type { RunEvent } from '../lib/model/event';
import { toFailure } from '../lib/model/failure';
import { reduceRun } from '../lib/model/reduce';
import type { RunState } from '../lib/model/state';
import { pathsAbove } from '../lib/model/stepPath';
import type { StepTable } from '../lib/model/stepTable';
import type { Store } from '../lib/store/store';
import type { Stop } from '../lib/streams/pull';
import { isStream } from '../lib/streams/pull';

/** What a recorded run would meet with the code at hand. */
export interface ReplayDifference {
  /** The id of the run. */
  readonly runId: string;
  /** Path of the step; empty for the run itself. */
  readonly path: string;
  /** What differs. */
  readonly what: string;
  /** What can be done about it. */
  readonly next: string;
}

/** What came of checking the recorded runs of an agent. */
export interface ReplayCheck {
  /** Ids of the runs that were looked at. */
  readonly checked: readonly string[];
  /** What differs, run by run; none where the code can be deployed. */
  readonly differences: readonly ReplayDifference[];
  /** What nothing can be said of, because it is only known when the run goes on. */
  readonly unchecked: readonly UncheckedStep[];
}

/** A step on record, or a run, of which a replay knows nothing. */
export interface UncheckedStep {
  /** The id of the run. */
  readonly runId: string;
  /** Path of the step; empty for the run itself. */
  readonly path: string;
  /** Why not. */
  readonly why: string;
}

/**
 * Replays the recorded runs of an agent against the code at hand and names what would differ if it was deployed: a definition that
 * resume would refuse, saved outputs and inputs that codecs cannot read any more, and steps on record that would not be asked for, or
 * would be called again. Runs that wait, failed, were cut off, and completed ones.
 *
 * No agent is called and nothing is written. Functions of the definition that decide (`when`, `pick`, the selector of a branch, `until`)
 * are, so they must be pure as they have to be for a resume.
 *
 * Two things are not seen, and told in `unchecked`: steps that a function asked for by `context.step` or `context.call`, because nothing
 * but the call of the function says what they are; and runs that were given a stream, because whoever resumes them gives it anew.
 *
 * @example
 * ```ts
 * const { differences } = await checkReplay(report, { store: lowdbStore('./state') });
 * assert.deepEqual(differences, []);
 * ```
 */
export async function checkReplay(
  agent: Agent<never, unknown>,
  { store }: { readonly store: Pick<Store, 'listRuns' | 'loadRun'> },
): Promise<ReplayCheck> {
  const checked: string[] = [];
  const differences: ReplayDifference[] = [];
  const unchecked: UncheckedStep[] = [];
  for (const { runId, name } of await store.listRuns()) {
    if (name !== agent.name) continue;
    const state = await store.loadRun(runId);
    if (state === undefined || state.status === 'IDLE') continue;
    checked.push(runId);
    differences.push(...differencesOf(agent, state, unchecked));
    unchecked.push(...askedByFunctions(agent, state));
  }
  return { checked, differences, unchecked };
}

/** Completed steps that a function has asked for. */
function askedByFunctions(
  agent: Agent<never, unknown>,
  { runId, steps }: RunState,
): readonly UncheckedStep[] {
  const why = 'a function has asked for it, and is not called here';
  return [...steps].flatMap(({ stepId, status }) =>
    status === 'COMPLETED' && definitionAt(agent, stepId) === 'unknown' ? [{ runId, path: stepId, why }] : [],
  );
}

function differencesOf(
  agent: Agent<never, unknown>,
  state: RunState,
  unchecked: UncheckedStep[],
): readonly ReplayDifference[] {
  const { runId } = state;
  const unreadable = unreadableIn(agent, state);
  if (unreadable.length > 0) return unreadable;
  try {
    const { event, ids } = resolveStart({ ...questionOf(agent, state), onMismatch: 'refuse' });
    const begun =
      event === undefined ? Object.freeze({ ...state, status: 'RUNNING' as const }) : reduceRun(state, event);
    return replayed(agent, state, begun, ids);
  } catch (error) {
    if (error instanceof StreamInputError) {
      unchecked.push({ runId, path: '', why: 'whoever resumes it gives it its stream anew' });
      return [];
    }
    if (error instanceof DefinitionMismatchError) return changed(agent, state, error);
    return [{ runId, path: '', what: toFailure(error).message, next: 'keep what reads it' }];
  }
}

function questionOf(agent: Agent<never, unknown>, state: RunState) {
  return {
    runId: state.runId,
    agent,
    input: undefined,
    saved: state,
    mustExist: true,
    checksValues: true,
    at: state.endedAt ?? state.startedAt,
    incarnation: state.incarnation,
  };
}

/** A definition that resume would refuse, step by step. */
function changed(
  agent: Agent<never, unknown>,
  state: RunState,
  { diff }: DefinitionMismatchError,
): readonly ReplayDifference[] {
  const { runId } = state;
  const { event } = resolveStart({ ...questionOf(agent, state), onMismatch: 'actual' });
  const dropped = event !== undefined && 'dropped' in event ? (event.dropped ?? []) : [];
  const next =
    `resume refuses it; with onMismatch: 'actual' the saved results of ${String(dropped.length)} steps are dropped` +
    (dropped.length > 0 ? ` (${dropped.slice(0, 5).join(', ')})` : '');
  const each = (paths: readonly string[], what: string): readonly ReplayDifference[] =>
    paths.map((path) => ({ runId, path, what, next }));
  return [
    ...each(diff.added, 'the step is new'),
    ...each(diff.removed, 'the step is gone'),
    ...each(diff.changed, 'the step has another agent, version or source'),
    ...each(diff.results, 'the result is made of something else'),
    ...(diff.renamed === undefined ? [] : each([''], `the agent was named "${diff.renamed.from}"`)),
  ];
}

/** What codecs cannot read any more. */
function unreadableIn(agent: Agent<never, unknown>, state: RunState): readonly ReplayDifference[] {
  const { runId, steps, input, status } = state;
  const differences: ReplayDifference[] = [];
  const tell = (path: string, what: string, error: unknown): void => {
    const next = 'let the codec read both forms, or give the agent a version';
    differences.push({ runId, path, what: `${what}: ${toFailure(error).message}`, next });
  };
  const codec = definitionOf(agent)?.input;
  if (codec !== undefined && status !== 'COMPLETED') {
    try {
      validate(codec, input, `input of "${agent.name}"`);
    } catch (error) {
      tell('', 'its saved input is not accepted any more', error);
    }
  }
  for (const { stepId, status: stands, output, givenBy } of steps) {
    const definition = definitionAt(agent, stepId);
    if (stands !== 'COMPLETED' || definition === undefined || definition === 'unknown') continue;
    try {
      decodedOutput(definition, output, givenBy);
    } catch (error) {
      tell(stepId, 'its saved output cannot be read any more', error);
    }
  }
  return differences;
}

/** Lets the machine go as far as the record leads it, and compares. */
function replayed(
  agent: Agent<never, unknown>,
  saved: RunState,
  begun: RunState,
  ids: StepIds,
): readonly ReplayDifference[] {
  const { runId } = saved;
  const engine = new ReplayEngine(begun);
  const executor = new AskingExecutor({
    runId,
    agent,
    input: begun.input,
    ids,
    engine,
    known: begun.steps,
    seq: begun.seq,
    maxCrashes: Infinity,
    ended: () => undefined,
  });
  executor.begin();
  const end = engine.events.find(({ type }) => type === 'run.completed' || type === 'run.failed');
  const called = [...engine.called];
  engine.close();
  executor.stop();
  const next = 'decide as before, or give what decides a version';
  const differences = unasked(begun, executor.asked, called).map((path) => ({
    runId,
    path,
    what: 'the step is on record as completed and would not be asked for',
    next,
  }));
  if (end?.type === 'run.failed' && end.error.message !== saved.error?.message)
    differences.push({
      runId,
      path: end.error.path ?? '',
      what: `it would fail: ${end.error.message}`,
      next,
    });
  if (saved.status !== 'COMPLETED') return differences;
  for (const path of called) differences.push({ runId, path, what: 'the step would be called', next });
  if (end?.type === 'run.completed' && !isDeepStrictEqual(end.output, saved.output))
    differences.push({ runId, path: '', what: 'the run would give something else', next });
  return differences;
}

/** Completed steps that nobody asks for, although what they belong to has begun and waits for nothing else. */
function unasked(
  { steps }: RunState,
  asked: ReadonlySet<string>,
  called: readonly string[],
): readonly string[] {
  if (undoneSagas(steps).length > 0) return [];
  const isSettled = (path: string): boolean =>
    called.includes(path) || ['COMPLETED', 'SKIPPED', 'FAILED'].includes(steps.get(path)?.status ?? '');
  return [...steps].flatMap(({ stepId, status, attempts }) => {
    if (status !== 'COMPLETED' || attempts === 0 || asked.has(stepId)) return [];
    const above = askedAbove(stepId, asked);
    if (above.some(isSettled)) return [];
    const beside = called.filter((path) => askedAbove(path, asked)[0] === above[0]);
    // What is called again, such as a failed item, may hold up those behind it. A new step says that another way is taken.
    const isHeldUp = beside.length > 0 && beside.every((path) => steps.get(path) !== undefined);
    return isHeldUp ? [] : [stepId];
  });
}

/** The steps above this one that were asked for, the nearest first. */
function askedAbove(path: string, asked: ReadonlySet<string>): readonly string[] {
  return pathsAbove(path).filter((above) => asked.has(above));
}

/** Remembers what was asked for. */
class AskingExecutor extends StepExecutor {
  readonly asked = new Set<string>();

  override startStep(parent: StepTask, request: StepRequest, answer: (answer: Answer) => void): StepTask {
    const task = super.startStep(parent, request, answer);
    this.asked.add(task.path);
    return task;
  }
}

/** Calls nothing and writes nothing down: every event is taken at once, and no answer comes from outside. */
class ReplayEngine implements Engine {
  readonly events: RunEvent[] = [];
  readonly called = new Set<string>();
  #state: RunState;
  #isClosed = false;

  constructor(state: RunState) {
    this.#state = state;
  }

  get incarnation(): string | undefined {
    return this.#state.incarnation;
  }

  now(): number {
    return this.#state.startedAt;
  }

  elapsed(): number {
    return 0;
  }

  record(event: RunEvent, then: () => void, stored: RunEvent = event): void {
    if (this.#isClosed) return;
    this.tell(stored);
    then();
  }

  note(event: RunEvent): void {
    this.tell(event);
  }

  tell(event: RunEvent): void {
    if (this.#isClosed) return;
    this.events.push(event);
    this.#state = reduceRun(this.#state, event);
  }

  steps(): StepTable {
    return this.#state.steps;
  }

  keep(value: unknown, path: string): unknown {
    return jsonValue(value, path);
  }

  hash(value: unknown): string | undefined {
    return isStream(value) ? undefined : hashOf(value);
  }

  call({ path }: StepTask): Stop {
    this.called.add(path);
    return nothing;
  }

  decide<T>(
    _path: string,
    _question: string,
    decision: () => T,
    answer: (decided: Decided<T>) => void,
  ): void {
    answer(decidedBy(decision));
  }

  sleep(): Stop {
    return nothing;
  }

  signal(): Stop {
    return nothing;
  }

  close(): void {
    this.#isClosed = true;
  }
}

function decidedBy<T>(decision: () => T): Decided<T> {
  try {
    return { ok: true, value: decision() };
  } catch (error) {
    return { ok: false, error };
  }
}

function nothing(): void {
  // There is nothing to stop.
}
