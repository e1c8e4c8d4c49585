import { asyncScheduler } from 'rxjs';

import { UnknownRunError } from '../../../lib/errors/storageErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { Ingress } from '../protocol/ingress';
import { handlerPath, IngressError } from '../protocol/ingress';
import { pause } from '../protocol/pause';
import type { EventsReply, EventsRequest, TextRequest, WireEvent } from '../protocol/protocol';
import { lifeOf } from '../protocol/serviceNames';
import { WorkerUnreachableError } from '../restateErrors';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import type { Follower } from './follower';
import { isNotServed, notServed } from './notServed';

/** Positions from which on a life has not been read. */
export interface Cursor {
  from: number;
  parts: number;
}

/** What was told, with every event whole. */
export interface WholeReply extends EventsReply {
  readonly events: readonly WireEvent[];
}

/** Takes in what the server has answered, and moves on. */
export function takeReply<O>(follow: Follower<O>, cursor: Cursor, reply: WholeReply): void {
  follow.parts(reply.parts);
  follow.events(cursor.from, reply.events);
  cursor.from = reply.nextFrom;
  cursor.parts = reply.nextParts;
}

const AGAIN_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const ANSWER_MS = 5_000;

/**
 * Reads all that was told of a life, as many messages as that takes.
 *
 * @param upTo - Positions that there are in any case; without them it reads until nothing comes.
 * @param waitMs - How long to wait for the first of it, in milliseconds.
 * @throws UnknownRunError when the server does not keep the life any more.
 */
export async function readEvents<O>(
  context: EngineContext,
  life: { readonly agent: Agent<never, unknown>; readonly key: string; readonly signal: AbortSignal },
  follow: Follower<O>,
  cursor: Cursor,
  { upTo, waitMs = 0 }: { readonly upTo?: Readonly<Cursor>; readonly waitMs?: number },
): Promise<void> {
  const { agent, key, signal } = life;
  const until = asyncScheduler.now() + context.patienceMs;
  let request = { ...cursor, waitMs };
  while (upTo === undefined || cursor.parts < upTo.parts || cursor.from < upTo.from) {
    takeReply(follow, cursor, await askEvents(context, agent, key, request, signal));
    const isNothing = request.from === cursor.from && request.parts === cursor.parts;
    request = { ...cursor, waitMs: 0 };
    if (!isNothing) continue;
    if (upTo === undefined) return;
    if (asyncScheduler.now() >= until) throw new UnknownRunError(lifeOf(key).runId);
    await pause(AGAIN_MS, signal);
  }
}

/**
 * Asks for what was told of a life from these positions on, again while nobody has time to answer.
 *
 * @throws WorkerUnreachableError when nobody has had time within the patience.
 * @throws DefinitionNotServedError when no worker serves the version of the run.
 */
export async function askEvents(
  { ingress, admin, patienceMs }: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
  request: EventsRequest,
  signal: AbortSignal,
  answerMs = ANSWER_MS,
): Promise<WholeReply> {
  const path = handlerPath(serviceFor(agent), key, 'events');
  const until = asyncScheduler.now() + patienceMs;
  for (let pauseMs = AGAIN_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    try {
      const limits = { body: request, signal, timeoutMs: request.waitMs + answerMs };
      const reply = (await ingress.request(path, limits)) as EventsReply;
      return await withLarge(ingress, handlerPath(serviceFor(agent), key, 'text'), request, signal, reply);
    } catch (error) {
      if (error instanceof IngressError && isNotServed(error)) throw await notServed(agent, admin, error);
      // While a worker is replaced its answers take longer.
      if ((error as Error).name !== 'TimeoutError') throw error;
      if (asyncScheduler.now() >= until)
        throw new WorkerUnreachableError(lifeOf(key).runId, agent.name, patienceMs);
      // The server still keeps the question: to ask again at once makes a busy one busier.
      await pause(pauseMs, signal);
    }
  }
}

/** The reply with the events in it that no message carries, read a piece at a time. */
async function withLarge(
  ingress: Ingress,
  path: string,
  { from }: EventsRequest,
  signal: AbortSignal,
  reply: EventsReply,
): Promise<WholeReply> {
  const events: WireEvent[] = [];
  for (const [offset, event] of reply.events.entries()) {
    if (event.type !== 'large') {
      events.push(event);
      continue;
    }
    let text = '';
    for (let index = 0; index < event.texts; index += 1) {
      const body: TextRequest = { position: from + offset, index };
      text += (await ingress.request(path, { body, signal })) as string;
    }
    events.push(JSON.parse(text) as WireEvent);
  }
  return { ...reply, events };
}
