import { isDeepStrictEqual } from 'node:util';

import { RunState } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { Definition } from '../../../lib/definition/definition';
import { definitionOf, planOf } from '../../../lib/definition/definition';
import { downstream } from '../../../lib/engine/invalidate';
import { InputMismatchError } from '../../../lib/errors/runErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { RunEvent, RunResumed, RunStarted } from '../../../lib/model/event';
import { toFailure } from '../../../lib/model/failure';
import type { RunState as State } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import type { Rest, Seeded, StartRequest } from '../protocol/protocol';

/** With what a life begins. */
export interface Opening {
  readonly state: State;
  readonly isResumed: boolean;
  readonly input: unknown;
  readonly event: RunStarted | (RunResumed & Seeded);
  readonly warning?: RunEvent;
}

/** What a life begins with: what was saved and the event that says so, or why it must not begin. */
export function openingOf(
  agent: Agent<never, unknown>,
  request: StartRequest,
  before: Rest | undefined,
): Opening | { readonly refused: ReturnType<typeof toFailure> } {
  const { runId, input, at } = request;
  const plan = planOf(definitionOf(agent) as Definition);
  const given = before?.state ?? request.seed;
  if (given === undefined) {
    const state = idleState(runId, agent.name, plan);
    return {
      state,
      isResumed: false,
      input,
      event: { type: 'run.started', runId, seq: 1, at, name: agent.name, input, plan },
    };
  }
  const saved = validate(RunState, given, `state of run "${runId}"`);
  const isChanged = input !== undefined && !isDeepStrictEqual(input, saved.input);
  if (isChanged && request.onMismatch === 'refuse')
    return { refused: toFailure(new InputMismatchError(runId)) };
  const dropped = isChanged ? downstream(plan, undefined, true, saved.steps) : [];
  const gone = new Set(dropped);
  const reused = [...saved.steps].filter(
    ({ status, stepId }) => (status === 'COMPLETED' || status === 'SKIPPED') && !gone.has(stepId),
  ).length;
  const event: Opening['event'] = {
    type: 'run.resumed',
    runId,
    seq: saved.seq + 1,
    at: Math.max(at, saved.endedAt ?? 0),
    life: saved.life + 1,
    reused,
    ...(isChanged && { input }),
    ...(dropped.length > 0 && { dropped }),
    // Of a later life everybody knows the life before it.
    ...(request.life === 1 && { seed: given }),
  };
  return {
    state: saved,
    isResumed: true,
    input: isChanged ? input : saved.input,
    event,
    ...(isChanged && {
      warning: {
        type: 'step.logged',
        runId,
        seq: event.seq,
        at: event.at,
        path: '',
        level: 'WARNING',
        message: `The saved run has another input; the one at hand wins and ${dropped.length} saved steps are dropped`,
      },
    }),
  };
}
