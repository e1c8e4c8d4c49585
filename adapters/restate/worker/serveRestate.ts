import type { Http2Server, Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';

import { createEndpointHandler } from '@restatedev/restate-sdk';

import type { Agent, GivenServices } from '../../../lib/model/agentType';
import type { Schedule } from '../../../operators/runs/schedule';
import { cancelRun } from '../client/cancelRun';
import type { EngineContext } from '../client/engineContext';
import { paceOf, serviceFor } from '../client/engineContext';
import { submitRun } from '../client/forkRun';
import { latestLife } from '../client/latestLife';
import type { TickEngine } from '../client/scheduledRuns';
import { beginScheduledRuns } from '../client/scheduledRuns';
import { ingressOf } from '../protocol/ingress';
import { refuseShared } from '../restateErrors';
import { answersService } from './answerCacheService';
import type { Registered } from './keepRunsGoing';
import { keepRunsGoing } from './keepRunsGoing';
import { runRecordsService } from './runRecords';
import { runsService } from './runsService';
import type { Placement, ServiceOptions } from './serviceOptions';
import { stepsService } from './stepsService';
import { tellLives } from './recovery/tellLives';
import { checkServices, servicesView } from '../../../lib/engine/local/givenServices';
import { workerLog } from './workerLog';
import { InvalidArgumentError } from '../../../lib/model/failure';

/** How a worker serves agents. */
export interface ServeOptions {
  /** 0 takes any free port; 9080 when left out. */
  readonly port?: number;
  /** The address to listen on; loopback when left out. */
  readonly host?: string;
  /** Addresses of the server's ingress, to which steps tell partial results. */
  readonly ingress: string | readonly string[];
  /** Address of the server's admin. When given, this worker registers itself, and lets runs go on whose journals do not fit its code. */
  readonly admin?: string;
  /**
   * False, beside `admin`, where a balancer stands before the workers, whose address `register()` tells the server once a release; true
   * when left out.
   */
  readonly registers?: boolean;
  /**
   * Under which address the server reaches this worker, or the balancer before it; its own when left out. A worker on loopback
   * answers under this name and its own ones only.
   */
  readonly uri?: string;
  /** Where the function of an agent is called: in the process that carries out the run, or as an invocation of its own. */
  readonly placement?: (agent: string) => Placement | 'call';
  /** The pools whose calls this worker takes; `default` when left out. */
  readonly pools?: readonly string[];
  /** Whether this worker carries out runs; true when left out. */
  readonly runs?: boolean;
  /** For how long runs stay readable after their end, in milliseconds, 2,000 at least; a day when left out. */
  readonly retentionMs?: number;
  /** Longest silence of an agent before the server calls it again, in milliseconds; six hours when left out. */
  readonly abortTimeoutMs?: number;
  /**
   * Silence after which the server takes a run, or a call of an agent, out of the worker's memory and begins it anew from its
   * journal when there is news, in milliseconds; as long as `abortTimeoutMs` when left out. While an agent is being called, its run hears of nothing else after that: not of other steps, not of a cancel.
   */
  readonly inactivityTimeoutMs?: number;
  /**
   * From so many milliseconds on, a run that does nothing but `sleep` leaves the worker and costs the server no invocation until it
   * wakes, when it goes on with `run.resumed`; a minute when left out. The same on all workers.
   */
  readonly longSleepMs?: number;
  /** First pause before the server asks for a worker again, in milliseconds, doubled each time; 100 when left out. */
  readonly retryMs?: number;
  /** Agents that are run again and again, served here too; each tick once, however many workers serve it. */
  readonly schedules?: readonly Schedule[];
  /** What agents read as `context.services`; never sent to the server. Each worker gives its own. */
  readonly services?: GivenServices;
  /** Public keys of the servers that may call this worker, `publickeyv1_…`; anybody may when left out. An empty list is refused. */
  readonly identityKeys?: readonly string[];
}

/** A worker that serves. */
export interface RestateWorker {
  /** The port on which it listens. */
  readonly port: number;
  /** Where the server reaches it. */
  readonly uri: string;
  /** Takes no more work, and leaves what is under way to other workers. */
  close(): Promise<void>;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const REGISTER_MS = 10_000;
/** So long a worker that closes may take to tell what it knows. */
const TELL_MS = 2_000;
const LONGEST_SILENCE_MS = 21_600_000;

/**
 * Serves agents to a Restate server: on every machine that is to carry out runs or steps of theirs.
 *
 * Each version of an agent's definition has a service of its own, so old and new versions can be served side by side. Start
 * it again with the same list and more: what has runs under way must stay in it.
 *
 * @param given - Whose runs are served.
 * @throws NotOnRestateError for an agent whose steps share a state.
 * @throws TypeError for two agents of the same name and plan: runs could not tell them apart.
 * @throws InvalidArgumentError for an empty list of `identityKeys`, or one of them that is no public key of a server.
 * @throws What the system says when the port is taken, and what `register` throws when `admin` is given.
 */
export async function serveRestate(
  given: readonly Agent<never, unknown>[],
  options: ServeOptions,
): Promise<RestateWorker> {
  const { schedules = [], port = 9080, host = '127.0.0.1', pools = ['default'], runs = true } = options;
  const agents = [...new Set([...given, ...schedules.map(({ agent }) => agent)])];
  const addresses = typeof options.ingress === 'string' ? [options.ingress] : options.ingress;
  const settings = settingsOf(options, addresses);
  addResolvers();
  checkServices(options.services);
  refuseTwins(agents);
  refuseNoKeys(options.identityKeys);
  const ofAgents = [...new Set(agents)].flatMap((agent) => [
    ...(runs ? [runsService(agent, settings)] : []),
    ...pools.map((pool) => stepsService(agent, pool, settings)),
  ]);
  let isClosing = false;
  const handler = createEndpointHandler({
    services: [...ofAgents, answersService(settings), runRecordsService(settings)],
    logger: workerLog(() => isClosing, options.admin !== undefined),
    ...(options.identityKeys !== undefined && { identityKeys: [...options.identityKeys] }),
  });
  const server = createServer(refusingStrangers(handler, options));
  const close = closing(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const taken = (server.address() as AddressInfo).port;
  const uri = options.uri ?? `http://${host}:${taken}`;
  let stopRecovering = (): Promise<void> => Promise.resolve();
  let stopTicks = (): void => undefined;
  const closed = new AbortController();
  const worker: RestateWorker = {
    port: taken,
    uri,
    async close() {
      isClosing = true;
      stopTicks();
      closed.abort();
      try {
        await Promise.all([stopRecovering(), tellLives(settings.lives, TELL_MS)]);
      } finally {
        await close();
      }
    },
  };
  if (options.registers === false && options.admin === undefined)
    process.emitWarning(
      `The worker at ${uri} is given registers: false and no admin: it would not register itself anyway, and does not go on with runs whose journals do not fit its code; give admin too, or leave registers out`,
      'RestateWarning',
    );
  try {
    if (options.admin !== undefined)
      stopRecovering = await keepRunsGoing({
        agents: runs ? agents : [],
        addresses,
        admin: options.admin,
        uri,
        ...(options.registers !== false && { register: registerAt }),
      });
    if (schedules.length > 0) stopTicks = beginScheduledRuns(tickEngine(addresses, closed.signal), schedules);
  } catch (error) {
    // Nobody could close what was never handed out.
    await worker.close();
    throw error;
  }
  return worker;
}

/** How long the server may be away when a tick comes, in milliseconds. */
const TICK_MS = 30_000;

/**
 * What schedules ask of an engine, until it is stopped. What is asked then is broken off and never answered: nobody waits for it, and it
 * would keep the process alive for as long as the server may be away.
 */
function tickEngine(addresses: readonly string[], signal: AbortSignal): TickEngine {
  const asked = ingressOf(addresses, TICK_MS);
  const context: EngineContext = {
    ingress: {
      async request(path, options) {
        try {
          return await asked.request(path, { ...options, signal });
        } catch (error) {
          if (signal.aborted) return new Promise(() => undefined);
          throw error;
        }
      },
    },
    admin: undefined,
    patienceMs: TICK_MS,
    pace: paceOf(),
  };
  return {
    async cancel(runId, { agent, reason } = {}) {
      // The next tick does not wait for a run that has ended meanwhile.
      if (agent !== undefined) await cancelRun(context, { agent, runId }, reason);
    },
    async loadRun(agent, runId) {
      return (await latestLife(context, agent, runId))?.state;
    },
    async submit(agent, input, { runId, delayMs = 0 }) {
      return { became: await submitRun(context, agent, runId, input, delayMs) };
    },
  };
}

/** What all services of a worker have in common. */
function settingsOf(options: ServeOptions, addresses: readonly string[]): ServiceOptions {
  const { placement = () => 'inline', abortTimeoutMs = LONGEST_SILENCE_MS } = options;
  return {
    ingress: ingressOf(addresses, LONGEST_SILENCE_MS),
    services: servicesView(options.services),
    placement: (agent) => {
      const where = placement(agent);
      return where === 'call' ? { pool: 'default' } : where;
    },
    retentionMs: options.retentionMs ?? DAY_MS,
    abortTimeoutMs,
    inactivityTimeoutMs: options.inactivityTimeoutMs ?? abortTimeoutMs,
    longSleepMs: options.longSleepMs ?? MINUTE_MS,
    retryMs: options.retryMs ?? 100,
    lives: new Set(),
  };
}

type Handle = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * Refuses what a browser sends, and on loopback what was meant for another host: a page may give its own name the address of this
 * machine (DNS rebinding). Behind identity keys, or on an address that others reach by names of their own, any host is taken.
 */
function refusingStrangers(
  handle: Handle,
  { host = '127.0.0.1', uri, identityKeys }: Pick<ServeOptions, 'host' | 'uri' | 'identityKeys'>,
): Handle {
  const ours = new Set([...LOOPBACK, host, ...(uri === undefined ? [] : [hostOf(uri)])]);
  const takesAny = identityKeys !== undefined || !(LOOPBACK.includes(host) || host === '::1');
  // A server asks under one address: it is not read anew for each question.
  let latest: string | undefined;
  const isOurs = (authority: string): boolean => {
    if (latest !== undefined && authority === latest) return true;
    const asked = hostOf(`http://${authority}`);
    if (asked === undefined || !ours.has(asked)) return false;
    latest = authority;
    return true;
  };
  return (request, response) => {
    const { origin, host: named = '' } = request.headers;
    if (origin === undefined && (takesAny || isOurs(request.authority === '' ? named : request.authority))) {
      handle(request, response);
      return;
    }
    response.writeHead(403, { 'content-type': 'text/plain' });
    response.end(
      'Cannot answer: only a Restate server is answered here, under the address it was registered with\n',
    );
  };
}

function hostOf(address: string): string | undefined {
  try {
    return new URL(address).hostname;
  } catch {
    return undefined;
  }
}

/** An empty list would let everybody in: the SDK asks for no signature then. */
function refuseNoKeys(keys: readonly string[] | undefined): void {
  if (keys === undefined) return;
  const wrong = keys.findIndex((key) => typeof key !== 'string' || !key.startsWith('publickeyv1_'));
  if (keys.length > 0 && wrong < 0) return;
  const what = keys.length === 0 ? 'an empty list of identityKeys' : `identityKeys[${wrong}]`;
  throw new InvalidArgumentError(
    `Cannot serve with ${what}: nobody's signature would be checked`,
    'give the public keys of your servers, publickeyv1_…, or leave identityKeys out',
  );
}

function refuseTwins(agents: readonly Agent<never, unknown>[]): void {
  if (agents.length === 0)
    throw new InvalidArgumentError('Cannot serve an empty list of agents', 'give at least one');
  const names = new Set<string>();
  for (const agent of new Set(agents)) {
    refuseShared(agent);
    const name = serviceFor(agent);
    if (names.has(name))
      throw new InvalidArgumentError(
        `Cannot serve two agents named "${agent.name}" with the same plan`,
        'rename one, or leave it out',
      );
    names.add(name);
  }
}

/**
 * Tells the server where a worker is; it asks the worker what it serves. Once a release, after the worker has started.
 *
 * @throws EngineUnreachableError when the server has not answered for 10 s, and an error with its answer when it cannot reach the
 * worker.
 */
export async function register(admin: string, uri: string): Promise<void> {
  await registerAt(admin, uri);
}

async function registerAt(admin: string, uri: string, signal?: AbortSignal): Promise<Registered> {
  const asked = { body: { uri, force: true }, ...(signal !== undefined && { signal }) };
  const answer = (await ingressOf([admin], REGISTER_MS).request('/deployments', asked)) as {
    readonly id: string;
    readonly services: readonly { readonly name: string }[];
  };
  return { id: answer.id, services: answer.services.map(({ name }) => name) };
}

function closing(server: Http2Server): () => Promise<void> {
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
      for (const session of sessions) session.destroy();
    });
}

/** What `Promise.withResolvers` gives. */
interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
}

/** Gives Node 20 the `Promise.withResolvers` that it lacks and that the SDK of Restate calls from 1.14.2 on, when it carries out a call. */
function addResolvers(): void {
  const target = Promise as unknown as { withResolvers?: <T>() => Resolvers<T> };
  target.withResolvers ??= <T>(): Resolvers<T> => {
    let resolve!: Resolvers<T>['resolve'];
    let reject!: Resolvers<T>['reject'];
    const promise = new Promise<T>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    return { promise, resolve, reject };
  };
}
