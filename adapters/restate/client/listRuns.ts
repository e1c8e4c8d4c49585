import type { RunSummary } from '../../../lib/store/store';
import type { Ingress } from '../protocol/ingress';
import { IngressError, workflowPath } from '../protocol/ingress';
import type { LifeResult } from '../protocol/protocol';
import { agentOf, keyOf, lifeOf, servicesNamed, versionOf } from '../protocol/serviceNames';
import { query, sqlText } from './askAdmin';
import type { EngineContext } from './engineContext';

/** A run as it stands in a list. */
export interface ServedRunSummary extends RunSummary {
  /** The version of its definition, as a worker serves it: two of them may each have a run of one id. */
  readonly version: string;
}

/** The runs that the server knows and that fit, newest first, each with its latest life. */
export async function listRuns(
  context: EngineContext,
  admin: Ingress,
  name: string | undefined,
  limit: number,
  fits: (run: RunSummary) => boolean = () => true,
): Promise<readonly ServedRunSummary[]> {
  const summaries = new Map<string, ServedRunSummary>();
  const fitting: ServedRunSummary[] = [];
  for await (const row of invocations(admin, name, Math.min(1_000, Math.max(2, Math.trunc(limit) * 2)))) {
    const service = String(row['target_service_name']);
    const agent = agentOf(service);
    // LIKE takes the _ of an encoded name for any character.
    if (agent === undefined || (name !== undefined && agent !== name)) continue;
    const { runId, life } = lifeOf(String(row['target_service_key']));
    const known = summaries.get(`${service} ${runId}`);
    if (known === undefined && fitting.length >= limit) break;
    if (known !== undefined && known.life >= life) continue;
    const isEnded = row['status'] === 'completed';
    const result = isEnded ? await endedResult(context, service, keyOf(runId, life)) : undefined;
    if (result === 'gone') continue;
    const end = result?.events.at(-1);
    const summary: ServedRunSummary = {
      runId,
      name: agent,
      version: versionOf(service),
      status: result?.goesOn === true ? 'RUNNING' : (result?.status ?? (isEnded ? 'FAILED' : 'RUNNING')),
      startedAt: millis(row['created_at']),
      life,
      ...(isEnded && result?.goesOn !== true && { endedAt: millis(row['completed_at']) }),
      ...(end?.type === 'run.failed' && end.error.path !== undefined && { failedStep: end.error.path }),
      // Its questions have no ids here.
      waiting: end?.type === 'run.suspended' ? end.waiting.map((path) => ({ path, asking: '' })) : [],
    };
    summaries.set(`${service} ${runId}`, summary);
    const place = known === undefined ? -1 : fitting.indexOf(known);
    if (place !== -1) fitting.splice(place, 1, ...(fits(summary) ? [summary] : []));
    else if (fits(summary)) fitting.push(summary);
  }
  return fitting;
}

/** The lives of runs, newest first, a page at a time: a run may have had many. */
async function* invocations(
  admin: Ingress,
  name: string | undefined,
  page: number,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const services = sqlText(name === undefined ? 'millrace.' : servicesNamed(name));
  for (let offset = 0; ; offset += page) {
    const rows = await query(
      admin,
      `select target_service_name, target_service_key, status, created_at, completed_at from sys_invocation where target_service_name like '${services}%' and target_handler_name = 'run' order by created_at desc, id limit ${page} offset ${offset}`,
    );
    yield* rows;
    if (rows.length < page) return;
  }
}

/** What a gateway answers to a question that it does not hand on. */
const REFUSALS = new Set([401, 403, 407, 429]);

/** How a life has ended; undefined where it has broken, so that nothing says how. */
async function endedResult(
  { ingress }: EngineContext,
  service: string,
  key: string,
): Promise<LifeResult | 'gone' | undefined> {
  try {
    return (await ingress.request(workflowPath(service, key, 'output'))) as LifeResult;
  } catch (error) {
    if (!(error instanceof IngressError) || REFUSALS.has(error.status)) throw error;
    // It ended after the list was made and is kept no longer, or no worker serves it any more; else its handler failed.
    return error.status === 404 ? 'gone' : undefined;
  }
}

function millis(text: unknown): number {
  return typeof text === 'string' ? Date.parse(text) : 0;
}
