import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../../lib/codec/jsonValue';
import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import type { ForkRequest } from '../../../lib/engine/engine';
import { forkedState } from '../../../lib/engine/invalidate';
import { newIncarnation, newRunId } from '../../../lib/engine/newRunId';
import { RunExistsError, UnknownRunError } from '../../../lib/errors/storageErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { RunState } from '../../../lib/model/state';
import { InvalidArgumentError } from '../../../lib/model/failure';
import { handlerPath, IngressError } from '../protocol/ingress';
import type { StartRequest } from '../protocol/protocol';
import { keyOf } from '../protocol/serviceNames';
import { LARGEST_MESSAGE, LARGEST_VALUE } from '../protocol/wireLimits';
import { EngineUnreachableError, ForkTooLargeError } from '../restateErrors';
import { isStandIn } from './agentOfRun';
import { lostInput } from './broken/brokenLife';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { latestLife } from './latestLife';
import { isNotServed, notServed } from './notServed';
import { knownRun } from './runRecord';

/**
 * Begins a new run with what another one had done. Gives its id.
 *
 * @throws UnknownRunError, UnknownStepError
 * @throws RunExistsError when the new id is taken.
 * @throws InvalidArgumentError when what hangs together in the run is not known without its agent, or when it has not begun.
 * @throws DefinitionNotServedError
 */
export async function forkRun(
  context: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
  { runId: forkId = newRunId(), ...options }: Omit<ForkRequest, 'agent'>,
): Promise<string> {
  const latest = await latestLife(context, agent, runId);
  if (latest === undefined) throw new UnknownRunError(runId);
  if (latest.state.seq === 0) throw notBegun(context, runId, latest.isUnderWay);
  if (isStandIn(agent) && latest.state.plan.length === 0) {
    throw new InvalidArgumentError(
      `Cannot fork run "${runId}": its plan is not known here`,
      'give its agent: { engine, agent }',
    );
  }
  const forked = forkedState(latest.state, { runId: forkId, ...options });
  await beginWith(context, agent, forked);
  return forkId;
}

/** Why a run cannot be forked of which not even the input is known. */
function notBegun({ admin }: EngineContext, runId: string, isUnderWay: boolean): Error {
  if (!isUnderWay) return lostInput('fork', runId, admin !== undefined);
  return new InvalidArgumentError(
    `Cannot fork run "${runId}": the server has it, and no worker has told yet that it has begun`,
    'fork it once it has begun',
  );
}

/**
 * Begins a run that stands as this state says.
 *
 * @throws RunExistsError when its id is taken.
 */
export async function beginWith(
  context: EngineContext,
  agent: Agent<never, unknown>,
  state: RunState,
): Promise<void> {
  const request: StartRequest = {
    runId: state.runId,
    life: 1,
    at: asyncScheduler.now(),
    onMismatch: 'refuse',
    secret: newIncarnation(),
    seed: StateCodec.encode({
      ...state,
      input: jsonValue(state.input, '', { bytes: LARGEST_VALUE }),
      // Its first life on this server is the next one.
      life: 0,
    }),
  };
  if (JSON.stringify(request.seed).length > LARGEST_MESSAGE) {
    throw new ForkTooLargeError(state.runId, LARGEST_MESSAGE);
  }
  await begin(context, agent, request);
}

/**
 * Hands a new run to the server, which begins it by itself, after so many milliseconds at the earliest. `known` when there is a run
 * of this id already.
 */
export async function submitRun(
  context: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
  input: unknown,
  delayMs: number,
): Promise<'queued' | 'known'> {
  // Its first lives may be forgotten while it rests.
  if ((await knownRun(context, agent, runId)) !== undefined) return 'known';
  const kept = jsonValue(input, '', { bytes: LARGEST_VALUE });
  const request: StartRequest = {
    runId,
    life: 1,
    at: asyncScheduler.now() + delayMs,
    onMismatch: 'refuse',
    incarnation: newIncarnation(),
    secret: newIncarnation(),
    ...(kept !== undefined && { input: kept }),
  };
  try {
    await begin(context, agent, request, delayMs);
    return 'queued';
  } catch (error) {
    if (error instanceof RunExistsError) return 'known';
    throw error;
  }
}

/**
 * Asks once more after a lost connection: whoever has taken the id then may be the first question.
 *
 * @throws RunExistsError, DefinitionNotServedError, EngineUnreachableError
 */
async function begin(
  { ingress, admin, patienceMs }: EngineContext,
  agent: Agent<never, unknown>,
  request: StartRequest,
  delayMs = 0,
): Promise<void> {
  const delay = delayMs > 0 ? `?delay=${String(Math.ceil(delayMs))}ms` : '';
  const path = handlerPath(serviceFor(agent), keyOf(request.runId, 1), 'run/send') + delay;
  const until = asyncScheduler.now() + patienceMs;
  for (let isMaybeOurs = false; ; isMaybeOurs = true) {
    try {
      const limits = { patienceMs: Math.max(0, until - asyncScheduler.now()), isAskedOnce: true };
      const sent = (await ingress.request(path, { ...limits, body: request })) as { readonly status: string };
      if (sent.status === 'PreviouslyAccepted' && !isMaybeOurs) throw new RunExistsError(request.runId);
      return;
    } catch (error) {
      if (error instanceof IngressError && isNotServed(error)) throw await notServed(agent, admin, error);
      const isAnswer = error instanceof IngressError && !error.isAway;
      const isFinal = error instanceof RunExistsError || error instanceof EngineUnreachableError;
      if (isAnswer || isFinal || asyncScheduler.now() >= until) throw error;
    }
  }
}
