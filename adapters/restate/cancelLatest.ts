import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { handlerPath } from './ingress';
import { resultOf } from './lifeResult';
import { keyOf } from './names';
import type { CancelRequest, StartRequest } from './protocol';

/**
 * Cancels the life of a run that is under way; false when none is.
 *
 * @param isAsked - Whether somebody has asked for it, so that sagas undo what they have done.
 */
export async function cancelLatest(
  context: EngineContext,
  { agent, runId }: { readonly agent: Agent<never, unknown>; readonly runId: string },
  isAsked: boolean,
): Promise<boolean> {
  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    if (result === 'unknown') return false;
    if (result !== 'under way') continue;
    const service = serviceFor(agent);
    const sent = (await context.ingress.request(handlerPath(service, key, 'run/send'), {
      body: { runId, life, at: asyncScheduler.now(), onMismatch: 'refuse' } satisfies StartRequest,
    })) as { readonly invocationId: string };
    const body: CancelRequest = { invocationId: sent.invocationId, isAsked };
    await context.ingress.request(handlerPath(service, key, 'cancel'), { body });
    return true;
  }
}
