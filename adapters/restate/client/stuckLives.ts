import { asyncScheduler } from 'rxjs';

import type { Ingress } from '../protocol/ingress';
import { IngressError } from '../protocol/ingress';
import { EngineUnreachableError, RequestTimeoutError } from '../restateErrors';
import { query, sqlText } from './askAdmin';

/** Why the server cannot bring a life on, as its admin says. */
export interface LifeTrouble {
  readonly id: string;
  readonly status: string;
  readonly failure?: string;
  /** Its journal does not fit the code that is served now: no attempt at it can succeed. */
  readonly isMisfit: boolean;
}

/** Status of a life that the server is to begin later. */
export const SCHEDULED = 'scheduled';

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

/** The lives of a service that do not go on by themselves, by their keys. */
export interface LostLives {
  /** Their journals do not fit the code that is served now. */
  readonly misfits: readonly string[];
  /** They were killed, and the server is not about to forget them. */
  readonly killed: readonly string[];
}

/** Finds them. */
export async function lostLives(admin: Ingress, service: string): Promise<LostLives> {
  const rows = await query(
    admin,
    `select target_service_key, status, completed_at, completion_retention from sys_invocation where target_service_name = '${sqlText(service)}' and target_handler_name = 'run' and ((status in ('backing-off', 'paused') and last_failure_error_code = '${MISFIT}') or (status = 'completed' and completion_failure = '${KILLED}'))`,
  );
  const keysOf = (isOf: (row: (typeof rows)[number]) => boolean): readonly string[] =>
    rows.filter(isOf).map((row) => String(row['target_service_key']));
  return {
    misfits: keysOf(({ status }) => status !== 'completed'),
    killed: keysOf((row) => row['status'] === 'completed' && !isPastRetention(row)),
  };
}

/** What Restate says of an invocation that was killed. */
const KILLED = '[409] killed';

/** Another life of the same run may have been forgotten before it. */
function isPastRetention(row: Readonly<Record<string, unknown>>): boolean {
  const keptMs = isoDurationMs(String(row['completion_retention']));
  return Date.parse(String(row['completed_at'])) + keptMs <= asyncScheduler.now();
}

/**
 * Milliseconds of a duration as ISO 8601 writes it: `PT86400S`, `PT25H1M1.5S`, `P1DT2H`. 0 for any other text, and for months and years,
 * which are of no one length.
 */
function isoDurationMs(text: string): number {
  const [, ...amounts]: readonly (string | undefined)[] = ISO_DURATION.exec(text) ?? [];
  return amounts.reduce(
    (ms, amount = '0', index) => ms + Number(amount.replace(',', '.')) * (UNITS_MS[index] ?? 0),
    0,
  );
}

const AMOUNT = '(\\d+(?:[.,]\\d+)?)';
const ISO_DURATION = new RegExp(
  `^P(?:${AMOUNT}W)?(?:${AMOUNT}D)?(?:T(?:${AMOUNT}H)?(?:${AMOUNT}M)?(?:${AMOUNT}S)?)?$`,
  'i',
);
/** Of weeks, days, hours, minutes and seconds. */
const UNITS_MS = [604_800_000, 86_400_000, 3_600_000, 60_000, 1_000];

/**
 * Ends a life where it stands. What it has told stays readable.
 *
 * @throws EngineUnreachableError when the admin does not say in time that it has.
 */
export function killLife(admin: Ingress, id: string): Promise<void> {
  return change(admin, `/invocations/${id}/kill`);
}

/** Has the admin change something. One that never answers keeps nobody waiting. */
async function change(admin: Ingress, path: string): Promise<void> {
  try {
    await admin.request(path, { method: 'PATCH', timeoutMs: ANSWER_MS });
  } catch (error) {
    if (!(error instanceof RequestTimeoutError)) throw error;
    throw new EngineUnreachableError([new URL(error.url).origin], error.limitMs, error);
  }
}

const ANSWER_MS = 30_000;

/**
 * Takes back a life that the server is to begin later: nothing is left of it. False when it is about to begin, or has, because it would
 * stop then without having undone anything.
 */
export async function takeBack(admin: Ingress, id: string): Promise<boolean> {
  // Version 1.7.12 of the server knows when a life is to begin only where it is asked, too, since when it is scheduled.
  const rows = await query(
    admin,
    `select id from sys_invocation where id = '${id}' and status = '${SCHEDULED}' and scheduled_at is not null and scheduled_start_at > now() + interval '${SOON_S} seconds'`,
  );
  if (rows.length === 0) return false;
  try {
    await change(admin, `/invocations/${id}/cancel`);
    return true;
  } catch (error) {
    // It has gone meanwhile: whoever asks once more finds out how.
    if (error instanceof IngressError && error.status === 404) return false;
    throw error;
  }
}

/** So much earlier, in seconds, than a life is to begin it can be taken back. */
const SOON_S = 2;
