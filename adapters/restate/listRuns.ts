import type { RunSummary } from '../../lib/store/store';
import { query, sqlText } from './adminQuery';
import type { EngineContext } from './engineContext';
import type { Ingress } from './ingress';
import { workflowPath } from './ingress';
import { agentOf, keyOf, lifeOf, servicesNamed } from './names';
import type { LifeResult } from './protocol';

/** The runs that the server knows, newest first, each with its latest life. */
export async function listRuns(
  context: EngineContext,
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
  { ingress }: EngineContext,
  service: string,
  key: string,
): Promise<LifeResult | undefined> {
  try {
    return (await ingress.request(workflowPath(service, key, 'output'))) as LifeResult;
  } catch {
    return undefined;
  }
}

function millis(text: unknown): number {
  return typeof text === 'string' ? Date.parse(text) : 0;
}
