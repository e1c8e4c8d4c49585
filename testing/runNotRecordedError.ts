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
