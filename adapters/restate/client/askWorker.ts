import type { Agent } from '../../../lib/model/agentType';
import { handlerPath, IngressError } from '../protocol/ingress';
import { lifeOf } from '../protocol/serviceNames';
import { WorkerUnreachableError } from '../restateErrors';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { isNotServed, notServed } from './notServed';

/**
 * Asks what a handler of the service of an agent answers about one life of a run, on any worker.
 *
 * @throws WorkerUnreachableError when none has answered within the patience.
 * @throws DefinitionNotServedError when none serves the version of the run.
 */
export async function askWorker(
  { ingress, admin, patienceMs }: EngineContext,
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
    if (error instanceof IngressError && isNotServed(error)) throw await notServed(agent, admin, error);
    if ((error as Error).name !== 'TimeoutError') throw error;
    throw new WorkerUnreachableError(lifeOf(key).runId, agent.name, patienceMs);
  }
}
