import { ingressOf } from '../../../adapters/restate/protocol/ingress';
import type { ServiceOptions } from '../../../adapters/restate/worker/serviceOptions';

/** What the services of a worker have in common, where no server is: nothing is asked of one. */
export function serviceSettings(): ServiceOptions {
  return {
    ingress: ingressOf(['http://127.0.0.1:1'], 1),
    services: undefined,
    placement: () => 'inline',
    retentionMs: 1,
    abortTimeoutMs: 1,
    longSleepMs: 60_000,
    inactivityTimeoutMs: 1,
    retryMs: 1,
    lives: new Set(),
  };
}
