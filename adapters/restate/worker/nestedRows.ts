import type { WorkflowSharedContext } from '@restatedev/restate-sdk';

import type { RunEvent } from '../../../lib/model/event';
import { reduceRunAll } from '../../../lib/model/reduce';
import { idleState } from '../../../lib/model/state';
import type { StepTable } from '../../../lib/model/stepTable';
import type { Ingress } from '../protocol/ingress';
import { handlerPath } from '../protocol/ingress';
import type { EventsReply, EventsRequest, SideEvent } from '../protocol/protocol';
import { lifeOf } from '../protocol/serviceNames';

/** What is known of the steps below a step: from earlier lives, and from earlier calls of this one. */
export async function nestedSoFar(
  ingress: Ingress,
  name: string,
  key: string,
  path: string,
  known: StepTable | undefined,
): Promise<StepTable | undefined> {
  const parts: SideEvent[] = [];
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
  parts: readonly SideEvent[],
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

/** Everything told of steps that functions have asked for in a life. */
export async function readNested(context: WorkflowSharedContext): Promise<readonly SideEvent[]> {
  const parts: SideEvent[] = [];
  for (let i = 0; ; i += 1) {
    const batch = await context.promise<readonly SideEvent[]>(`p:${i}`).peek();
    if (batch === undefined) return parts;
    parts.push(...batch.filter((part) => 'key' in part && part.key.startsWith('n:')));
  }
}
