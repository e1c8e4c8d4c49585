import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import { query, sqlText } from './adminQuery';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import type { Ingress } from './ingress';
import { pause } from './pause';
import { RunStalledError } from './runStalledError';

const CHECK_MS = 3_000;

/** Fails when no worker begins a run within the patience, and tells why a run does not move. Otherwise never resolves. */
export async function stalled(
  context: EngineContext,
  agent: Agent<never, unknown>,
  { runId, key }: { readonly runId: string; readonly key: string },
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
