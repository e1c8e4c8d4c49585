import { asyncScheduler, Observable } from 'rxjs';

import type { RunEngine, RunRequest } from '../../../lib/engine/engine';
import { RunEndedError, RunError } from '../../../lib/errors/runErrors';
import { UnknownRunError } from '../../../lib/errors/storageErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { Transition } from '../../../lib/model/event';
import { isEnd } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import { InvalidArgumentError, toFailure } from '../../../lib/model/failure';
import type { RunState } from '../../../lib/model/state';
import type { RunSummary } from '../../../lib/store/store';
import type { Ingress } from '../protocol/ingress';
import { ingressOf } from '../protocol/ingress';
import { agentOfRun, metRuns } from './agentOfRun';
import { answerRun } from './answerRun';
import type { BegunRun } from './cancelRun';
import { cancelBegun, cancelRun } from './cancelRun';
import type { EngineContext } from './engineContext';
import { paceOf } from './engineContext';
import { followRun } from './followRun';
import { forkRun } from './forkRun';
import { latestLife } from './latestLife';
import { listRuns } from './listRuns';

/** Where the server is, and how its runs are followed. */
export interface RestateEngineOptions {
  /** Addresses of the ingress, such as `http://127.0.0.1:8080`; give every node of a cluster. */
  readonly ingress: string | readonly string[];
  /**
   * Address of the admin, needed to list runs, and to find a run by its id that this object has not run; with it a run that
   * does not move says why.
   */
  readonly admin?: string;
  /** What unsubscribing from a run that is under way does; `cancel` when left out. */
  readonly onUnsubscribe?: 'cancel' | 'detach';
  /** How long a server, or a worker to begin a run, may be away, in milliseconds; 30,000 when left out. */
  readonly patienceMs?: number;
  /** Headers for every request, such as a token for a gateway. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Runs on a Restate server: give it to `run()`, `resume()`, `answer()`, `cancel()`, `fork()`, `runEach()` and `execute()` as
 * `engine`.
 *
 * A run that is named by its id alone is looked for among those that this object has run or attached to, then on the server,
 * which needs `admin`; else its agent has to be given as a hint.
 */
export interface RestateEngine extends RunEngine {
  /** Follows the latest life of a run from its beginning, in any process, and begins none. */
  attach<O>(agent: Agent<never, O>, runId: string): Observable<Transition<O>>;
  /** How a run stands; undefined for an unknown id. */
  loadRun<O>(agent: Agent<never, O>, runId: string): Promise<RunState<O> | undefined>;
  /** The runs of agents that this server knows, newest first. Needs `admin`. */
  listRuns(query?: { readonly name?: string; readonly limit?: number }): Promise<readonly RunSummary[]>;
}

const PATIENCE_MS = 30_000;

/**
 * Carries runs out on the workers of a Restate server instead of in this process: the same agents, the same transitions.
 * Needs workers that serve the agent with `serveRestate()`.
 *
 * A run belongs to the server: it goes on when this process ends. Subscribing to a run that is under way follows it from
 * the beginning of its present life, from any process.
 *
 * Fails (in the stream) with EngineUnreachableError while there is no server, with DefinitionNotServedError when no worker
 * serves this version of the agent, and with RunStalledError when no worker begins the run.
 */
export function restateEngine(options: RestateEngineOptions): RestateEngine {
  const { patienceMs = PATIENCE_MS, headers = {} } = options;
  const addresses = typeof options.ingress === 'string' ? [options.ingress] : options.ingress;
  const ingress = withHeaders(ingressOf(addresses, patienceMs), headers);
  const admin =
    options.admin === undefined ? undefined : withHeaders(ingressOf([options.admin], 5_000), headers);
  const context: EngineContext = { ingress, admin, patienceMs, pace: paceOf() };
  const met = metRuns();

  const stream = <O>(
    request: RunRequest<O>,
    begins: boolean,
    onUnsubscribe: 'cancel' | 'detach',
  ): Observable<Transition<O>> =>
    new Observable((subscriber) => {
      const abort = new AbortController();
      let isOver = false;
      let life = 1;
      let leftAt: number | undefined;
      met.meet(request.agent, request.runId);
      const tell = (transition: Transition<O>): void => {
        if (isEnd(transition.event)) isOver = true;
        subscriber.next(transition);
      };
      const asks = (asked: number): void => {
        life = asked;
      };
      followRun(context, { request, begins, tell, signal: abort.signal, asks }).then(
        (state) => {
          isOver = true;
          if (state.status === 'FAILED') {
            subscriber.error(new RunError(state, state.error ?? UNKNOWN_FAILURE, undefined));
          } else subscriber.complete();
        },
        (error: unknown) => {
          if (leftAt !== undefined) return;
          isOver = true;
          subscriber.error(error);
        },
      );
      const cancel = (isAsked: boolean): void => {
        const { agent, runId } = request;
        const begun: BegunRun = {
          agent,
          runId,
          life: () => life,
          isOver: () => isOver,
          leftAt: () => leftAt,
        };
        cancelBegun(context, begun, isAsked).catch((error: unknown) => {
          const { message } = toFailure(error);
          process.emitWarning(`Cannot cancel run "${runId}": ${message}`, 'RestateWarning');
        });
      };
      const aborted = (): void => {
        cancel(true);
      };
      request.signal?.addEventListener('abort', aborted);
      // A life that is begun with an aborted signal begins as a cancelled one.
      if (request.signal?.aborted === true && !begins) aborted();
      return () => {
        request.signal?.removeEventListener('abort', aborted);
        leftAt = asyncScheduler.now();
        abort.abort('left');
        // Who has aborted the signal has asked for the end already.
        const goesOn = onUnsubscribe === 'detach' || request.signal?.aborted === true;
        if (!isOver && !goesOn) cancel(false);
      };
    });

  return {
    run: (request) => stream(request, true, options.onUnsubscribe ?? 'cancel'),
    attach: (agent, runId) =>
      stream({ agent, runId, input: undefined, onMismatch: 'refuse' }, false, 'detach'),
    async loadRun<O>(agent: Agent<never, O>, runId: string) {
      met.meet(agent, runId);
      const latest = await latestLife<O>(context, agent, runId);
      return latest?.state;
    },
    async answer(runId, path, value, { agent: given, asking } = {}) {
      const agent = await agentOfRun(context, met, runId, given);
      await answerRun(context, agent, runId, { path, value, ...(asking !== undefined && { asking }) });
    },
    async cancel(runId, { agent: given } = {}) {
      const agent = await agentOfRun(context, met, runId, given);
      const came = await cancelRun(context, { agent, runId });
      if (came === 'unknown') throw new UnknownRunError(runId);
      if (came === 'ended') throw new RunEndedError('cancel', runId);
    },
    async fork(runId, { agent: given, ...forking } = {}) {
      const agent = await agentOfRun(context, met, runId, given);
      const forkId = await forkRun(context, agent, runId, forking);
      met.meet(agent, forkId);
      return forkId;
    },
    async listRuns({ name, limit = 100 } = {}) {
      if (admin === undefined) {
        throw new InvalidArgumentError(
          'Cannot list runs without the address of the admin',
          'give restateEngine({ ingress, admin })',
        );
      }
      return listRuns(context, admin, name, limit);
    },
  };
}

const UNKNOWN_FAILURE: Failure = { name: 'Error', message: 'unknown', retryable: true };

function withHeaders(ingress: Ingress, headers: Readonly<Record<string, string>>): Ingress {
  return {
    request: (path, options) =>
      ingress.request(path, { ...options, headers: { ...headers, ...options?.headers } }),
  };
}
