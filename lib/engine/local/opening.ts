import { isDeepStrictEqual } from 'node:util';

import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import { validate } from '../../codec/validate';
import type { Definition } from '../../definition/definition';
import { planOf } from '../../definition/definition';
import { planDiff } from '../../definition/planDiff';
import { DefinitionMismatchError, InputMismatchError, StreamInputError } from '../../errors/runErrors';
import { UnknownRunError } from '../../errors/storageErrors';
import type { Agent } from '../../model/agentType';
import type { RunResumed, RunStarted } from '../../model/event';
import type { PlanDiff } from '../../model/plan';
import type { RunState } from '../../model/state';
import { idleState } from '../../model/state';
import type { Claim } from '../../store/store';
import { isStream } from '../../streams/pull';
import { downstream } from '../invalidate';

/** One life of a run. */
export interface Life<O> {
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  readonly claim: Claim;
  readonly scheduler: SchedulerLike | undefined;
  readonly onMismatch: 'refuse' | 'actual';
  readonly maxCrashes: number;
  /** Aborted when the run is to be cancelled and its subscriber to hear of it. */
  readonly signal: AbortSignal | undefined;
  /** Whether the store must know the run already. */
  readonly mustExist: boolean;
}

/** What a life begins with. */
export interface Opening<O> {
  readonly state: RunState<O>;
  readonly input: unknown;
  /** Absent when the run has completed already. */
  readonly event: RunStarted | RunResumed | undefined;
  /** What to tell once it has begun. */
  readonly warning?: { readonly message: string; readonly data: object };
}

/**
 * Whether a run is new, resumed or completed already, and with what it goes on. Nothing is written down yet.
 *
 * @param saved - What the store knows of the run.
 * @throws UnknownRunError when the store must know the run and does not.
 * @throws DefinitionMismatchError when another definition is refused.
 * @throws InputMismatchError when another input is refused.
 * @throws StreamInputError when the run has read a stream, which is not given again.
 */
export function openingOf<O>(
  life: Life<O>,
  definition: Definition,
  saved: RunState<O> | undefined,
): Opening<O> {
  const { runId, claim, scheduler = asyncScheduler, agent } = life;
  const plan = planOf(definition);
  const marked = withoutStreams(life.input);
  const hasStream = marked !== life.input;
  const given = claim.checksValues ? jsonValue(marked, '') : marked;
  if (saved === undefined && life.mustExist) throw new UnknownRunError(runId);
  const at = scheduler.now();
  if (saved === undefined || saved.status === 'IDLE') {
    return {
      state: saved ?? idleState(runId, agent.name, plan),
      input: hasStream ? life.input : given,
      event: {
        type: 'run.started',
        runId,
        seq: (saved?.seq ?? 0) + 1,
        at,
        name: agent.name,
        input: given,
        plan,
      },
    };
  }
  const diff = planDiff(saved.plan, plan);
  const isInputChanged =
    given !== undefined && given !== saved.input && !isDeepStrictEqual(given, saved.input);
  if (life.onMismatch === 'refuse') {
    if (diff !== undefined) throw new DefinitionMismatchError(runId, agent.name, diff);
    if (isInputChanged) throw new InputMismatchError(runId);
  }
  const isChanged = diff !== undefined || isInputChanged;
  if (saved.status !== 'COMPLETED' && !hasStream && !isInputChanged && hasStreamMark(saved.input)) {
    throw new StreamInputError(runId);
  }
  if (saved.status === 'COMPLETED' && !isChanged) {
    return { state: restored(saved, definition), input: saved.input, event: undefined };
  }
  const dropped = isChanged ? downstream(plan, diff, isInputChanged, saved.steps) : [];
  const gone = new Set(dropped);
  let reused = 0;
  for (const { status, stepId } of saved.steps) {
    if ((status === 'COMPLETED' || status === 'SKIPPED') && !gone.has(stepId)) reused += 1;
  }
  return {
    state: saved,
    input: hasStream ? life.input : isInputChanged ? given : saved.input,
    event: {
      type: 'run.resumed',
      runId,
      seq: saved.seq + 1,
      at,
      life: saved.life + 1,
      reused,
      ...(diff !== undefined && { plan }),
      ...(isInputChanged && { input: given }),
      ...(dropped.length > 0 && { dropped }),
    },
    ...(isChanged && { warning: warningOf(diff, isInputChanged, dropped) }),
  };
}

function warningOf(diff: PlanDiff | undefined, isInputChanged: boolean, dropped: readonly string[]) {
  const what = [diff === undefined ? [] : ['definition'], isInputChanged ? ['input'] : []]
    .flat()
    .join(' and ');
  return {
    message: `The saved run has another ${what}; the one at hand wins and ${String(dropped.length)} saved steps are dropped`,
    data: { ...diff, isInputChanged, dropped },
  };
}

/** A completed run as it was told when it completed: its output decoded. */
function restored<O>(saved: RunState<O>, { output: codec, name }: Definition): RunState<O> {
  if (codec === undefined) return saved;
  return Object.freeze({ ...saved, output: validate(codec, saved.output, `saved output of "${name}"`) as O });
}

/** What stands in a saved input for a stream, which cannot be saved. */
const MARK = '$stream';

/** Whether a saved input holds the mark of a stream, so that it has to be given again. */
export function hasStreamMark(stored: unknown): boolean {
  if (typeof stored !== 'object' || stored === null) return false;
  return isMark(stored) || Object.values(stored).some(hasStreamMark);
}

/**
 * The input as it is saved: a stream in it, however deep in plain records and arrays, is replaced by a mark. The very same
 * value when there is none.
 */
export function withoutStreams(input: unknown): unknown {
  return replaced(input, []);
}

function replaced(value: unknown, above: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null || above.includes(value)) return value;
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
