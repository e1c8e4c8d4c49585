import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../../lib/model/agentType';
import type { AskOptions } from '../protocol/ingress';
import { handlerPath, IngressError, workflowPath } from '../protocol/ingress';
import { pause } from '../protocol/pause';
import type { LifeResult, StartRequest } from '../protocol/protocol';
import { HOLD_MS } from '../protocol/wireLimits';
import { EngineUnreachableError } from '../restateErrors';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { isNotServed, notServed } from './notServed';

const AGAIN_MS = 100;
/** Of many runs each is asked about less often. */
const LONG_HOLD_MS = 60_000;

/**
 * Waits for the end of a life, through lost connections, lost nodes and gateways that reach none. Begins the life when `start` is given; `known` when it
 * had begun before.
 *
 * @throws DefinitionNotServedError, EngineUnreachableError, IngressError
 */
export async function endOfLife(
  { ingress, admin, patienceMs, pace }: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
  start: StartRequest | undefined,
  signal: AbortSignal,
): Promise<LifeResult | 'known'> {
  const service = serviceFor(agent);
  let mode: 'begin' | 'attach' = start === undefined ? 'attach' : 'begin';
  let isMaybeOurs = false;
  let awaySince: number | undefined;
  for (;;) {
    const leftMs = patienceMs - (awaySince === undefined ? 0 : asyncScheduler.now() - awaySince);
    const timeoutMs = pace.isCrowded() ? LONG_HOLD_MS : HOLD_MS;
    const limits: AskOptions = { signal, timeoutMs, patienceMs: leftMs, isAskedOnce: true };
    try {
      const path = mode === 'begin' ? handlerPath(service, key, 'run') : workflowPath(service, key, 'attach');
      return (await ingress.request(
        path,
        mode === 'begin' ? { ...limits, body: start } : limits,
      )) as LifeResult;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof IngressError && !error.isAway) {
        if (error.status === 409 && mode === 'begin') {
          if (!isMaybeOurs) return 'known';
          mode = 'attach';
          continue;
        }
        throw isNotServed(error) ? await notServed(agent, admin, error) : error;
      }
      if (error instanceof EngineUnreachableError)
        throw new EngineUnreachableError(error.addresses, patienceMs, error.cause);
      const now = asyncScheduler.now();
      // A gateway may hold a question open for less long than we ask it to.
      const isHeld =
        (error as Error).name === 'TimeoutError' || (error instanceof IngressError && error.status === 504);
      if (isHeld) awaySince = undefined;
      else {
        awaySince ??= now;
        if (now - awaySince > patienceMs) throw error;
      }
      isMaybeOurs = true;
      // The server may never have heard of it, and whoever asks for the end of an unknown run waits for ever.
      if (start !== undefined) mode = 'begin';
      if (error instanceof IngressError) await pause(AGAIN_MS, signal);
    }
  }
}
