import { query, sqlText } from '../client/askAdmin';
import type { Ingress } from '../protocol/ingress';

/** Where a worker is registered. */
export interface Registered {
  /** The id of the address with the server. */
  readonly id: string;
  /** The services that it serves there. */
  readonly services: readonly string[];
}

/** What Restate calls an address at which nobody answers. */
const UNREACHABLE = 'RT0010';
/** So many attempts in vain show that it is not about to come back. */
const ATTEMPTS = 3;
const AT_ONCE = 200;

/**
 * Takes over what the server cannot bring on because nobody answers at the address of another worker: that one has gone, or has come
 * back on another port. What it served comes here then, also what has not begun, and what still sleeps.
 *
 * @returns The addresses that nobody answers at any more.
 */
export async function takeOver(
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
  const left: string[] = [];
  for (const deployment of dead) {
    const address = await addressOf(admin, deployment);
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

async function addressOf(
  admin: Ingress,
  deployment: string,
): Promise<{ readonly uri: string; readonly services: readonly string[] } | undefined> {
  const answer = (await admin.request('/deployments')) as {
    readonly deployments: readonly {
      readonly id: string;
      readonly uri?: string;
      readonly services: readonly { readonly name: string }[];
    }[];
  };
  const found = answer.deployments.find(({ id }) => id === deployment);
  return found?.uri === undefined
    ? undefined
    : { uri: found.uri, services: found.services.map(({ name }) => name) };
}

function isSame(one: string, other: string): boolean {
  return one.replace(/\/+$/, '') === other.replace(/\/+$/, '');
}
