import type { Serde } from '@restatedev/restate-sdk';
import { serde, TerminalError } from '@restatedev/restate-sdk';
import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { jsonValue } from '../../../lib/codec/jsonValue';
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
import { isDeeper } from '../protocol/wireEvent';
import { cutText } from '../protocol/wireFailure';
import {
  DEEPEST_MESSAGE,
  HOLD_MS,
  LARGEST_MESSAGE,
  LARGEST_VALUE,
  LONGEST_TEXT,
} from '../protocol/wireLimits';

/** An error of whoever asks: the server repeats no such request. */
class BadRequestError extends TerminalError {
  constructor(handler: string, sentences: readonly string[]) {
    super(`Cannot take what was sent to "${handler}": ${sentences.slice(0, 3).join('; ')}`, {
      errorCode: 400,
    });
  }
}

/**
 * Reads the body of a request, which anybody may have sent. One that is too large or too deep is refused before it is parsed: it could
 * not be written down again, and the server would repeat the request for ever.
 *
 * @param mostBytes - Left out for what only the server limits.
 */
function bodyOf<T>(mostBytes = Infinity): Serde<T> {
  return {
    contentType: 'application/json',
    serialize: (value) => serde.json.serialize(value),
    deserialize(bytes) {
      if (bytes.length > mostBytes) throw new RangeError(`it is larger than ${mostBytes} bytes`);
      if (bytes.length === 0) return undefined as T;
      const text = new TextDecoder().decode(bytes);
      if (isDeeper(text, DEEPEST_MESSAGE))
        throw new RangeError(`it is nested deeper than ${DEEPEST_MESSAGE}`);
      return JSON.parse(text) as T;
    },
  };
}

/** Room for what stands beside a value, such as a path. */
const BESIDE = 1024 * 1024;

/** How the body of each handler is read. */
export const BODY = {
  start: bodyOf<StartRequest>(),
  answer: bodyOf<GivenAnswer>(LARGEST_VALUE + BESIDE),
  events: bodyOf<EventsRequest>(BESIDE),
  text: bodyOf<TextRequest>(BESIDE),
  cancel: bodyOf<CancelRequest>(BESIDE),
  publish: bodyOf<PublishRequest>(LARGEST_MESSAGE),
  keep: bodyOf<KeptAnswer>(LARGEST_MESSAGE),
  none: bodyOf<unknown>(BESIDE),
};

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

/**
 * Refuses a value that whoever sends it by `run()` or `answer()` could not have sent.
 *
 * @throws TerminalError with status 400
 */
function refuseOdd(value: unknown, path: string, handler: string): void {
  try {
    jsonValue(value, path, { bytes: LARGEST_VALUE });
  } catch (error) {
    throw new BadRequestError(handler, [(error as Error).message]);
  }
}

const Position = t.refinement(t.number, (n) => Number.isSafeInteger(n) && n >= 0, 'a position');
const Life = t.refinement(t.number, (n) => Number.isSafeInteger(n) && n > 0, 'a number of a life');
const Millis = t.refinement(t.number, (n) => Number.isFinite(n) && n >= 0, 'milliseconds');
const Name = t.refinement(t.string, ({ length }) => length <= 256, 'a text of at most 256 characters');
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
    incarnation: Name,
    secret: Name,
    seed: t.unknown,
  }),
]);

const Answer = t.intersection([
  t.type({ path: t.string }),
  t.partial({ value: t.unknown, asking: t.string, incarnation: Name, at: Millis }),
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
  refuseOdd(request.input, '', 'run');
  return { ...request, ...cutReason(request) };
}

/** Why somebody wants an end, no longer than the message of an error. */
function cutReason({ reason }: Pick<CancelRequest, 'reason'>): Pick<CancelRequest, 'reason'> {
  return reason === undefined ? {} : { reason: cutText(reason, LONGEST_TEXT) };
}

/** An answer for a step that waits. */
export function acceptAnswer(body: unknown): GivenAnswer {
  const given = accept(Answer, body, 'answer');
  refuseOdd(given.value, given.path, 'answer');
  return given;
}

/** A question for events; held open for no longer than the server holds one. */
export function acceptEvents(body: unknown): EventsRequest {
  const request = accept(Events, body, 'events');
  return { ...request, waitMs: Math.min(request.waitMs, HOLD_MS) };
}

export function acceptCancel(body: unknown): CancelRequest {
  const request = accept(Cancel, body, 'cancel');
  return { ...request, ...cutReason(request) };
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
