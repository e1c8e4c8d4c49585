import { jsonValue } from '../../../lib/codec/jsonValue';
import { StateValueError } from '../../../lib/errors/runErrors';
import type { RunEvent } from '../../../lib/model/event';
import type { CallId } from './protocol';
import { cutFailure, cutText } from './wireFailure';
import { BATCH_BYTES, LARGEST_CHUNK, LARGEST_VALUE } from './wireLimits';

/** Tells the attempts at steps from each other. */
export function callText({ path, attempt }: Pick<CallId, 'path' | 'attempt'>): string {
  return `${attempt} ${path}`;
}

/** How many bytes a value takes as JSON; none where it is `undefined`. */
export function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
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
    return JSON.stringify([value]).length <= LARGEST_VALUE;
  } catch {
    return false;
  }
}

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
