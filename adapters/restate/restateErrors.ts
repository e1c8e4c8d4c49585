/** No worker has registered this definition: none of this name, or only other versions of it. */
export class DefinitionNotServedError extends Error {
  override readonly name = 'DefinitionNotServedError';
  readonly agent: string;
  /** Fingerprints of the versions that are served; none where the admin could not be asked. */
  readonly served: readonly string[];

  constructor(agent: string, fingerprint: string, served: readonly string[] | undefined) {
    const others =
      served === undefined
        ? 'no worker serves this version'
        : served.length === 0
          ? 'no worker serves an agent of this name'
          : `workers serve version ${served.join(', ')}`;
    super(`Cannot run "${agent}" in version ${fingerprint}: ${others}; pass it to serveRestate()`);
    this.agent = agent;
    this.served = served ?? [];
  }
}

/** No server of Restate answers. Runs that it has accepted go on once it is back; subscribe again to follow them. */
export class EngineUnreachableError extends Error {
  override readonly name = 'EngineUnreachableError';
  readonly addresses: readonly string[];

  constructor(addresses: readonly string[], forMs: number, cause: unknown) {
    super(`No Restate server answers at ${addresses.join(', ')} for ${Math.round(forMs / 1000)} s`, {
      cause,
    });
    this.addresses = addresses;
  }
}

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

/** A run on Restate has called more agents than its journal can hold well. Trying again cannot help. */
export class TooManyStepsError extends Error {
  override readonly name = 'TooManyStepsError';
  readonly retryable = false;

  constructor(runId: string, most: number) {
    super(
      `Run "${runId}" has more than ${most} steps, too many for one journal; let its steps start child runs: run() with the step's idempotencyKey as runId`,
    );
  }
}

/** What was asked about a run only a worker can answer, and none has. The server keeps the run, and what was asked. */
export class WorkerUnreachableError extends Error {
  override readonly name = 'WorkerUnreachableError';
  readonly runId: string;

  /** @param agent - Name of the agent that workers have to serve. */
  constructor(runId: string, agent: string, forMs: number) {
    super(
      `No worker that serves "${agent}" has answered for ${forMs / 1000} s what was asked about run "${runId}"; start one with serveRestate(). An answer or a cancel is kept, and taken then`,
    );
    this.runId = runId;
  }
}
