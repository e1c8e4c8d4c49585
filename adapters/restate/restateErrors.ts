import { definitionOf, sharingIn } from '../../lib/definition/definition';
import { MillraceError } from '../../lib/model/failure';

/** No worker has registered this definition: none of this name, or only other versions of it. */
export class DefinitionNotServedError extends MillraceError {
  override readonly name = 'DefinitionNotServedError';
  readonly code = 'NOT_SERVED';
  /** Name of the agent that is not served. */
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
    super(`Cannot run "${agent}" in version ${fingerprint}: ${others}`, 'pass it to serveRestate()');
    this.agent = agent;
    this.served = served ?? [];
  }
}

/** The steps of an agent share a state, which a journal of Restate does not keep. */
export class NotOnRestateError extends MillraceError {
  override readonly name = 'NotOnRestateError';
  readonly code = 'NOT_ON_RESTATE';
  readonly retryable = false;
  /** Name of the agent whose steps share a state. */
  readonly agent: string;

  constructor(agent: string) {
    super(
      `Cannot carry out "${agent}" on Restate: its steps share a state, which its journal does not keep`,
      'run it with a store, or hand on what its steps need as inputs and outputs',
    );
    this.agent = agent;
  }
}

/** @throws NotOnRestateError where the steps of the agent, or of one below it, share a state. */
export function refuseShared(agent: unknown): void {
  const definition = definitionOf(agent);
  const name = definition && sharingIn(definition);
  if (name !== undefined) throw new NotOnRestateError(name);
}

/** No server of Restate answers. Runs that it has accepted go on once it is back; subscribe again to follow them. */
export class EngineUnreachableError extends MillraceError {
  override readonly name = 'EngineUnreachableError';
  readonly code = 'ENGINE_UNREACHABLE';
  /** Where it was looked for. */
  readonly addresses: readonly string[];

  constructor(addresses: readonly string[], forMs: number, cause: unknown) {
    super(
      `No Restate server answers at ${addresses.join(', ')} for ${Math.round(forMs / 1000)} s`,
      'start it, then subscribe again',
      { cause },
    );
    this.addresses = addresses;
  }
}

/** The server has accepted a run, and no worker brings it on. It stays with the server: subscribe again to follow it. */
export class RunStalledError extends MillraceError {
  override readonly name = 'RunStalledError';
  readonly code = 'RUN_STALLED';
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string, forMs: number, reason: string) {
    super(
      `Run "${runId}" is accepted, but nothing of it has come for ${Math.round(forMs / 1000)} s: ${reason}. It goes on by itself once it can`,
      'run it again to follow it',
    );
    this.runId = runId;
  }
}

/**
 * A run on Restate has called more agents in one life than its journal can hold, beside some that do not end: otherwise it would go on in
 * another life.
 */
export class TooManyStepsError extends MillraceError {
  override readonly name = 'TooManyStepsError';
  readonly code = 'TOO_MANY_STEPS';
  readonly retryable = false;

  constructor(runId: string, most: number) {
    super(
      `Run "${runId}" has more than ${most} steps beside some that do not end, too many for one journal`,
      "let its steps start child runs: run() with the step's idempotencyKey as runId",
    );
  }
}

/** What was asked about a run only a worker can answer, and none has. The server keeps the run, and what was asked of a life of it. */
export class WorkerUnreachableError extends MillraceError {
  override readonly name = 'WorkerUnreachableError';
  readonly code = 'WORKER_UNREACHABLE';
  /** The id of the run. */
  readonly runId: string;

  /**
   * @param agent - Name of the agent that workers have to serve.
   * @param again - What has to be asked once more: nobody knew which life to ask.
   */
  constructor(runId: string, agent: string, forMs: number, again?: 'cancel') {
    const then =
      again === undefined ? '. An answer or a cancel is kept, and taken then' : `, and ${again} it then`;
    super(
      `No worker that serves "${agent}" has answered for ${forMs / 1000} s what was asked about run "${runId}"`,
      `start one with serveRestate()${then}`,
    );
    this.runId = runId;
  }
}

/** A call was stopped, and nobody had asked for that. */
export class StepStoppedError extends MillraceError {
  override readonly name = 'StepStoppedError';
  readonly code = 'STEP_STOPPED';
  readonly path: string;

  constructor(path: string) {
    super(`Step "${path}" was stopped, and nobody had asked for that`, 'resume the run', {
      tellsNext: false,
    });
    this.path = path;
  }
}

/** A step that a function asked for waits for an answer, which only declared steps can do on Restate. */
export class NestedWaitError extends MillraceError {
  override readonly name = 'NestedWaitError';
  readonly code = 'NESTED_WAIT';
  readonly retryable = false;
  readonly path: string;

  constructor(path: string) {
    super(
      `Step "${path}" waits for an answer, which a step asked for by a function cannot do on Restate`,
      'declare it',
    );
    this.path = path;
  }
}

/** What a fork takes over is larger than one message to the server may be. */
export class ForkTooLargeError extends MillraceError {
  override readonly name = 'ForkTooLargeError';
  readonly code = 'FORK_TOO_LARGE';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string, mostBytes: number) {
    super(
      `Cannot fork run "${runId}": its results are larger than ${mostBytes} bytes`,
      'keep references instead',
    );
    this.runId = runId;
  }
}

/** A request to the server was not answered in time. */
export class RequestTimeoutError extends MillraceError {
  override readonly name = 'TimeoutError';
  readonly code = 'REQUEST_TIMEOUT';
  readonly url: string;
  readonly limitMs: number;

  constructor(url: string, limitMs: number) {
    super(`No answer from ${url} within ${String(limitMs)} ms`, 'try again', { tellsNext: false });
    this.url = url;
    this.limitMs = limitMs;
  }
}
