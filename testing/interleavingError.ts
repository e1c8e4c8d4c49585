import { toFailure } from '../lib/model/failure';

/** In one order of events a workflow does what it must not. */
export class InterleavingError extends Error {
  override readonly name = 'InterleavingError';
  /** `explore(workflow, { seeds: [seed] })` goes through the same order again. */
  readonly seed: number;
  readonly order: readonly string[];

  constructor(agentName: string, seed: number, order: readonly string[], cause: unknown) {
    super(
      `Seed ${String(seed)} breaks "${agentName}": ${toFailure(cause).message}\n  order: ${order.join(', ')}\n  again: explore(…, { seeds: [${String(seed)}] })`,
      { cause },
    );
    this.seed = seed;
    this.order = order;
  }
}
