/** The server has accepted a run and no worker has begun it. It stays with the server: subscribe again to follow it. */
export class RunStalledError extends Error {
  override readonly name = 'RunStalledError';
  readonly runId: string;

  constructor(runId: string, forMs: number, reason: string) {
    super(
      `Run "${runId}" is accepted, but no worker has begun it for ${Math.round(forMs / 1000)} s: ${reason}`,
    );
    this.runId = runId;
  }
}
