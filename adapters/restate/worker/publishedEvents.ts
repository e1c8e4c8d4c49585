import type { WorkflowSharedContext } from '@restatedev/restate-sdk';
import { CancelledError, RestatePromise, TerminalError } from '@restatedev/restate-sdk';

import type {
  EventsReply,
  EventsRequest,
  PublishRequest,
  SideEvent,
  TextRequest,
} from '../protocol/protocol';
import { LARGEST_MESSAGE } from '../protocol/wireLimits';

/** Answers with what was told of a life from a position on; waits for it, if asked to. */
export async function readPublished(
  context: WorkflowSharedContext,
  request: EventsRequest,
): Promise<EventsReply> {
  const events: EventsReply['events'][number][] = [];
  const parts: SideEvent[] = [];
  let nextFrom = request.from;
  let nextParts = request.parts;

  if (request.waitMs > 0) {
    await RestatePromise.race([
      context.promise(`ev:${nextFrom}`).get(),
      context.promise(`p:${nextParts}`).get(),
      context.sleep(request.waitMs),
    ]);
  }
  // Events first: every part that was told before an event seen here is then seen too.
  let eventsSize = 0;
  while (eventsSize < LARGEST_MESSAGE / 8) {
    const batch = await context.promise<EventsReply['events']>(`ev:${nextFrom}`).peek();
    if (batch === undefined) break;
    events.push(...batch);
    nextFrom += batch.length;
    eventsSize += JSON.stringify(batch).length;
  }
  let partsSize = 0;
  let isMore = true;
  for (; partsSize < LARGEST_MESSAGE / 4; nextParts += 1) {
    const batch = await context.promise<readonly SideEvent[]>(`p:${nextParts}`).peek();
    if (batch === undefined) {
      isMore = false;
      break;
    }
    parts.push(...batch);
    partsSize += JSON.stringify(batch).length;
  }
  // Whoever hears an event has heard the parts before it: where those do not fit into this answer, the events go into the next.
  const isForNext = parts.length > 0 && (isMore || eventsSize + partsSize > LARGEST_MESSAGE / 2);
  return isForNext
    ? { events: [], parts, nextFrom: request.from, nextParts }
    : { events, parts, nextFrom, nextParts };
}

/** The name of the durable promise with a piece of an event that no message carries. */
export function pieceName(position: number, index: number): string {
  return `ev:${position}:${index}`;
}

/** Answers with such a piece; an empty one where there is none. */
export async function readPiece(
  context: WorkflowSharedContext,
  { position, index }: TextRequest,
): Promise<string> {
  return (await context.promise<string>(pieceName(position, index)).peek()) ?? '';
}

/**
 * Tells parts of a life, beside its journal. Gives a position from which on there may be room.
 *
 * @throws TerminalError with status 409 once the life is over.
 */
export async function publishBatch(
  context: WorkflowSharedContext,
  { hint, parts }: PublishRequest,
): Promise<number> {
  for (let position = hint; ; position += 1) {
    if (await resolveOnce(context, `p:${position}`, parts)) return position + 1;
    const others = await context.promise<readonly SideEvent[]>(`p:${position}`).peek();
    if (others?.length === 0)
      throw new TerminalError('The life is over: nothing more is told of it', { errorCode: 409 });
  }
}

/** Resolves a durable promise; false when somebody else has done so before. */
export async function resolveOnce(
  context: WorkflowSharedContext,
  name: string,
  value: unknown,
): Promise<boolean> {
  const promise = context.promise(name);
  if ((await promise.peek()) !== undefined) return false;
  try {
    await promise.resolve(value);
    return true;
  } catch (error) {
    if (error instanceof CancelledError || !(error instanceof TerminalError)) throw error;
    return false;
  }
}
