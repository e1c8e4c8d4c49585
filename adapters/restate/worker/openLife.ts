import { RunState } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { Start } from '../../../lib/engine/resolveStart';
import { resolveStart } from '../../../lib/engine/resolveStart';
import { RunEndedError } from '../../../lib/errors/runErrors';
import { UnknownRunError } from '../../../lib/errors/storageErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { RunEvent, RunResumed, RunStarted } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import { toFailure } from '../../../lib/model/failure';
import type { RunState as State } from '../../../lib/model/state';
import type { Seeded, StartRequest } from '../protocol/protocol';
import type { Before } from './keptRun';

/** With what a life begins. */
export interface OpenedLife {
  readonly state: State;
  readonly isResumed: boolean;
  readonly input: unknown;
  readonly event: RunStarted | (RunResumed & Seeded);
  readonly warning?: RunEvent;
}

/** A life that must not begin. */
export interface RefusedLife {
  readonly refused: Failure;
  /** How the run stands, for another life. */
  readonly saved?: State;
}

/** What a life begins with: what was saved and the event that says so, or why it must not begin. */
export function openLife(
  agent: Agent<never, unknown>,
  request: StartRequest,
  before: Before | undefined,
): OpenedLife | RefusedLife {
  const { runId, input, onMismatch } = request;
  // Of a life that has broken off, whoever asks for the next one knows more.
  const given = request.seed ?? before?.state;
  // Otherwise it would begin from nothing, with an input that nobody has given.
  if (given === undefined && request.life > 1 && request.isAnew !== true)
    return { refused: toFailure(new UnknownRunError(runId)) };
  let saved: State | undefined;
  try {
    saved = given === undefined ? undefined : validate(RunState, given, `state of run "${runId}"`);
  } catch (error) {
    return { refused: toFailure(error) };
  }
  const left = before === undefined || saved === undefined ? {} : { saved };
  const at = Math.max(request.at, saved?.endedAt ?? 0);
  let start: Start<unknown>;
  try {
    start = resolveStart({
      runId,
      agent,
      input,
      saved,
      mustExist: false,
      // Nobody goes on with it: what can still be undone is, whatever else has changed.
      onMismatch: request.isCancelled === true || request.isLeft === true ? 'actual' : onMismatch,
      checksValues: false,
      at,
      incarnation: request.incarnation,
    });
  } catch (error) {
    return { refused: toFailure(error), ...left };
  }
  const { event } = start;
  // Who asks for a completed run is told so without a life of its own.
  if (event === undefined) {
    return { refused: toFailure(new RunEndedError('begin', runId, 'COMPLETED')), ...left };
  }
  const isResumed = event.type === 'run.resumed';
  return {
    ...start,
    isResumed,
    // Of a later life everybody knows the life before it, unless that has broken off: what it had not told only its journal has.
    event: isResumed && request.seed !== undefined ? { ...event, seed: given } : event,
  };
}
