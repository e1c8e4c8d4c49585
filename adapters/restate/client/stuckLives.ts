import type { Ingress } from '../protocol/ingress';
import { query, sqlText } from './askAdmin';

/** Why the server cannot bring a life on, as its admin says. */
export interface LifeTrouble {
  readonly id: string;
  readonly status: string;
  readonly failure?: string;
  /** Its journal does not fit the code that is served now: no attempt at it can succeed. */
  readonly isMisfit: boolean;
}

/** What Restate calls a journal that does not fit. */
const MISFIT = 'RT0016';

/** How a life stands; undefined for an unknown one. */
export async function lifeTrouble(
  admin: Ingress,
  service: string,
  key: string,
): Promise<LifeTrouble | undefined> {
  const [row] = await query(
    admin,
    `select id, status, last_failure, last_failure_error_code from sys_invocation where target_service_name = '${sqlText(service)}' and target_service_key = '${sqlText(key)}' and target_handler_name = 'run'`,
  );
  return row && troubleIn(row);
}

/** How all lives of a service stand that are under way, by their keys. */
export async function standingsOf(
  admin: Ingress,
  service: string,
): Promise<ReadonlyMap<string, LifeTrouble>> {
  const rows = await query(
    admin,
    `select target_service_key, id, status, last_failure, last_failure_error_code from sys_invocation where target_service_name = '${sqlText(service)}' and target_handler_name = 'run' and status <> 'completed'`,
  );
  return new Map(rows.map((row) => [String(row['target_service_key']), troubleIn(row)]));
}

function troubleIn(row: Readonly<Record<string, unknown>>): LifeTrouble {
  const [failure, status] = [row['last_failure'], String(row['status'])];
  const isStuck = status === 'backing-off' || status === 'paused';
  return {
    id: String(row['id']),
    status,
    isMisfit: isStuck && row['last_failure_error_code'] === MISFIT,
    ...(isStuck && typeof failure === 'string' && { failure }),
  };
}

/** The keys of the lives of a service whose journals do not fit the code that is served now. */
export async function misfitsOf(admin: Ingress, service: string): Promise<readonly string[]> {
  const rows = await query(
    admin,
    `select target_service_key from sys_invocation where target_service_name = '${sqlText(service)}' and target_handler_name = 'run' and status in ('backing-off', 'paused') and last_failure_error_code = '${MISFIT}'`,
  );
  return rows.map((row) => String(row['target_service_key']));
}

/** Ends a life where it stands. What it has told stays readable. */
export async function killLife(admin: Ingress, id: string): Promise<void> {
  await admin.request(`/invocations/${id}/kill`, { method: 'PATCH' });
}
