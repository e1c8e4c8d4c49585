import type { Subscriber } from 'rxjs';
import { asyncScheduler, defer, Observable, switchMap } from 'rxjs';

import type { Definition } from '../../../lib/definition/definition';
import { definitionOf, planOf } from '../../../lib/definition/definition';
import { planDiff } from '../../../lib/definition/planDiff';
import type {
  AnswerRequest,
  CancelRequest,
  ForkRequest,
  RunEngine,
  RunHint,
  RunRequest,
  SubmitRequest,
} from '../../../lib/engine/engine';
import { DefinitionMismatchError, RunEndedError, RunError } from '../../../lib/errors/runErrors';
import { UnknownRunError } from '../../../lib/errors/storageErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { Transition } from '../../../lib/model/event';
import { isEnd } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import { InvalidArgumentError, toFailure } from '../../../lib/model/failure';
import type { RunState } from '../../../lib/model/state';
import type { EventsOptions, KeptEvent, RunQuery, RunSummary } from '../../../lib/store/store';
import { checkQuery, select } from '../../../lib/store/summary';
import { onAbort } from '../../../lib/streams/onAbort';
import type { Stop } from '../../../lib/streams/pull';
import type { Ingress } from '../protocol/ingress';
import { ingressOf } from '../protocol/ingress';
import { refuseShared } from '../restateErrors';
import { agentOfPlan, agentOfRun, metRuns } from './agentOfRun';
import { answerRun } from './answerRun';
import type { BegunRun } from './cancelRun';
import { cancelBegun, cancelRun } from './cancelRun';
import type { EngineContext } from './engineContext';
import { paceOf } from './engineContext';
import type { RunToFollow } from './followRun';
import { followRun } from './followRun';
import { beginWith, forkRun, submitRun } from './forkRun';
import { latestLife } from './latestLife';
import { keptEvents, refusingStoreCalls } from './lifeEvents';
import type { ServedRunSummary } from './listRuns';
import { listRuns } from './listRuns';
import { askRecord } from './runRecord';
import { Sleepers, Turns } from './sleepers';

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
  /**
   * The events of the latest life, as `store.events()` gives them: without partial results, and until that life ends. A later life
   * begins with `run.imported`, which holds how the run stood.
   *
   * @throws UnknownRunError
   * @throws InvalidArgumentError for `live`, and where the agent of the run is not known.
   */
  events(runId: string, options?: EventsOptions & RunHint): Observable<KeptEvent>;
  /**
   * The runs of agents that this server knows, newest first. Needs `admin`.
   *
   * @throws InvalidArgumentError for `tags` and `dueBefore`: the server does not know them.
   */
  listRuns(query?: RunQuery): Promise<readonly ServedRunSummary[]>;
  /**
   * Gives up a run that has failed or waits, which is kept for ever otherwise, because it can go on: it is forgotten after the `retentionMs`
   * of `serveRestate()`, as what has completed or was cancelled is by itself. Nothing of it is undone. False when there is no such run.
   *
   * @throws InvalidArgumentError when the run is under way: `cancel()` it.
   * @throws WorkerUnreachableError
   */
  deleteRun(runId: string, hint?: RunHint): Promise<boolean>;
}

const PATIENCE_MS = 30_000;
const ADMIN_PATIENCE_MS = 5_000;
const MOST_LISTED = 100;
const LEFT_AT_ONCE = 32;

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
  return refusingStoreCalls(new ServerEngine(options));
}

class ServerEngine implements RestateEngine {
  readonly #context: EngineContext;
  readonly #onUnsubscribe: 'cancel' | 'detach';
  readonly #met = metRuns();

  constructor({
    ingress,
    admin,
    onUnsubscribe = 'cancel',
    patienceMs = PATIENCE_MS,
    headers,
  }: RestateEngineOptions) {
    const addresses = typeof ingress === 'string' ? [ingress] : ingress;
    const asking =
      admin === undefined ? undefined : withHeaders(ingressOf([admin], ADMIN_PATIENCE_MS), headers);
    this.#context = {
      ingress: withHeaders(ingressOf(addresses, patienceMs), headers),
      admin: asking,
      patienceMs,
      pace: paceOf(),
      leaving: new Turns(LEFT_AT_ONCE),
      ...(asking !== undefined && { sleepers: new Sleepers(asking) }),
    };
    this.#onUnsubscribe = onUnsubscribe;
  }

  run<O>(request: RunRequest<O>): Observable<Transition<O>> {
    refuseShared(request.agent);
    return this.#follow(request, true, this.#onUnsubscribe);
  }

  attach<O>(agent: Agent<never, O>, runId: string): Observable<Transition<O>> {
    return this.#follow({ agent, runId, input: undefined, onMismatch: 'refuse' }, false, 'detach');
  }

  async loadRun<O>(agent: Agent<never, O>, runId: string): Promise<RunState<O> | undefined> {
    this.#met.meet(agent, runId);
    const latest = await latestLife<O>(this.#context, agent, runId);
    return latest?.state;
  }

  async answer(
    runId: string,
    path: string,
    value: unknown,
    { agent: given, asking }: AnswerRequest = {},
  ): Promise<void> {
    const agent = await agentOfRun(this.#context, this.#met, runId, given);
    await answerRun(this.#context, agent, runId, { path, value, ...(asking !== undefined && { asking }) });
  }

  async cancel(runId: string, { agent: given, reason }: CancelRequest = {}): Promise<void> {
    const agent = await agentOfRun(this.#context, this.#met, runId, given);
    const came = await cancelRun(this.#context, { agent, runId }, reason);
    if (came === 'unknown') throw new UnknownRunError(runId);
    if (came === 'ended') throw new RunEndedError('cancel', runId);
  }

  async deleteRun(runId: string, { agent: given }: RunHint = {}): Promise<boolean> {
    const agent = await agentOfRun(this.#context, this.#met, runId, given);
    const latest = await latestLife(this.#context, agent, runId);
    // The last life of one that has completed puts that down by and by.
    if (latest === undefined || IS_OVER.has(latest.state.status)) return false;
    // One that has just begun has told nothing yet.
    if (latest.isUnderWay || latest.state.status === 'RUNNING')
      throw new InvalidArgumentError(
        `Cannot delete run "${runId}": it is under way`,
        'wait for its end, or cancel() it',
      );
    return (await askRecord(this.#context, agent, runId, 'drop', {})) === true;
  }

  async fork(runId: string, { agent: given, ...forking }: ForkRequest = {}): Promise<string> {
    const agent = await agentOfRun(this.#context, this.#met, runId, given);
    const forkId = await forkRun(this.#context, agent, runId, forking);
    this.#met.meet(agent, forkId);
    return forkId;
  }

  async begin(state: RunState, { agent: given }: RunHint = {}): Promise<void> {
    if (given !== undefined) {
      const diff = planDiff(state.plan, planOf(definitionOf(given) as Definition));
      if (diff !== undefined) throw new DefinitionMismatchError(state.runId, given.name, diff);
    }
    const agent = given ?? agentOfPlan(this.#met, state.name, state.plan);
    await beginWith(this.#context, agent, state);
    this.#met.meet(agent, state.runId);
  }

  async submit<I>(
    agent: Agent<I, unknown>,
    input: unknown,
    { runId, delayMs = 0, priority, tags }: SubmitRequest & { readonly runId: string },
  ): Promise<{ readonly became: 'queued' | 'known' }> {
    for (const [name, value] of Object.entries({ priority, tags })) {
      if (value !== undefined)
        throw new InvalidArgumentError(
          `Cannot submit run "${runId}" to Restate with "${name}": the server has no such thing`,
          `leave out "${name}"`,
        );
    }
    const became = await submitRun(this.#context, agent, runId, input, delayMs);
    this.#met.meet(agent, runId);
    return { became };
  }

  events(runId: string, { agent: given, ...wanted }: EventsOptions & RunHint = {}): Observable<KeptEvent> {
    return defer(() => agentOfRun(this.#context, this.#met, runId, given)).pipe(
      switchMap((agent) => keptEvents(runId, wanted, () => this.attach(agent, runId))),
    );
  }

  async listRuns(asked: RunQuery = {}): Promise<readonly ServedRunSummary[]> {
    checkQuery(asked);
    const { limit = MOST_LISTED, ...query } = asked;
    const { admin } = this.#context;
    for (const name of ['tags', 'dueBefore'] as const) {
      if (query[name] !== undefined)
        throw new InvalidArgumentError(
          `Cannot list runs on Restate by "${name}": the server does not know it`,
          `leave out "${name}"`,
        );
    }
    if (admin === undefined) {
      throw new InvalidArgumentError(
        'Cannot list runs without the address of the admin',
        'give restateEngine({ ingress, admin })',
      );
    }
    const fits = (run: RunSummary): boolean =>
      select([{ run, isResting: run.status !== 'RUNNING' }], query).length > 0;
    return listRuns(this.#context, admin, query.name, limit, fits);
  }

  #follow<O>(
    request: RunRequest<O>,
    begins: boolean,
    onUnsubscribe: 'cancel' | 'detach',
  ): Observable<Transition<O>> {
    return new Observable((subscriber) => {
      this.#met.meet(request.agent, request.runId);
      const follower = new RunSubscriber(this.#context, request, subscriber);
      follower.begin(begins);
      return () => {
        follower.leave(onUnsubscribe);
      };
    });
  }
}

/** One subscriber of a run. */
class RunSubscriber<O> {
  readonly #context: EngineContext;
  readonly #request: RunRequest<O>;
  readonly #subscriber: Subscriber<Transition<O>>;
  readonly #abort = new AbortController();
  /** Whether the last event has been told, or an error. */
  #isOver = false;
  /** Whether the run was followed to its end: nothing is asked any more. */
  #isDone = false;
  #life = 1;
  #isAsleep = false;
  #leftAt: number | undefined;
  #stopListening: Stop | undefined;

  constructor(context: EngineContext, request: RunRequest<O>, subscriber: Subscriber<Transition<O>>) {
    this.#context = context;
    this.#request = request;
    this.#subscriber = subscriber;
  }

  /** @param begins - Whether a life is begun when none is under way. */
  begin(begins: boolean): void {
    const run: RunToFollow<O> = {
      request: this.#request,
      begins,
      signal: this.#abort.signal,
      tell: (transition) => {
        if (isEnd(transition.event)) this.#isOver = true;
        this.#subscriber.next(transition);
      },
      asks: (life) => {
        this.#life = life;
      },
      sleeps: (life, isAsleep) => {
        this.#life = life;
        this.#isAsleep = isAsleep;
      },
    };
    followRun(this.#context, run).then(
      (state) => {
        this.#ended(state);
      },
      (error: unknown) => {
        if (this.#leftAt !== undefined) return;
        this.#isOver = true;
        this.#subscriber.error(error);
      },
    );
    const { signal } = this.#request;
    // A life that is begun with an aborted signal begins as a cancelled one.
    if (signal !== undefined && !(signal.aborted && begins))
      this.#stopListening = onAbort(signal, () => {
        this.#cancel(true);
      });
  }

  /** Hears nothing more; cancels what nobody else has asked to end. */
  leave(onUnsubscribe: 'cancel' | 'detach'): void {
    const { signal } = this.#request;
    this.#stopListening?.();
    this.#leftAt = asyncScheduler.now();
    // Nothing more is asked about a run that has ended, and `abort` costs as much as a step even when nobody listens.
    if (!this.#isDone) this.#abort.abort('left');
    // Who has aborted the signal has asked for the end already.
    const goesOn = onUnsubscribe === 'detach' || signal?.aborted === true;
    if (!this.#isOver && !goesOn) this.#cancel(false);
  }

  #ended(state: RunState<O>): void {
    this.#isOver = true;
    this.#isDone = true;
    if (state.status === 'FAILED') {
      this.#subscriber.error(new RunError(state, state.error ?? UNKNOWN_FAILURE, undefined));
    } else this.#subscriber.complete();
  }

  #cancel(isAsked: boolean): void {
    const { agent, runId } = this.#request;
    const begun: BegunRun = {
      agent,
      runId,
      life: () => this.#life,
      isAsleep: () => this.#isAsleep,
      isOver: () => this.#isOver,
      leftAt: () => this.#leftAt,
    };
    cancelBegun(this.#context, begun, isAsked).catch((error: unknown) => {
      const { message } = toFailure(error);
      process.emitWarning(`Cannot cancel run "${runId}": ${message}`, 'RestateWarning');
    });
  }
}

/** Nobody can go on with a run that has ended so. */
const IS_OVER: ReadonlySet<RunState['status']> = new Set(['COMPLETED', 'CANCELLED']);

const UNKNOWN_FAILURE: Failure = { name: 'Error', message: 'unknown', retryable: true };

function withHeaders(ingress: Ingress, headers: RestateEngineOptions['headers']): Ingress {
  if (headers === undefined) return ingress;
  return {
    request: (path, options) =>
      ingress.request(path, { ...options, headers: { ...headers, ...options?.headers } }),
  };
}
