import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import { query, sqlText } from './adminQuery';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import type { Ingress } from './ingress';
import { pause } from './pause';
import { RunStalledError } from './runStalledError';

const CHECK_MS = 3_000;
const NO_ANSWER = 'no worker has answered';

/** What is known of a life by following it. */
export interface Signs {
  readonly isBegun: () => boolean;
  /** Whether a worker has answered within the patience, the last time that one was asked. */
  readonly isAnswered: () => boolean;
}

/**
 * Fails when no worker begins a run within the patience, and tells why a run does not move. Otherwise never resolves.
 *
 * Only the admin knows why. Without it nothing is told but that no worker answers: a step may take as long as it likes.
 */
export async function stalled(
  context: EngineContext,
  agent: Agent<never, unknown>,
  { runId, key }: { readonly runId: string; readonly key: string },
  { isBegun, isAnswered }: Signs,
  signal: AbortSignal,
  warn: (reason: string) => void,
): Promise<never> {
  const since = asyncScheduler.now();
  let latest = '';
  for (;;) {
    await pause(CHECK_MS, signal);
    if (signal.aborted) return new Promise<never>(() => undefined);
    const waited = asyncScheduler.now() - since;
    const trouble = await troubleOf(context.admin, serviceFor(agent), key);
    if (!isBegun()) {
      if (waited >= context.patienceMs) throw new RunStalledError(runId, waited, trouble ?? NO_ANSWER);
      continue;
    }
    const reason = trouble === undefined ? undefined : `The run does not move: ${trouble}`;
    const notice = reason ?? (isAnswered() ? undefined : `It is not known how the run stands: ${NO_ANSWER}`);
    if (notice === undefined || notice === latest) continue;
    latest = notice;
    warn(notice);
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
    // An admin that is away, or a gateway before it that refuses: only the reason is lost, and it is asked for again.
    return undefined;
  }
}
