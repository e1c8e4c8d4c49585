import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import { askWorker } from './askWorker';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { handlerPath } from './ingress';
import { resultOf } from './lifeResult';
import { keyOf } from './names';
import type { CancelRequest, StartRequest } from './protocol';

/**
 * Cancels the life of a run that is under way. Says what came of it: `ended` when none is under way any more, `unknown` when
 * the server has not heard of the first of these lives. A run that waits for an answer begins one more life, which only undoes,
 * when somebody has asked for its end.
 *
 * @param isAsked - Whether somebody has asked for it, so that sagas undo what they have done.
 * @param first - The life to look at first; those before it are known to have ended.
 */
export async function cancelLatest(
  context: EngineContext,
  { agent, runId }: { readonly agent: Agent<never, unknown>; readonly runId: string },
  isAsked: boolean,
  first = 1,
): Promise<'cancelled' | 'ended' | 'unknown'> {
  let isWaiting = false;
  for (let life = first; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    const isNew = result === 'unknown';
    if (isNew && !(isWaiting && isAsked)) return life === first ? 'unknown' : 'ended';
    if (!isNew && result !== 'under way') {
      isWaiting = result.status === 'SUSPENDED';
      continue;
    }
    const start: StartRequest = {
      runId,
      life,
      at: asyncScheduler.now(),
      onMismatch: 'refuse',
      isCancelled: isNew,
    };
    const sent = (await context.ingress.request(handlerPath(serviceFor(agent), key, 'run/send'), {
      body: start,
    })) as { readonly invocationId: string; readonly status: string };
    // Unless an answer has begun this life first.
    if (isNew && sent.status === 'Accepted') return 'cancelled';
    const body: CancelRequest = { invocationId: sent.invocationId, isAsked };
    await askWorker(context, agent, key, 'cancel', body);
    return 'cancelled';
  }
}
