import { isDeepStrictEqual } from 'node:util';

import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../lib/codec/json';
import { validate } from '../../lib/codec/validate';
import type { Definition } from '../../lib/graph/definition';
import { planOf } from '../../lib/graph/definition';
import type { PlanDiff } from '../../lib/graph/planDiff';
import { planDiff } from '../../lib/graph/planDiff';
import type { RunResumed, RunStarted } from '../../lib/model/event';
import type { RunState } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import { UnknownRunError } from '../../lib/store/unknownRunError';
import { DefinitionMismatchError } from '../definitionMismatchError';
import { InputMismatchError } from '../inputMismatchError';
import { StreamInputError } from '../streamInputError';
import { downstream } from './downstream';
import { hasStreamMark, withoutStreams } from './inputForms';
import type { Life } from './life';

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
