import { RunState } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { Start } from '../../../lib/engine/resolveStart';
import { resolveStart } from '../../../lib/engine/resolveStart';
import { RunEndedError } from '../../../lib/errors/runErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { RunEvent, RunResumed, RunStarted } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import { toFailure } from '../../../lib/model/failure';
import type { RunState as State } from '../../../lib/model/state';
import type { PersistedState, Seeded, StartRequest } from '../protocol/protocol';

/** With what a life begins. */
export interface OpenedLife {
  readonly state: State;
  readonly isResumed: boolean;
  readonly input: unknown;
  readonly event: RunStarted | (RunResumed & Seeded);
  readonly warning?: RunEvent;
}

/** What a life begins with: what was saved and the event that says so, or why it must not begin. */
export function openLife(
  agent: Agent<never, unknown>,
  request: StartRequest,
  before: PersistedState | undefined,
): OpenedLife | { readonly refused: Failure } {
  const { runId, input, onMismatch } = request;
  const given = before?.state ?? request.seed;
  const saved = given === undefined ? undefined : validate(RunState, given, `state of run "${runId}"`);
  const at = Math.max(request.at, saved?.endedAt ?? 0);
  let start: Start<unknown>;
  try {
    start = resolveStart({
      runId,
      agent,
      input,
      saved,
      mustExist: false,
      onMismatch,
      checksValues: false,
      at,
      incarnation: undefined,
    });
  } catch (error) {
    return { refused: toFailure(error) };
  }
  const { event } = start;
  // Who asks for a completed run is told so without a life of its own.
  if (event === undefined) return { refused: toFailure(new RunEndedError('begin', runId, 'COMPLETED')) };
  const isResumed = event.type === 'run.resumed';
  return {
    ...start,
    isResumed,
    // Of a later life everybody knows the life before it.
    event: isResumed && request.life === 1 ? { ...event, seed: given } : event,
  };
}
