import type { Ingress } from './ingress';

/** Where the function of an agent is called. */
export type Placement = 'inline' | { readonly pool: string };

/** How the services of a definition are offered. */
export interface ServiceOptions {
  readonly ingress: Ingress;
  readonly placement: (agent: string) => Placement;
  /** Milliseconds for which runs stay readable after their end. */
  readonly retentionMs: number;
  /** Longest silence of an agent, in milliseconds. */
  readonly abortTimeoutMs: number;
  /** First pause before a worker is asked again, in milliseconds. */
  readonly retryMs: number;
}

/** What all services have in common. */
export function serviceSettings({ abortTimeoutMs, retryMs }: ServiceOptions) {
  return { abortTimeout: abortTimeoutMs, retryPolicy: { initialInterval: retryMs, maxInterval: 10_000 } };
}
