import { jsonValue } from '../../../lib/codec/jsonValue';
import { StateValueError } from '../../../lib/errors/runErrors';
import type { RunEvent } from '../../../lib/model/event';
import type { CallEvent, CallId, GivenAnswer, SideEvent } from './protocol';
import { cutFailure, cutText } from './wireFailure';
import { BATCH_BYTES, DEEPEST_MESSAGE, LARGEST_ANSWERS, LARGEST_CHUNK, LARGEST_VALUE } from './wireLimits';

/** Tells the attempts at steps from each other. */
export function callText({ path, attempt }: Pick<CallId, 'path' | 'attempt'>): string {
  return `${attempt} ${path}`;
}

/** What the keys of events of nested steps begin with. */
export const NESTED = 'n:';

/** Whether this was told of a step that a function has asked for. */
export function isOfNested(part: SideEvent): part is CallEvent {
  return 'key' in part && part.key.startsWith(NESTED);
}

/** How many bytes a value takes as JSON; none where it is `undefined`. */
export function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}

/** As many of these answers, from the first on, as one message carries beside the rest of what is kept of a run. */
export function asManyAsFit(answers: readonly GivenAnswer[]): readonly GivenAnswer[] {
  let bytes = 0;
  return answers.filter((given) => (bytes += jsonBytes(given)) <= LARGEST_ANSWERS);
}

/** A text in pieces that a message carries each. */
export function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length;) {
    // Not between the two halves of a character.
    const isSplit = /[\uD800-\uDBFF]/.test(text[from + LARGEST_CHUNK - 1] ?? '');
    const to = from + LARGEST_CHUNK - (isSplit ? 1 : 0);
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}

/**
 * An event of a call in the form in which another process can be told: with the details of a log entry made, and without
 * those that JSON cannot carry. Undefined for a partial result that JSON cannot carry, or no message.
 */
export function toWire(event: RunEvent): RunEvent | undefined {
  if (event.type === 'step.emitted') return fitsTheWire(event.value) ? event : undefined;
  if (event.type === 'step.failed' || event.type === 'step.retrying')
    return { ...event, error: cutFailure(event.error) };
  if (event.type !== 'step.logged') return event;
  const { data, ...entry } = event;
  const details = detailsOf(data);
  return {
    ...entry,
    message: cutText(event.message, BATCH_BYTES),
    ...(details !== undefined && fitsTheWire(details) && { data: details }),
  };
}

function detailsOf(data: object | (() => object) | undefined): object | undefined {
  try {
    return typeof data === 'function' ? (data as () => object)() : data;
  } catch {
    return undefined;
  }
}

function fitsTheWire(value: unknown): boolean {
  try {
    const text = JSON.stringify([value]);
    return text.length <= LARGEST_VALUE && !isDeeper(text, DEEPEST_MESSAGE - LEVELS_AROUND);
  } catch {
    return false;
  }
}

/** How many levels of a message stand around a value in it, at most. */
const LEVELS_AROUND = 16;

/** Whether a JSON text has more than so many arrays and objects inside one another; as far as to its first mistake, if it has any. */
export function isDeeper(text: string, most: number): boolean {
  // Each level has a character of its own: most requests are too short.
  if (text.length <= most) return false;
  let depth = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (isQuoted) {
      if (code === BACKSLASH) i += 1;
      else if (code === QUOTE) isQuoted = false;
    } else if (code === QUOTE) isQuoted = true;
    else if (code === BRACKET || code === BRACE) {
      depth += 1;
      if (depth > most) return true;
    } else if (code === BRACKET_END || code === BRACE_END) depth -= 1;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const BRACE = 0x7b;
const BRACE_END = 0x7d;

/** The partial results of one call that are kept with its answer. */
export interface KeptPartials {
  readonly values: readonly unknown[];
  /**
   * Takes one more, and gives it in the form in which it is kept.
   *
   * @throws StateValueError when it cannot be kept, or all of them together are too large.
   */
  add(value: unknown): unknown;
}

/** @param path - Path of the step that gives them. */
export function keptPartials(path: string): KeptPartials {
  const values: unknown[] = [];
  let bytes = 0;
  return {
    values,
    add(value) {
      const kept = jsonValue(value, path, { bytes: LARGEST_VALUE });
      bytes += jsonBytes(kept);
      if (bytes > LARGEST_VALUE) {
        const why = `larger than ${LARGEST_VALUE} bytes together with the partial results before it, which another step reads`;
        throw new StateValueError(path, '', why);
      }
      values.push(kept);
      return kept;
    },
  };
}
