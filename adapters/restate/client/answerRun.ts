import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../../lib/codec/jsonValue';
import { RunEndedError } from '../../../lib/errors/runErrors';
import type { Agent } from '../../../lib/model/agentType';
import { addressMessage, canHear } from '../../../lib/store/messages';
import { IngressError } from '../protocol/ingress';
import type { EventsRequest, GivenAnswer } from '../protocol/protocol';
import { keyOf } from '../protocol/serviceNames';
import { LARGEST_VALUE } from '../protocol/wireLimits';
import { WorkerUnreachableError } from '../restateErrors';
import { askWorker } from './askWorker';
import type { EngineContext } from './engineContext';
import { latestLife } from './latestLife';
import { comesTo } from './lifeResult';
import { askEvents } from './readEvents';
import { askRecord, sendAnswer } from './runRecord';

/** A question that is answered with no event. */
const NOTHING: EventsRequest = { from: Number.MAX_SAFE_INTEGER, parts: Number.MAX_SAFE_INTEGER, waitMs: 0 };

/**
 * Gives a run the answer to the question that is open at a step, or to the first that it will ask.
 *
 * @throws UnknownRunError, RunEndedError, UnknownStepError, NotWaitingError, DefinitionNotServedError
 * @throws StateValueError when the value is no plain JSON, or too large.
 */
export async function answerRun(
  context: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
  { path, value, asking }: Pick<GivenAnswer, 'path' | 'value' | 'asking'>,
): Promise<void> {
  const kept = jsonValue(value, path, { bytes: LARGEST_VALUE });
  const named = asking !== undefined && { asking };
  const latest = await latestLife(context, agent, runId).catch(async (error: unknown) => {
    // The server keeps it until a worker is there; what it is meant for is only known as far as was said.
    if (error instanceof WorkerUnreachableError)
      await sendAnswer(context, agent, runId, { path, value: kept, ...named });
    throw error;
  });
  const message = { kind: 'answer' as const, path, value: kept, ...named };
  const addressed = addressMessage(runId, latest?.state, message, asyncScheduler.now());
  const { kind: _kind, ...given } = addressed;
  if (latest?.isUnderWay === true)
    await askWorker(context, agent, keyOf(runId, latest.life), 'answer', given).catch(unlessCompleted(runId));
  else {
    // What is kept of the run would ask a service that nobody has to go on, for ever.
    const { signal } = new AbortController();
    await askEvents(context, agent, keyOf(runId, 1), NOTHING, signal);
    await askRecord(context, agent, runId, 'answer', given).catch(unlessCompleted(runId));
    if (latest !== undefined && canHear(latest.state.status))
      await untilBegun(context, agent, keyOf(runId, latest.life + 1));
  }
}

/** The run has completed while the answer was on its way. */
function unlessCompleted(runId: string): (error: unknown) => never {
  return (error) => {
    const isOver = error instanceof IngressError && error.status === 409;
    throw isOver ? new RunEndedError('answer', runId, 'COMPLETED') : error;
  };
}

const BEGIN_MS = 2_000;

/**
 * Waits until the server has the life that goes on with an answer: it begins one a moment later, and whoever follows the run then would be
 * told once more that it waits. The answer is kept in any case.
 */
async function untilBegun(context: EngineContext, agent: Agent<never, unknown>, key: string): Promise<void> {
  await comesTo(context, agent, key, (result) => result !== 'unknown', BEGIN_MS).catch(() => undefined);
}
