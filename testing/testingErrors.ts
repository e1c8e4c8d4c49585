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

/** There are no events of this run: a store forgets them, unless it was made with `recordingStore()` before the run. */
export class RunNotRecordedError extends Error {
  override readonly name = 'RunNotRecordedError';
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot tell where run "${runId}" could have crashed: none of its events went through this store; run it with recordingStore(store) first`,
    );
    this.runId = runId;
  }
}
