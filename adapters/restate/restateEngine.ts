import { isDeepStrictEqual } from 'node:util';

import { asyncScheduler, Observable } from 'rxjs';

import { jsonValue } from '../../lib/codec/json';
import { RunState as StateCodec } from '../../lib/codec/state';
import { validate } from '../../lib/codec/validate';
import type { Definition } from '../../lib/graph/definition';
import { definitionOf, planOf } from '../../lib/graph/definition';
import type { RunEngine, RunRequest } from '../../lib/graph/engine';
import { fingerprint } from '../../lib/graph/fingerprint';
import type { Agent } from '../../lib/model/agent';
import { isEnd } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import { RunError } from '../../lib/model/runError';
import type { RunState } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import type { Transition } from '../../lib/model/transition';
import type { RunSummary } from '../../lib/store/store';
import { UnknownRunError } from '../../lib/store/unknownRunError';
import { newRunId } from '../../operators/engineKit';
import { InputMismatchError } from '../../operators/inputMismatchError';
import { DefinitionNotServedError } from './definitionNotServedError';
import { EngineUnreachableError } from './engineUnreachableError';
import { follower } from './follow';
import { forked } from './forked';
import type { AskOptions, Ingress } from './ingress';
import { handlerPath, IngressError, ingressOf, workflowPath } from './ingress';
import { BATCH_MS, HOLD_MS, LARGEST_VALUE, WATCH_MS } from './limits';
import type { Pace } from './pace';
import { paceOf } from './pace';
import { agentOf, keyOf, lifeOf, serviceOf, servicesNamed } from './names';
import type {
  CancelRequest,
  EventsReply,
  EventsRequest,
  GivenAnswer,
  LifeResult,
  Rest,
  StartRequest,
} from './protocol';
import { RunStalledError } from './runStalledError';

/** Where the server is, and how its runs are followed. */
export interface RestateEngineOptions {
  /** Addresses of the ingress, such as `http://127.0.0.1:8080`; give every node of a cluster. */
  readonly ingress: string | readonly string[];
  /** Address of the admin, needed to list runs; with it a run that does not move says why. */
  readonly admin?: string;
  /** What unsubscribing from a run that is under way does; `cancel` when left out. */
  readonly onUnsubscribe?: 'cancel' | 'detach';
  /** How long a server, or a worker to begin a run, may be away, in milliseconds; 30,000 when left out. */
  readonly patienceMs?: number;
  /** Headers for every request, such as a token for a gateway. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Runs on a Restate server: give it to `run()`, `runEach()` and `execute()` as `engine`. */
export interface RestateEngine extends RunEngine {
  /** Follows the latest life of a run from its beginning, in any process, and begins none. */
  attach<O>(agent: Agent<never, O>, runId: string): Observable<Transition<O>>;
  /** How a run stands; undefined for an unknown id. */
  loadRun<O>(agent: Agent<never, O>, runId: string): Promise<RunState<O> | undefined>;
  /**
   * Answers an approval that a run waits at; the run goes on at once, on whichever worker, watched or not.
   *
   * @throws UnknownRunError
   */
  answer(agent: Agent<never, unknown>, runId: string, path: string, value: unknown): Promise<void>;
  /**
   * Cancels a run that is under way: sagas undo what they have done, and its agents see an aborted signal. False when it is
   * not under way.
   */
  cancel(agent: Agent<never, unknown>, runId: string): Promise<boolean>;
  /**
   * Makes a new run that reuses everything of an ended one before `from`, and begins it. Returns its id.
   *
   * @throws UnknownRunError
   */
  fork(
    agent: Agent<never, unknown>,
    runId: string,
    options: { readonly from: string; readonly input?: unknown; readonly runId?: string },
  ): Promise<string>;
  /** The runs of agents that this server knows, newest first. Needs `admin`. */
  listRuns(query?: { readonly name?: string; readonly limit?: number }): Promise<readonly RunSummary[]>;
}

const PATIENCE_MS = 30_000;
const CHECK_MS = 3_000;
const CANCEL_GAP_MS = 50;
/** Between two questions for events: what happens meanwhile comes with one answer. */
const POLL_GAP_MS = 60;
/** How long one of them is held open: the end of a run comes another way, and leaves it behind. */
const POLL_MS = 5_000;

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
  const context: Context = { ingress, admin, patienceMs, pace: paceOf() };

  const stream = <O>(
    request: RunRequest<O>,
    begins: boolean,
    onUnsubscribe: 'cancel' | 'detach',
  ): Observable<Transition<O>> =>
    new Observable((subscriber) => {
      const abort = new AbortController();
      let isOver = false;
      const tell = (transition: Transition<O>): void => {
        if (isEnd(transition.event)) isOver = true;
        subscriber.next(transition);
      };
      drive(context, request, begins, tell, abort.signal).then(
        (state) => {
          isOver = true;
          if (state.status === 'FAILED') {
            subscriber.error(new RunError(state, state.error ?? UNKNOWN_FAILURE, undefined));
          } else subscriber.complete();
        },
        (error: unknown) => {
          isOver = true;
          if (!abort.signal.aborted) subscriber.error(error);
        },
      );
      const cancel = async (): Promise<void> => {
        // The run may not have begun yet.
        while (!isOver && !(await cancelLatest(context, request, true)))
          await pause(CANCEL_GAP_MS, abort.signal);
      };
      const aborted = (): void => {
        cancel().catch(report);
      };
      request.signal?.addEventListener('abort', aborted);
      if (request.signal?.aborted === true) aborted();
      return () => {
        request.signal?.removeEventListener('abort', aborted);
        abort.abort('left');
        if (isOver || onUnsubscribe === 'detach') return;
        cancelLatest(context, request, false).catch(report);
      };
    });

  return {
    run: (request) => stream(request, true, options.onUnsubscribe ?? 'cancel'),
    attach: (agent, runId) =>
      stream({ agent, runId, input: undefined, onMismatch: 'refuse' }, false, 'detach'),
    async loadRun<O>(agent: Agent<never, O>, runId: string) {
      const latest = await latestLife<O>(context, agent, runId);
      return latest?.state;
    },
    async answer(agent, runId, path, value) {
      const latest = await latestLife(context, agent, runId);
      if (latest === undefined) throw new UnknownRunError(runId);
      const body: GivenAnswer = { path, value: jsonValue(value, path, { bytes: LARGEST_VALUE }) };
      await ingress.request(handlerPath(serviceFor(agent), keyOf(runId, latest.life), 'answer'), { body });
    },
    cancel: (agent, runId) => cancelLatest(context, { agent, runId }, true),
    async fork(agent, runId, { from, input, runId: forkId = newRunId() }) {
      const latest = await latestLife(context, agent, runId);
      if (latest === undefined) throw new UnknownRunError(runId);
      const seed = forked(latest.state, forkId, from, planOf(definitionOf(agent) as Definition));
      const request: StartRequest = {
        runId: forkId,
        life: 1,
        at: asyncScheduler.now(),
        onMismatch: 'actual',
        seed: StateCodec.encode(seed),
        ...(input !== undefined && { input: jsonValue(input, '', { bytes: LARGEST_VALUE }) }),
      };
      await ingress.request(handlerPath(serviceFor(agent), keyOf(forkId, 1), 'run/send'), { body: request });
      return forkId;
    },
    async listRuns({ name, limit = 100 } = {}) {
      if (admin === undefined) throw new TypeError('Cannot list runs without the address of the admin');
      return listRuns(context, admin, name, limit);
    },
  };
}

const UNKNOWN_FAILURE: Failure = { name: 'Error', message: 'unknown', retryable: true };

interface Context {
  readonly ingress: Ingress;
  readonly admin: Ingress | undefined;
  readonly patienceMs: number;
  readonly pace: Pace;
}

/** Follows a run through the life that is under way, or begins one. Resolves with the state at its end. */
async function drive<O>(
  context: Context,
  request: RunRequest<O>,
  begins: boolean,
  tell: (transition: Transition<O>) => void,
  signal: AbortSignal,
): Promise<RunState<O>> {
  const { agent, runId } = request;
  const definition = definitionOf(agent) as Definition;
  const input = jsonValue(request.input, '', { bytes: LARGEST_VALUE });
  let base: RunState<O> = idleState(runId, agent.name, planOf(definition));
  let seed: unknown;

  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const following = {
      agent,
      runId,
      key,
      base,
      input,
      tell,
      signal,
      isRefusing: request.onMismatch === 'refuse',
    };
    if (begins) {
      const start: StartRequest = {
        runId,
        life,
        at: asyncScheduler.now(),
        onMismatch: request.onMismatch,
        ...(input !== undefined && { input }),
        ...(seed !== undefined && { seed }),
      };
      const end = await followLife(context, following, start);
      if (end !== 'known') return end;
    }
    const result = await resultOf(context, agent, key);
    if (result === 'unknown') throw new UnknownRunError(runId);
    if (result === 'under way') return (await followLife(context, following)) as RunState<O>;
    const before = await stateAfter(context, following, result);
    const isChanged = input !== undefined && !isDeepStrictEqual(input, before.input);
    if (isChanged && request.onMismatch === 'refuse') throw new InputMismatchError(runId);
    if (begins && before.status === 'COMPLETED' && !isChanged) {
      tell(replayedEnd(before));
      return before;
    }
    if (!begins && (await resultOf(context, agent, keyOf(runId, life + 1))) === 'unknown') {
      return (await followLife(context, following)) as RunState<O>;
    }
    base = before;
    seed = before.status === 'COMPLETED' ? StateCodec.encode(before) : undefined;
  }
}

interface Following<O> {
  readonly agent: Agent<never, O>;
  readonly runId: string;
  readonly key: string;
  /** How the run stands before this life. */
  readonly base: RunState<O>;
  readonly input: unknown;
  readonly isRefusing: boolean;
  readonly tell: (transition: Transition<O>) => void;
  readonly signal: AbortSignal;
}

/**
 * Follows one life to its end; begins it when `start` is given, or answers `known` when it had begun before.
 *
 * The question that begins it is answered with its end. Only a run that takes longer than a batch is asked for events too.
 */
async function followLife<O>(
  context: Context,
  following: Following<O>,
  start?: StartRequest,
): Promise<RunState<O> | 'known'> {
  const { agent, key, base, runId } = following;
  const definition = definitionOf(agent) as Definition;
  const local = new AbortController();
  const { signal } = local;
  const leave = (): void => {
    local.abort('left');
  };
  // Not AbortSignal.any, which costs more than all else here.
  following.signal.addEventListener('abort', leave);
  if (following.signal.aborted) leave();
  let isBegun = false;
  let wrong: Error | undefined;
  const follow = follower<O>(base, definition, (transition) => {
    const { event } = transition;
    if (event.type === 'run.started' && isOtherInput(following, event.input)) {
      wrong = new InputMismatchError(runId);
      local.abort('over');
    }
    isBegun = true;
    if (wrong === undefined) following.tell(transition);
  });
  const cursor = { from: 0, parts: 0 };
  const take = (reply: EventsReply): void => {
    follow.parts(reply.parts);
    follow.events(cursor.from, reply.events);
    cursor.from = reply.nextFrom;
    cursor.parts = reply.nextParts;
  };

  context.pace.begin();
  try {
    const end = endOf(context, agent, key, start, signal);
    void watch(context, { agent, key }, cursor, take, signal);
    const result = await Promise.race([
      end,
      stalled(
        context,
        agent,
        following,
        () => isBegun,
        signal,
        (reason) => {
          const { seq } = follow.state();
          const event = { type: 'step.logged', runId, seq, at: asyncScheduler.now(), path: '' } as const;
          if (isBegun) follow.events(-1, []);
          following.tell({
            event: { ...event, level: 'WARNING', message: reason },
            state: follow.state(),
          });
        },
      ),
    ]);
    if (result === 'known') return 'known';
    if (result.refused !== undefined)
      throw Object.assign(new Error(result.refused.message), { name: result.refused.name });
    local.abort('over');
    while (cursor.parts < result.parts || cursor.from < result.from) {
      take(await ask(context, agent, key, { ...cursor, waitMs: 0 }, following.signal));
    }
    follow.events(result.from, result.events);
    return follow.state();
  } catch (error) {
    throw wrong ?? error;
  } finally {
    context.pace.end();
    following.signal.removeEventListener('abort', leave);
    local.abort('over');
  }
}

function isOtherInput(
  { input, isRefusing }: Pick<Following<unknown>, 'input' | 'isRefusing'>,
  given: unknown,
): boolean {
  return isRefusing && input !== undefined && !isDeepStrictEqual(input, given);
}

/** Waits for the end of a life, through lost connections and lost nodes. */
async function endOf(
  { ingress, admin, patienceMs }: Context,
  agent: Agent<never, unknown>,
  key: string,
  start: StartRequest | undefined,
  signal: AbortSignal,
): Promise<LifeResult | 'known'> {
  const service = serviceFor(agent);
  let mode: 'begin' | 'attach' = start === undefined ? 'attach' : 'begin';
  let isMaybeOurs = false;
  let awaySince: number | undefined;
  for (;;) {
    const leftMs = patienceMs - (awaySince === undefined ? 0 : asyncScheduler.now() - awaySince);
    const limits: AskOptions = { signal, timeoutMs: HOLD_MS, patienceMs: leftMs, isAskedOnce: true };
    try {
      const path = mode === 'begin' ? handlerPath(service, key, 'run') : workflowPath(service, key, 'attach');
      return (await ingress.request(
        path,
        mode === 'begin' ? { ...limits, body: start } : limits,
      )) as LifeResult;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof IngressError) {
        if (error.status === 409 && mode === 'begin') {
          if (!isMaybeOurs) return 'known';
          mode = 'attach';
          continue;
        }
        if (error.status === 404) {
          if (/not found.*service|service.*not found/i.test(error.message))
            throw await notServed(agent, admin, error);
        }
        throw error;
      }
      if (error instanceof EngineUnreachableError)
        throw new EngineUnreachableError(error.addresses, patienceMs, error.cause);
      const now = asyncScheduler.now();
      if ((error as Error).name === 'TimeoutError') awaySince = undefined;
      else {
        awaySince ??= now;
        if (now - awaySince > patienceMs) throw error;
      }
      isMaybeOurs = true;
      // The server may never have heard of it, and whoever asks for the end of an unknown run waits for ever.
      if (start !== undefined) mode = 'begin';
    }
  }
}

/** Asks for events as they come, until it is aborted. */
async function watch(
  context: Context,
  { agent, key }: Pick<Following<unknown>, 'agent' | 'key'>,
  cursor: { readonly from: number; readonly parts: number },
  take: (reply: EventsReply) => void,
  signal: AbortSignal,
): Promise<void> {
  await pause(context.pace.after(WATCH_MS), signal);
  // A function, because the compiler does not see that it changes while one waits.
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      const reply = await ask(context, agent, key, { ...cursor, waitMs: POLL_MS }, signal);
      if (!isOver()) take(reply);
      await pause(context.pace.after(POLL_GAP_MS), signal);
    } catch {
      // The end, or why there is none, comes another way.
      await pause(250, signal);
    }
  }
}

/** Waits, and no longer than anybody wants what comes after it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

async function ask(
  { ingress, patienceMs }: Context,
  agent: Agent<never, unknown>,
  key: string,
  request: EventsRequest,
  signal: AbortSignal,
): Promise<EventsReply> {
  const path = handlerPath(serviceFor(agent), key, 'events');
  const until = asyncScheduler.now() + patienceMs;
  for (;;) {
    try {
      const limits = { body: request, signal, timeoutMs: request.waitMs + 5_000 };
      return (await ingress.request(path, limits)) as EventsReply;
    } catch (error) {
      // While a worker is replaced its answers take longer.
      if ((error as Error).name !== 'TimeoutError' || asyncScheduler.now() >= until) throw error;
    }
  }
}

/** Fails when no worker begins a run within the patience, and tells why a run does not move. Otherwise never resolves. */
async function stalled(
  context: Context,
  agent: Agent<never, unknown>,
  { runId, key }: Pick<Following<unknown>, 'runId' | 'key'>,
  isBegun: () => boolean,
  signal: AbortSignal,
  warn: (reason: string) => void,
): Promise<never> {
  const since = asyncScheduler.now();
  let latest = '';
  for (;;) {
    await pause(CHECK_MS, signal);
    if (signal.aborted) return new Promise<never>(() => undefined);
    const waited = asyncScheduler.now() - since;
    const reason = await troubleOf(context.admin, serviceFor(agent), key);
    if (!isBegun() && waited >= context.patienceMs) {
      throw new RunStalledError(runId, waited, reason ?? 'no worker has answered');
    }
    if (reason !== undefined && reason !== latest && isBegun()) {
      latest = reason;
      warn(`The run does not move: ${reason}`);
    }
  }
}

async function troubleOf(
  admin: Ingress | undefined,
  service: string,
  key: string,
): Promise<string | undefined> {
  if (admin === undefined) return undefined;
  try {
    const rows = await query(
      admin,
      `select status, last_failure from sys_invocation where target_service_name = '${service}' and target_service_key = '${sqlText(key)}' and target_handler_name = 'run'`,
    );
    const [row] = rows;
    const failure = row?.['last_failure'];
    const isStuck = row?.['status'] === 'backing-off' || row?.['status'] === 'paused';
    return isStuck && typeof failure === 'string' ? failure : undefined;
  } catch {
    return undefined;
  }
}

async function resultOf(
  { ingress, admin }: Context,
  agent: Agent<never, unknown>,
  key: string,
): Promise<LifeResult | 'unknown' | 'under way'> {
  try {
    return (await ingress.request(workflowPath(serviceFor(agent), key, 'output'))) as LifeResult;
  } catch (error) {
    if (!(error instanceof IngressError)) throw error;
    if (error.status === 470) return 'under way';
    if (error.status !== 404) throw error;
    if (/not found.*service|service.*not found/i.test(error.message))
      throw await notServed(agent, admin, error);
    return 'unknown';
  }
}

/** How a run stands after a life that has ended. */
async function stateAfter<O>(
  context: Context,
  following: Following<O>,
  result: LifeResult,
): Promise<RunState<O>> {
  const { agent, key, base, signal } = following;
  if (result.status !== 'COMPLETED') {
    const rest = (await context.ingress.request(handlerPath(serviceFor(agent), key, 'rest'), {
      body: {},
    })) as Rest | null;
    if (rest !== null)
      return validate(StateCodec, rest.state, `state of run "${following.runId}"`) as RunState<O>;
  }
  const follow = follower<O>(base, definitionOf(agent) as Definition, () => undefined);
  const cursor = { from: 0, parts: 0 };
  while (cursor.parts < result.parts || cursor.from < result.from) {
    const reply = await ask(context, agent, key, { ...cursor, waitMs: 0 }, signal);
    follow.parts(reply.parts);
    follow.events(cursor.from, reply.events);
    cursor.from = reply.nextFrom;
    cursor.parts = reply.nextParts;
  }
  follow.events(result.from, result.events);
  return follow.state();
}

function replayedEnd<O>(state: RunState<O>): Transition<O> {
  const { runId, seq, output, startedAt, endedAt = startedAt } = state;
  const duration = (endedAt - startedAt) / 1000;
  return {
    event: { type: 'run.completed', runId, seq, at: asyncScheduler.now(), output, duration, replayed: true },
    state,
  };
}

interface Latest<O> {
  readonly life: number;
  readonly state: RunState<O>;
  readonly isUnderWay: boolean;
}

/** The latest life of a run, and how the run stands; undefined for an unknown run. */
async function latestLife<O>(
  context: Context,
  agent: Agent<never, O>,
  runId: string,
): Promise<Latest<O> | undefined> {
  const definition = definitionOf(agent) as Definition;
  let latest: Latest<O> | undefined;
  let base: RunState<O> = idleState(runId, agent.name, planOf(definition));
  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    if (result === 'unknown') return latest;
    const { signal } = new AbortController();
    const following = { agent, runId, key, base, input: undefined, isRefusing: false, tell: ignore, signal };
    if (result === 'under way') {
      const follow = follower<O>(base, definition, ignore);
      const reply = await ask(context, agent, key, { from: 0, parts: 0, waitMs: BATCH_MS }, signal);
      follow.parts(reply.parts);
      follow.events(0, reply.events);
      return { life, state: follow.state(), isUnderWay: true };
    }
    base = await stateAfter(context, following, result);
    latest = { life, state: base, isUnderWay: false };
  }
}

function report(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}

function ignore(): void {
  // Only the state matters.
}

async function cancelLatest(
  context: Context,
  { agent, runId }: { readonly agent: Agent<never, unknown>; readonly runId: string },
  isAsked: boolean,
): Promise<boolean> {
  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    if (result === 'unknown') return false;
    if (result !== 'under way') continue;
    const service = serviceFor(agent);
    const sent = (await context.ingress.request(handlerPath(service, key, 'run/send'), {
      body: { runId, life, at: asyncScheduler.now(), onMismatch: 'refuse' } satisfies StartRequest,
    })) as { readonly invocationId: string };
    const body: CancelRequest = { invocationId: sent.invocationId, isAsked };
    await context.ingress.request(handlerPath(service, key, 'cancel'), { body });
    return true;
  }
}

async function notServed(
  agent: Agent<never, unknown>,
  admin: Ingress | undefined,
  cause: unknown,
): Promise<Error> {
  const definition = definitionOf(agent) as Definition;
  const prefix = servicesNamed(agent.name);
  const names = new Set<string>();
  if (admin !== undefined) {
    const { services } = (await admin.request('/services')) as {
      readonly services: readonly { readonly name: string }[];
    };
    for (const { name } of services)
      if (name.startsWith(prefix) && agentOf(name) !== undefined) names.add(name.slice(prefix.length));
  }
  const error = new DefinitionNotServedError(agent.name, fingerprint(planOf(definition)).slice(0, 12), [
    ...names,
  ]);
  error.cause = cause;
  return error;
}

async function listRuns(
  context: Context,
  admin: Ingress,
  name: string | undefined,
  limit: number,
): Promise<readonly RunSummary[]> {
  const rows = await query(
    admin,
    `select target_service_name, target_service_key, status, created_at, completed_at from sys_invocation where target_service_name like '${sqlText(name === undefined ? 'millrace.' : servicesNamed(name))}%' and target_handler_name = 'run' order by created_at desc limit ${Math.trunc(limit) * 4}`,
  );
  const summaries = new Map<string, RunSummary>();
  for (const row of rows) {
    const service = String(row['target_service_name']);
    const agent = agentOf(service);
    if (agent === undefined || summaries.size >= limit) continue;
    const { runId, life } = lifeOf(String(row['target_service_key']));
    const known = summaries.get(`${service} ${runId}`);
    if (known !== undefined && known.life >= life) continue;
    const isEnded = row['status'] === 'completed';
    const result = isEnded ? await endedResult(context, service, keyOf(runId, life)) : undefined;
    const end = result?.events.at(-1);
    summaries.set(`${service} ${runId}`, {
      runId,
      name: agent,
      status: result?.status ?? (isEnded ? 'FAILED' : 'RUNNING'),
      startedAt: millis(row['created_at']),
      life,
      ...(isEnded && { endedAt: millis(row['completed_at']) }),
      ...(end?.type === 'run.failed' && end.error.path !== undefined && { failedStep: end.error.path }),
    });
  }
  return [...summaries.values()];
}

async function endedResult(
  { ingress }: Context,
  service: string,
  key: string,
): Promise<LifeResult | undefined> {
  try {
    return (await ingress.request(workflowPath(service, key, 'output'))) as LifeResult;
  } catch {
    return undefined;
  }
}

async function query(admin: Ingress, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const answer = (await admin.request('/query', {
    body: { query: sql },
    headers: { accept: 'application/json' },
  })) as {
    readonly rows: readonly Readonly<Record<string, unknown>>[];
  };
  return answer.rows;
}

function sqlText(text: string): string {
  return text.replaceAll("'", "''");
}

function millis(text: unknown): number {
  return typeof text === 'string' ? Date.parse(text) : 0;
}

function serviceFor(agent: Agent<never, unknown>): string {
  return serviceOf(definitionOf(agent) as Definition);
}

function withHeaders(ingress: Ingress, headers: Readonly<Record<string, string>>): Ingress {
  return {
    request: (path, options) =>
      ingress.request(path, { ...options, headers: { ...headers, ...options?.headers } }),
  };
}
