import { take, timeout } from 'rxjs';

import type { Agent } from '../../../lib/model/agentType';
import { toFailure } from '../../../lib/model/failure';
import { serviceFor } from '../client/engineContext';
import { restateEngine } from '../client/restateEngine';
import { killLife, lifeTrouble, misfitsOf } from '../client/stuckLives';
import { ingressOf } from '../protocol/ingress';
import { lifeOf } from '../protocol/serviceNames';
import type { Registered } from './takeOver';
import { takeOver } from './takeOver';

const LOOK_MS = 5_000;
const BEGIN_MS = 10_000;

/** What has to be kept going, and for whom. */
export interface Keeping {
  /** Whose runs are carried out here. */
  readonly agents: readonly Agent<never, unknown>[];
  readonly addresses: readonly string[];
  readonly admin: string;
  /** Where the server reaches this worker. */
  readonly uri: string;
  readonly registered: Registered;
  readonly register: (admin: string, uri: string) => Promise<Registered>;
}

/**
 * Looks, now and then, for what the server cannot bring on by itself, also when nobody watches: calls of workers at whose address
 * nobody answers, which come here, and lives whose journals do not fit the code that is served now, because it was replaced while
 * they were under way. Each of those is ended, and another life goes on from what it had told. Returns how to stop looking.
 */
export function keepRunsGoing(keeping: Keeping): () => void {
  const { agents, addresses, uri } = keeping;
  const admin = ingressOf([keeping.admin], LOOK_MS);
  const engine = restateEngine({ ingress: addresses, admin: keeping.admin, onUnsubscribe: 'detach' });
  let { registered } = keeping;

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
    const left = await takeOver(admin, uri, registered, async () => {
      registered = await keeping.register(keeping.admin, uri);
    });
    for (const address of left)
      process.emitWarning(
        `Nobody answers at ${address} any more: what was served there comes to ${uri}`,
        'RestateWarning',
      );
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
