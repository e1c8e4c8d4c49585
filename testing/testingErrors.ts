import { MillraceError, toFailure } from '../lib/model/failure';

/** In one order of events a workflow does what it must not. */
export class InterleavingError extends MillraceError {
  override readonly name = 'InterleavingError';
  readonly code = 'INTERLEAVING';
  /** `explore(workflow, { seeds: [seed] })` goes through the same order again. */
  readonly seed: number;
  /** In which order answers were handed on. */
  readonly order: readonly string[];

  constructor(agentName: string, seed: number, order: readonly string[], cause: unknown) {
    super(
      `Seed ${String(seed)} breaks "${agentName}": ${toFailure(cause).message}\n  order: ${order.join(', ')}\n  again: explore(…, { seeds: [${String(seed)}] })`,
      'go through the same order again, and mend what it shows',
      { cause, tellsNext: false },
    );
    this.seed = seed;
    this.order = order;
  }
}

/** There are no events of this run: a store forgets them, unless it was made with `recordingStore()` before the run. */
export class RunNotRecordedError extends MillraceError {
  override readonly name = 'RunNotRecordedError';
  readonly code = 'RUN_NOT_RECORDED';
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot tell where run "${runId}" could have crashed: none of its events went through this store`,
      'run it with recordingStore(store) first',
    );
    this.runId = runId;
  }
}
