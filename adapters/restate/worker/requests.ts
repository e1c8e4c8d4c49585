import { TerminalError } from '@restatedev/restate-sdk';
import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { explain } from '../../../lib/codec/validate';
import type { KeptAnswer } from '../../../lib/store/answerCache';
import type {
  CancelRequest,
  EventsRequest,
  GivenAnswer,
  PublishRequest,
  SideEvent,
  StartRequest,
  TextRequest,
} from '../protocol/protocol';
import { keyOf } from '../protocol/serviceNames';
import { HOLD_MS } from '../protocol/wireLimits';

/** An error of whoever asks: the server repeats no such request. */
class BadRequestError extends TerminalError {
  constructor(handler: string, sentences: readonly string[]) {
    super(`Cannot take what was sent to "${handler}": ${sentences.slice(0, 3).join('; ')}`, {
      errorCode: 400,
    });
  }
}

/**
 * Takes the body of a request, which anybody may have sent.
 *
 * @throws TerminalError with status 400 that says what is wrong with it.
 */
function accept<A>(codec: t.Type<A>, body: unknown, handler: string): A {
  const decoded = codec.decode(body);
  if (isLeft(decoded)) throw new BadRequestError(handler, explain(decoded.left));
  return decoded.right;
}

const Position = t.refinement(t.number, (n) => Number.isSafeInteger(n) && n >= 0, 'a position');
const Life = t.refinement(t.number, (n) => Number.isSafeInteger(n) && n > 0, 'a number of a life');
const Millis = t.refinement(t.number, (n) => Number.isFinite(n) && n >= 0, 'milliseconds');
const Value = t.record(t.string, t.unknown);

const Start = t.intersection([
  t.type({
    runId: t.string,
    life: Life,
    at: Millis,
    onMismatch: t.union([t.literal('refuse'), t.literal('actual')]),
  }),
  t.partial({
    input: t.unknown,
    isCancelled: t.boolean,
    isLeft: t.boolean,
    reason: t.string,
    isAnew: t.boolean,
    incarnation: t.string,
    secret: t.string,
    seed: t.unknown,
  }),
]);

const Answer = t.intersection([
  t.type({ path: t.string }),
  t.partial({ value: t.unknown, asking: t.string, incarnation: t.string, at: Millis }),
]);

const Events = t.type({ from: Position, parts: Position, waitMs: Millis });

const Cancel = t.intersection([t.type({ isAsked: t.boolean }), t.partial({ reason: t.string })]);

const Kept = t.intersection([
  // Not t.partial alone, which takes lists too.
  Value,
  t.partial({
    kept: t.array(t.unknown),
    doneBy: t.string,
    madeBy: t.string,
    expiresAt: Millis,
  }),
]);

/** An answer to remember for other runs. */
export function acceptKept(body: unknown): KeptAnswer {
  return accept(Kept, body, 'keep') as unknown as KeptAnswer;
}

/** The beginning of a life; its key says which. */
export function acceptStart(body: unknown, key: string): StartRequest {
  const request = accept(Start, body, 'run');
  if (keyOf(request.runId, request.life) !== key) {
    throw new BadRequestError('run', [
      `life ${request.life} of run "${request.runId}" has another key than "${key}"`,
    ]);
  }
  return request;
}

/** An answer for a step that waits. */
export function acceptAnswer(body: unknown): GivenAnswer {
  return accept(Answer, body, 'answer');
}

/** A question for events; held open for no longer than the server holds one. */
export function acceptEvents(body: unknown): EventsRequest {
  const request = accept(Events, body, 'events');
  return { ...request, waitMs: Math.min(request.waitMs, HOLD_MS) };
}

export function acceptCancel(body: unknown): CancelRequest {
  return accept(Cancel, body, 'cancel');
}

/** The position of one of the texts of a state. */
export function acceptIndex(body: unknown): { readonly index: number } {
  return accept(t.type({ index: Position }), body, 'text');
}

/** Which piece of an event that no message carries. */
export function acceptText(body: unknown): TextRequest {
  return accept(t.type({ position: Position, index: Position }), body, 'text');
}

const Batch = t.type({ hint: Position, parts: t.array(Value), secret: t.string });

/** Side events: looked at only so far that whoever reads them finds events. */
export function acceptBatch(body: unknown): PublishRequest {
  const { hint, parts, secret } = accept(Batch, body, 'tell');
  const wrong = parts.findIndex((part) => !isSideEvent(part));
  if (wrong >= 0) throw new BadRequestError('tell', [`.parts[${wrong}] is not an event`]);
  return { hint, secret, parts: parts as unknown as readonly SideEvent[] };
}

function isSideEvent({ event, index, key, under }: Readonly<Record<string, unknown>>): boolean {
  if (!Value.is(event) || typeof event['type'] !== 'string') return false;
  if (index !== undefined) return Position.is(index);
  return typeof key === 'string' && Value.is(under) && typeof under['path'] === 'string';
}
