import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { handlerPath } from './ingress';
import { lifeOf } from './names';
import type { EventsReply, EventsRequest } from './protocol';
import { WorkerUnreachableError } from './workerUnreachableError';

/**
 * Asks for what was told of a life from these positions on, again while nobody has time to answer.
 *
 * @throws WorkerUnreachableError when nobody has had time within the patience.
 */
export async function askEvents(
  { ingress, patienceMs }: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
  request: EventsRequest,
  signal: AbortSignal,
): Promise<EventsReply> {
  const path = handlerPath(serviceFor(agent), key, 'events');
  const until = asyncScheduler.now() + patienceMs;
  for (;;) {
    try {
      const limits = { body: request, signal, timeoutMs: request.waitMs + 5_000 };
      return (await ingress.request(path, limits)) as EventsReply;
    } catch (error) {
      // While a worker is replaced its answers take longer.
      if ((error as Error).name !== 'TimeoutError') throw error;
      if (asyncScheduler.now() >= until)
        throw new WorkerUnreachableError(lifeOf(key).runId, agent.name, patienceMs);
    }
  }
}
