import type { Agent } from '../../../lib/model/agentType';
import { toFailure } from '../../../lib/model/failure';
import { query, readAdmin, sqlText } from '../client/askAdmin';
import { restateEngine } from '../client/restateEngine';
import type { Ingress } from '../protocol/ingress';
import { ingressOf } from '../protocol/ingress';
import { lostRuns } from './recovery/lostRuns';

const LOOK_MS = 5_000;
/** So long one answer of the admin may take. */
const ANSWER_MS = 30_000;

/** What Restate calls an address at which nobody answers. */
const UNREACHABLE = 'RT0010';
/** So many attempts in vain show that it is not about to come back. */
const ATTEMPTS = 3;
const AT_ONCE = 200;

/** Where a worker is registered. */
export interface Registered {
  /** The id of the address with the server. */
  readonly id: string;
  /** The services that it serves there. */
  readonly services: readonly string[];
}

/** What has to be kept going, and for whom. */
export interface Keeping {
  /** Whose runs are carried out here. */
  readonly agents: readonly Agent<never, unknown>[];
  readonly addresses: readonly string[];
  readonly admin: string;
  /** Where the server reaches this worker. */
  readonly uri: string;
  /** Tells the server where it is; absent where somebody else does, who then sees to it that somebody answers there. */
  readonly register?: (admin: string, uri: string, signal?: AbortSignal) => Promise<Registered>;
}

/**
 * Registers a worker, and looks, now and then, for what the server cannot bring on by itself, also when nobody watches: calls of
 * workers at whose address nobody answers, which come here, and lives whose journals do not fit the code that is served now, because
 * it was replaced while they were under way. Each of those is ended, and another life goes on from what it had told. An admin that
 * cannot be asked twice in a row is one warning, until it answers again. Returns how to stop looking: a look that is under way is broken
 * off, and nothing more is asked once that has resolved.
 */
export async function keepRunsGoing(keeping: Keeping): Promise<() => Promise<void>> {
  const { agents, addresses, uri, register } = keeping;
  const stopped = new AbortController();
  const { signal } = stopped;
  // In the place of the signals that are given: none of those is ever aborted.
  const untilStopped = (asked: Ingress): Ingress => ({
    request: (path, options) => asked.request(path, { timeoutMs: ANSWER_MS, ...options, signal }),
  });
  const admin = untilStopped(ingressOf([keeping.admin], LOOK_MS));
  const ingress = untilStopped(ingressOf(addresses, ANSWER_MS));
  const engine = restateEngine({ ingress: addresses, admin: keeping.admin, onUnsubscribe: 'detach' });
  let registered = await register?.(keeping.admin, uri);

  const lost = lostRuns({ agents, ingress, admin, engine, signal });
  const look = async (): Promise<void> => {
    if (registered !== undefined) {
      const left = await takeOver(admin, uri, registered, async () => {
        signal.throwIfAborted();
        registered = await register?.(keeping.admin, uri, signal);
      });
      for (const address of left)
        process.emitWarning(
          `Nobody answers at ${address} any more: what was served there comes to ${uri}`,
          'RestateWarning',
        );
    }
    await lost.goOn();
  };

  let inVain = 0;
  let timer: NodeJS.Timeout | undefined;
  let underWay: Promise<void> | undefined;
  const lookAndTell = async (): Promise<void> => {
    try {
      await look();
      inVain = 0;
    } catch (error) {
      inVain += 1;
      // Once is a matter of course while a server starts, or hands a partition over.
      if (signal.aborted || inVain !== 2) return;
      process.emitWarning(
        `Cannot look for runs that nobody brings on, and asks again every ${String(LOOK_MS / 1_000)} s: ${toFailure(error).message}`,
        'RestateWarning',
      );
    }
  };
  const next = (): void => {
    if (signal.aborted) return;
    timer = setTimeout(() => {
      underWay = lookAndTell().then(next);
    }, LOOK_MS).unref();
  };
  next();
  return async () => {
    clearTimeout(timer);
    stopped.abort();
    await underWay;
  };
}

/**
 * Takes over what the server cannot bring on because nobody answers at the address of another worker: that one has gone, or has come
 * back on another port. What it served comes here then, also what has not begun, and what still sleeps.
 *
 * @returns The addresses that nobody answers at any more.
 */
async function takeOver(
  admin: Ingress,
  uri: string,
  { id, services }: Registered,
  registerAgain: () => Promise<unknown>,
): Promise<readonly string[]> {
  const names = services.map((name) => `'${sqlText(name)}'`).join(', ');
  const rows = await query(
    admin,
    `select id, status, pinned_deployment_id, last_attempt_deployment_id from sys_invocation where status in ('backing-off', 'paused') and last_failure_error_code = '${UNREACHABLE}' and (retry_count >= ${ATTEMPTS} or status = 'paused') and target_service_name in (${names}) limit ${AT_ONCE}`,
  );
  const dead = new Set(rows.map((row) => String(row['last_attempt_deployment_id'])));
  if (dead.size === 0) return [];
  const known = await addressesOf(admin);
  const left: string[] = [];
  for (const deployment of dead) {
    const address = known.get(deployment);
    if (deployment === id || address === undefined || isSame(address.uri, uri)) continue;
    left.push(address.uri);
    const stuck = rows.filter((row) => row['last_attempt_deployment_id'] === deployment);
    const isAllOurs = address.services.every((name) => services.includes(name));
    if (isAllOurs) await admin.request(`/deployments/${deployment}`, { method: 'PATCH', body: { uri } });
    else await registerAgain();
    for (const row of stuck) {
      // What has not begun goes to whoever has registered last.
      const isKept = isAllOurs || typeof row['pinned_deployment_id'] !== 'string';
      await resume(admin, row, isKept ? undefined : id);
    }
  }
  return left;
}

/** Lets an invocation be tried again at once; at this address, where that has to be said. */
async function resume(
  admin: Ingress,
  row: Readonly<Record<string, unknown>>,
  deployment: string | undefined,
): Promise<void> {
  const path = `/invocations/${String(row['id'])}`;
  try {
    // One that is tried again and again keeps its address otherwise.
    if (deployment !== undefined && row['status'] !== 'paused')
      await admin.request(`${path}/pause`, { method: 'PATCH' });
    await admin.request(`${path}/resume${deployment === undefined ? '' : `?deployment=${deployment}`}`, {
      method: 'PATCH',
    });
  } catch {
    // It goes on by itself, or the next look finds it again: a pause takes a moment.
  }
}

interface Address {
  readonly uri: string;
  readonly services: readonly string[];
}

/** Where the workers are that were registered, by the ids of their addresses. */
async function addressesOf(admin: Ingress): Promise<ReadonlyMap<string, Address>> {
  const { deployments } = (await readAdmin(admin, '/deployments')) as {
    readonly deployments: readonly {
      readonly id: string;
      readonly uri?: string;
      readonly services: readonly { readonly name: string }[];
    }[];
  };
  return new Map(
    deployments.flatMap(({ id, uri, services }) =>
      uri === undefined ? [] : [[id, { uri, services: services.map(({ name }) => name) }] as const],
    ),
  );
}

function isSame(one: string, other: string): boolean {
  return one.replace(/\/+$/, '') === other.replace(/\/+$/, '');
}
