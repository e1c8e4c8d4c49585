import type { WorkflowSharedContext } from '@restatedev/restate-sdk';

import type { RunEvent } from '../../../lib/model/event';
import { reduceRunAll } from '../../../lib/model/reduce';
import { idleState } from '../../../lib/model/state';
import { isWithin } from '../../../lib/model/stepPath';
import { StepTable } from '../../../lib/model/stepTable';
import type { Ingress } from '../protocol/ingress';
import { handlerPath } from '../protocol/ingress';
import type {
  CallEvent,
  CallId,
  EventsReply,
  EventsRequest,
  SealedParts,
  SideEvent,
} from '../protocol/protocol';
import { lifeOf } from '../protocol/serviceNames';
import { callText, isOfNested } from '../protocol/wireEvent';
import { resolveOnce } from './publishedEvents';

type Call = Pick<CallId, 'path' | 'attempt'>;

/**
 * What is known of the steps below a call: from earlier lives, and from earlier executions of it in this life.
 *
 * @param known - The steps by the journal, which has those of earlier lives.
 */
export async function nestedSoFar(
  ingress: Ingress,
  name: string,
  key: string,
  call: Call,
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
  return withNested(lifeOf(key).runId, known, call, parts);
}

/** The table after what was told of the steps below a call. What has failed in an earlier attempt of it is tried again. */
function withNested(
  runId: string,
  table: StepTable | undefined,
  { path, attempt }: Call,
  parts: readonly SideEvent[],
): StepTable | undefined {
  const own = nestedIn(parts).filter(({ under }) => under.path === path);
  if (own.length === 0) return table;
  const earlier = eventsOf(own.filter(({ under }) => under.attempt < attempt));
  const error = { name: 'Error', message: 'another attempt', retryable: true };
  const base = { ...idleState(runId, '', []), status: 'RUNNING' as const, steps: table ?? StepTable.of() };
  const before = reduceRunAll(base, earlier);
  const reset = failedIn(earlier, before.steps);
  return reduceRunAll(before, [
    { type: 'step.retrying', runId, seq: 0, at: 0, path: '', agent: '', attempt, error, delayMs: 0, reset },
    ...eventsOf(own.filter(({ under }) => under.attempt >= attempt)),
  ]).steps;
}

/** Paths of steps whose failure another attempt of their call opens: not that of one within a step that has completed. */
function failedIn(events: readonly RunEvent[], rows: StepTable): readonly string[] {
  let failed: string[] = [];
  for (const event of events) {
    if (event.type === 'step.failed') failed.push(event.path);
    if (event.type !== 'step.completed') continue;
    const { path } = event;
    failed = failed.filter((other) => !isWithin(other, path, rows));
  }
  return failed;
}

/** The events of a life with what was told of nested steps where it belongs: behind the start of the call that asked for them. */
export function withNestedEvents(
  events: readonly RunEvent[],
  parts: readonly SideEvent[],
): readonly RunEvent[] {
  const told = new Map<string, CallEvent[]>();
  for (const part of nestedIn(parts)) {
    const others = told.get(callText(part.under));
    if (others === undefined) told.set(callText(part.under), [part]);
    else others.push(part);
  }
  return events.flatMap((event) =>
    event.type === 'step.started' ? [event, ...eventsOf(told.get(callText(event)) ?? [])] : [event],
  );
}

/** What was told of steps that functions asked for, each fact once. */
function nestedIn(parts: readonly SideEvent[]): readonly CallEvent[] {
  const heard = new Set<string>();
  return parts.filter(isOfNested).filter((part) => {
    if (heard.has(part.key)) return false;
    heard.add(part.key);
    return true;
  });
}

function eventsOf(parts: readonly CallEvent[]): readonly RunEvent[] {
  return parts.map(({ event }) => event);
}

/**
 * Ends what is told beside the journal of a life: the next life would not know of anything later, and followers would. Gives how many
 * batches there are, and what they tell of steps that functions have asked for.
 */
export async function sealNested(context: WorkflowSharedContext): Promise<SealedParts> {
  const nested: SideEvent[] = [];
  for (let i = 0; ;) {
    const batch = await context.promise<readonly SideEvent[]>(`p:${i}`).peek();
    if (batch === undefined) {
      // Where a batch has come in between, it is read too.
      if (await resolveOnce(context, `p:${i}`, SEALED)) return { batches: i, nested };
    } else if (batch.length === 0) return { batches: i, nested };
    else {
      nested.push(...batch.filter(isOfNested));
      i += 1;
    }
  }
}

/** Stands behind the last batch: none that is told is empty. */
const SEALED: readonly SideEvent[] = [];
