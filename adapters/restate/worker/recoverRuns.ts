import { take, timeout } from 'rxjs';

import type { Agent } from '../../../lib/model/agentType';
import { toFailure } from '../../../lib/model/failure';
import { serviceFor } from '../client/engineContext';
import { restateEngine } from '../client/restateEngine';
import { killLife, lifeTrouble, misfitsOf } from '../client/stuckLives';
import { ingressOf } from '../protocol/ingress';
import { lifeOf } from '../protocol/serviceNames';

const LOOK_MS = 5_000;
const BEGIN_MS = 10_000;

/**
 * Looks for lives whose journals do not fit the code that is served now, because it was replaced while they were under way: no
 * attempt at them can ever succeed. Each is ended, and another life goes on from what it had told, also when nobody watches.
 * Returns how to stop looking.
 */
export function recoverRuns(
  agents: readonly Agent<never, unknown>[],
  addresses: readonly string[],
  adminAddress: string,
): () => void {
  const admin = ingressOf([adminAddress], LOOK_MS);
  const engine = restateEngine({ ingress: addresses, admin: adminAddress, onUnsubscribe: 'detach' });

  const recover = async (agent: Agent<never, unknown>, key: string): Promise<void> => {
    const trouble = await lifeTrouble(admin, serviceFor(agent), key);
    if (trouble?.isMisfit !== true) return;
    await killLife(admin, trouble.id);
    const { runId } = lifeOf(key);
    // What another agent has done, such as an item's of another name, is not taken for the work of this one: it is done again.
    const going = engine.run({ agent, runId, input: undefined, onMismatch: 'actual', mustExist: true });
    await new Promise<void>((resolve) => {
      going.pipe(take(1), timeout(BEGIN_MS)).subscribe({
        complete: resolve,
        error: (error: unknown) => {
          process.emitWarning(
            `Cannot go on with run "${runId}": ${toFailure(error).message}`,
            'RestateWarning',
          );
          resolve();
        },
      });
    });
  };
  const look = async (): Promise<void> => {
    for (const agent of agents) {
      for (const key of await misfitsOf(admin, serviceFor(agent))) await recover(agent, key);
    }
  };

  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => {
      // An admin that is away is asked again.
      look()
        .catch(() => undefined)
        .finally(next);
    }, LOOK_MS).unref();
  };
  next();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
