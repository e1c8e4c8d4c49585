import type { RunEvent } from '../../lib/model/event';
import { reduceRunAll } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';
import type { StepTable } from '../../lib/model/stepTable';
import type { Ingress } from './ingress';
import { handlerPath } from './ingress';
import { lifeOf } from './names';
import type { EventsReply, EventsRequest, Part } from './protocol';

/** What is known of the steps below a step: from earlier lives, and from earlier calls of this one. */
export async function nestedSoFar(
  ingress: Ingress,
  name: string,
  key: string,
  path: string,
  known: StepTable | undefined,
): Promise<StepTable | undefined> {
  const parts: Part[] = [];
  for (let from = 0; ;) {
    const request: EventsRequest = { from: Number.MAX_SAFE_INTEGER, parts: from, waitMs: 0 };
    const reply = (await ingress.request(handlerPath(name, key, 'events'), { body: request })) as EventsReply;
    parts.push(...reply.parts);
    if (reply.nextParts === from) break;
    from = reply.nextParts;
  }
  return withNested(lifeOf(key).runId, known, parts, path);
}

/** The table after what was told of steps that functions asked for. */
export function withNested(
  runId: string,
  table: StepTable | undefined,
  parts: readonly Part[],
  below?: string,
): StepTable | undefined {
  const events: RunEvent[] = [];
  for (const part of parts) {
    if (!('key' in part) || !part.key.startsWith('n:')) continue;
    if (below === undefined || part.under.path === below) events.push(part.event);
  }
  if (events.length === 0) return table;
  const base = { ...idleState(runId, '', []), status: 'RUNNING' as const, ...(table && { steps: table }) };
  return reduceRunAll(base, events).steps;
}
