import type { Services } from '../../../lib/model/agentType';
import type { Ingress } from '../protocol/ingress';
import type { PlacedLife } from './handleRun';

/** Where the function of an agent is called. */
export type Placement = 'inline' | { readonly pool: string };

/** How the services of a definition are offered. */
export interface ServiceOptions {
  readonly ingress: Ingress;
  readonly placement: (agent: string) => Placement;
  /** What agents are given besides their input. */
  readonly services?: Services | undefined;
  /** Milliseconds for which runs stay readable after their end. */
  readonly retentionMs: number;
  /** Longest silence of an agent, in milliseconds. */
  readonly abortTimeoutMs: number;
  /** Silence after which the server takes an invocation out of its worker, in milliseconds. */
  readonly inactivityTimeoutMs: number;
  /** From so many milliseconds on a run that only sleeps does so between two lives. */
  readonly longSleepMs: number;
  /** The lives under way in this worker. One whose attempt is lost, or suspended by the server, is gone without coming to its end. */
  readonly lives: Set<PlacedLife>;
  /** First pause before a worker is asked again, in milliseconds. */
  readonly retryMs: number;
}

/**
 * What all services have in common.
 *
 * The silence after which the server stops talking to an invocation is no shorter than that which an agent may keep: an
 * invocation that is not talked to hears neither what its other steps have done nor that it is cancelled, as long as a
 * function of it is being called.
 */
export function serviceSettings({ abortTimeoutMs, inactivityTimeoutMs, retryMs }: ServiceOptions) {
  return {
    abortTimeout: abortTimeoutMs,
    inactivityTimeout: inactivityTimeoutMs,
    retryPolicy: retriedForEver({ retryMs }),
  };
}

/** The server would let an invocation rest for good after 70 attempts: after some minutes without a worker. */
export function retriedForEver({ retryMs }: Pick<ServiceOptions, 'retryMs'>) {
  return { initialInterval: retryMs, maxInterval: 10_000, maxAttempts: 2 ** 31 - 1 };
}
