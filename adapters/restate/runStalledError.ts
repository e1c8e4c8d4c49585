/** The server has accepted a run, and no worker brings it on. It stays with the server: subscribe again to follow it. */
export class RunStalledError extends Error {
  override readonly name = 'RunStalledError';
  readonly runId: string;

  constructor(runId: string, forMs: number, reason: string) {
    super(
      `Run "${runId}" is accepted, but nothing of it has come for ${Math.round(forMs / 1000)} s: ${reason}. It goes on by itself once it can; run it again to follow it`,
    );
    this.runId = runId;
  }
}
