import { isDeepStrictEqual } from 'node:util';

import { jsonValue } from '../codec/jsonValue';
import type { Definition } from '../definition/definition';
import type { StepIds } from '../definition/definition';
import { decodedOutput, definitionOf, isContainer, planOf, unplannedOf } from '../definition/definition';
import { idsIn, planDiff, unplannedDiff } from '../definition/planDiff';
import { DefinitionMismatchError, InputMismatchError, StreamInputError } from '../errors/runErrors';
import { UnknownRunError } from '../errors/storageErrors';
import type { Agent } from '../model/agentType';
import type { RunCompleted, RunResumed, RunStarted, StepLogged } from '../model/event';
import { openFailures } from '../model/openFailures';
import type { Plan, PlanDiff } from '../model/plan';
import type { RunState } from '../model/state';
import { idleState, lifeSeconds } from '../model/state';
import { withStored } from '../model/state';
import { isStream } from '../streams/pull';
import { downstream } from './invalidate';
import { belowSagas, undoneSagas } from './undone';
import { stepsToUndo, undoableNames } from './undoOrder';

/** What is asked of a run that begins, or goes on. */
export interface StartQuestion<O> {
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  /** How the run was left; undefined for a new one. Its outputs are in their stored form. */
  readonly saved: RunState<O> | undefined;
  /** Whether the run must be known already. */
  readonly mustExist: boolean;
  readonly onMismatch: 'refuse' | 'actual';
  /** Whether the input must survive JSON unchanged to be kept. */
  readonly checksValues: boolean;
  /** Epoch milliseconds at which it begins. */
  readonly at: number;
  /** An id for the run that no other run has, if it is a new one. */
  readonly incarnation: string | undefined;
  /** What a new run is found by besides its name. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** With what the run begins, or goes on. */
export interface Start<O> {
  readonly state: RunState<O>;
  readonly input: unknown;
  /** Absent when the run has completed already: its end is told again then, see `replayedEnd`. */
  readonly event: RunStarted | RunResumed | undefined;
  /** Which ids its steps have. */
  readonly ids: StepIds;
  /** What to tell once it has begun. */
  readonly warning?: StepLogged;
}

/**
 * Decides whether a run starts, is resumed, or has completed already, and with what it goes on. Pure: nothing is written
 * down, so engines that replay may ask again.
 *
 * @throws UnknownRunError when the run must be known and is not.
 * @throws DefinitionMismatchError when another definition is refused.
 * @throws InputMismatchError when another input is refused.
 * @throws StreamInputError when the run has read a stream, which is not given again.
 */
export function resolveStart<O>(question: StartQuestion<O>): Start<O> {
  const { runId, agent, saved, mustExist, checksValues, at } = question;
  const definition = definitionOf(agent) as Definition;
  const ids = saved === undefined || saved.status === 'IDLE' ? 'own' : idsIn(definition, saved);
  const plan = planOf(definition, ids);
  const unplanned = unplannedOf(definition, ids);
  const marked = withoutStreams(question.input);
  const hasStream = marked !== question.input;
  const given = checksValues ? jsonValue(marked, '') : marked;
  if (saved === undefined && mustExist) throw new UnknownRunError(runId);
  if (saved === undefined || saved.status === 'IDLE') {
    const incarnation = saved?.incarnation ?? question.incarnation;
    const made = incarnation === undefined ? {} : { incarnation };
    const state = { ...(saved ?? idleState(runId, agent.name, plan)), ...made };
    const seq = state.seq + 1;
    return {
      state: Object.freeze(state),
      input: hasStream ? question.input : given,
      ids,
      event: {
        type: 'run.started',
        runId,
        seq,
        at,
        ...made,
        name: agent.name,
        ...(question.tags !== undefined && { tags: question.tags }),
        input: given,
        plan,
        ...(unplanned !== undefined && { unplanned }),
        ...beginsToShare(definition, undefined, []),
      },
    };
  }
  const others = unplannedDiff(saved, unplanned);
  const diff = definitionDiff(saved, agent.name, plan, others?.places);
  const isInputChanged =
    given !== undefined && given !== saved.input && !isDeepStrictEqual(given, saved.input);
  if (question.onMismatch === 'refuse') {
    if (diff !== undefined) throw new DefinitionMismatchError(runId, agent.name, diff);
    if (isInputChanged) throw new InputMismatchError(runId);
  }
  const isChanged = diff !== undefined || isInputChanged;
  if (saved.status !== 'COMPLETED' && !hasStream && !isInputChanged && hasStreamMark(saved.input)) {
    throw new StreamInputError(runId);
  }
  if (saved.status === 'COMPLETED' && !isChanged) {
    return { state: restored(saved, definition), input: saved.input, ids, event: undefined };
  }
  const stale =
    diff?.renamed !== undefined || others?.places.includes('') === true
      ? [...saved.steps].map(({ stepId }) => stepId)
      : isChanged
        ? downstream(plan, diff, isInputChanged, saved.steps, others)
        : [];
  const dropped =
    stale.length === 0 ? stale : withoutSagas(stale, saved, diff === undefined ? definition : undefined);
  const event: RunResumed = {
    type: 'run.resumed',
    runId,
    seq: saved.seq + 1,
    at,
    life: saved.life + 1,
    reused: reusedSteps(saved, dropped),
    ...(diff !== undefined && { plan }),
    ...(!isDeepStrictEqual(saved.unplanned, unplanned) && { unplanned: unplanned ?? {} }),
    ...(diff?.renamed !== undefined && { name: agent.name }),
    ...(isInputChanged && { input: given }),
    ...(dropped.length > 0 && { dropped }),
    ...beginsToShare(definition, saved, dropped),
    ...opened(saved, dropped),
  };
  return {
    state: saved,
    input: hasStream ? question.input : isInputChanged ? given : saved.input,
    ids,
    event,
    ...(isChanged && { warning: warningOf(event, diff, isInputChanged, dropped) }),
  };
}

/**
 * A saga that has begun to go back only goes back, whatever it consists of by now. One that has undone everything may begin anew;
 * that can be told where its agents are the ones that did it.
 */
function withoutSagas(
  paths: readonly string[],
  { steps }: RunState,
  same: Definition | undefined,
): readonly string[] {
  const undoable = same === undefined ? undefined : undoableNames(same);
  const sagas = undoneSagas(steps).filter(
    (saga) => undoable === undefined || stepsToUndo(steps, saga, undoable).length > 0,
  );
  const isKept = belowSagas(sagas, steps);
  return paths.filter((path) => !isKept(path));
}

/** How what is run differs from what was run: by its plan, or by its name alone. */
function definitionDiff(
  saved: RunState,
  name: string,
  plan: Plan,
  places: readonly string[] = [],
): PlanDiff | undefined {
  const planned = planDiff(saved.plan, plan);
  const diff = places.length === 0 ? planned : withChanged(planned ?? NO_DIFF, places);
  if (saved.name === name) return diff;
  return {
    ...(diff ?? NO_DIFF),
    renamed: { from: saved.name, to: name },
  };
}

const NO_DIFF: PlanDiff = { added: [], removed: [], changed: [], results: [] };

function withChanged(diff: PlanDiff, places: readonly string[]): PlanDiff {
  return { ...diff, changed: [...diff.changed, ...places] };
}

/** The end of a completed run, as it is told to somebody who asks for the run again. */
export function replayedEnd<O>(state: RunState<O>, at: number): RunCompleted {
  const { runId, seq, output, givenBy } = state;
  const duration = lifeSeconds(state) ?? 0;
  return {
    type: 'run.completed',
    runId,
    seq,
    at,
    output,
    ...(givenBy !== undefined && { givenBy }),
    duration,
    replayed: true,
  };
}

/** What the steps of the run share from now on, where nothing of the kind is on record, or no step that is kept has changed it. */
function beginsToShare(
  definition: Definition,
  saved: RunState | undefined,
  dropped: readonly string[],
): Pick<RunStarted, 'shared'> {
  if (!isContainer(definition) || definition.shared === undefined) return {};
  const { initial: shared } = definition.shared;
  if (saved?.shared === undefined) return { shared };
  if (dropped.length === 0 || isDeepStrictEqual(saved.sharedInitial, shared)) return {};
  const gone = new Set(dropped);
  const isChanged = [...saved.steps].some(
    ({ stepId, updates, updated }) => updates !== undefined && updated === undefined && !gone.has(stepId),
  );
  return isChanged ? {} : { shared };
}

/** How many steps are answered from the record. */
function reusedSteps({ steps }: RunState, dropped: readonly string[]): number {
  const gone = new Set(dropped);
  let reused = 0;
  for (const { status, stepId } of steps) {
    if ((status === 'COMPLETED' || status === 'SKIPPED') && !gone.has(stepId)) reused += 1;
  }
  return reused;
}

/** The failed steps that the next life tries again; nothing where none has failed. */
function opened({ steps }: RunState, dropped: readonly string[]): Pick<RunResumed, 'opened'> {
  if (![...steps].some(({ status }) => status === 'FAILED')) return {};
  const gone = new Set(dropped);
  return { opened: openFailures(steps).flatMap(({ stepId }) => (gone.has(stepId) ? [] : [stepId])) };
}

function warningOf(
  { runId, seq, at }: RunResumed,
  diff: PlanDiff | undefined,
  isInputChanged: boolean,
  dropped: readonly string[],
): StepLogged {
  const what = [diff === undefined ? [] : ['definition'], isInputChanged ? ['input'] : []]
    .flat()
    .join(' and ');
  return {
    type: 'step.logged',
    runId,
    seq,
    at,
    path: '',
    level: 'WARNING',
    message: `The saved run has another ${what}; the one at hand wins and ${String(dropped.length)} saved steps are dropped`,
    data: { ...diff, isInputChanged, dropped },
  };
}

/** A completed run as it was told when it completed: its output decoded. */
function restored<O>(saved: RunState<O>, definition: Definition): RunState<O> {
  const output = decodedOutput(definition, saved.output, saved.givenBy) as O;
  return output === saved.output ? saved : withStored(Object.freeze({ ...saved, output }), saved.output);
}

/** What stands in a saved input for a stream, which cannot be saved. */
const MARK = '$stream';

/** Whether a saved input holds the mark of a stream, so that it has to be given again. */
function hasStreamMark(stored: unknown): boolean {
  if (typeof stored !== 'object' || stored === null) return false;
  return isMark(stored) || Object.values(stored).some(hasStreamMark);
}

/**
 * The input as it is saved: a stream in it, however deep in plain records and arrays, is replaced by a mark. The very same
 * value when there is none.
 */
function withoutStreams(input: unknown): unknown {
  return replaced(input, []);
}

/** What is deeper is refused where it is saved. */
const DEEPEST = 256;

function replaced(value: unknown, above: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null || above.length > DEEPEST || above.includes(value))
    return value;
  if (isStream(value)) return { [MARK]: true };
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return value;
  const before: readonly unknown[] = Object.values(value);
  const after = before.map((part) => replaced(part, [...above, value]));
  if (after.every((part, index) => part === before[index])) return value;
  return Array.isArray(value)
    ? after
    : Object.fromEntries(Object.keys(value).map((key, index) => [key, after[index]]));
}

function isMark(value: object): boolean {
  return Object.keys(value).length === 1 && (value as { readonly [MARK]?: unknown })[MARK] === true;
}
