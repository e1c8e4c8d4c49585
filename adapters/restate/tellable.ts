import type { RunEvent } from '../../lib/model/event';
import { cutText } from './cutText';
import { BATCH_BYTES, LARGEST_VALUE } from './limits';

/**
 * An event of a call in the form in which another process can be told: with the details of a log entry made, and without
 * those that JSON cannot carry. Undefined for a partial result that JSON cannot carry, or no message.
 */
export function tellable(event: RunEvent): RunEvent | undefined {
  if (event.type === 'step.emitted') return isTellable(event.value) ? event : undefined;
  if (event.type !== 'step.logged') return event;
  const { data, ...entry } = event;
  const details = detailsOf(data);
  return {
    ...entry,
    message: cutText(event.message, BATCH_BYTES),
    ...(details !== undefined && isTellable(details) && { data: details }),
  };
}

function detailsOf(data: object | (() => object) | undefined): object | undefined {
  try {
    return typeof data === 'function' ? (data as () => object)() : data;
  } catch {
    return undefined;
  }
}

function isTellable(value: unknown): boolean {
  try {
    return JSON.stringify([value]).length <= LARGEST_VALUE;
  } catch {
    return false;
  }
}
