import type { Agent } from '../../../lib/model/agentType';
import { handlerPath } from '../protocol/ingress';
import { lifeOf } from '../protocol/serviceNames';
import { WorkerUnreachableError } from '../restateErrors';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';

/**
 * Asks what a handler of the service of an agent answers about one life of a run, on any worker.
 *
 * @throws WorkerUnreachableError when none has answered within the patience.
 */
export async function askWorker(
  { ingress, patienceMs }: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
  handler: 'answer' | 'cancel',
  body: unknown,
): Promise<unknown> {
  try {
    return await ingress.request(handlerPath(serviceFor(agent), key, handler), {
      body,
      timeoutMs: patienceMs,
    });
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw error;
    throw new WorkerUnreachableError(lifeOf(key).runId, agent.name, patienceMs);
  }
}
