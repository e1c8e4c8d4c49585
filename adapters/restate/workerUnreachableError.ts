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
