import type { RunEvent } from '../../lib/model/event';
import { eventSize } from './eventSize';
import { BATCH_BYTES } from './limits';

/** The events of a life that nobody has been told, and about how large they are. */
export interface HeldEvents {
  /** Index of the first of them. */
  from(): number;
  /** About how many bytes they take. */
  bytes(): number;
  /** Takes the first of them, as many as a message carries well. */
  take(): readonly RunEvent[];
}

/**
 * Keeps account of which events of a life still have to be told.
 *
 * @param events - All events of the life; it grows.
 */
export function heldEvents(events: readonly RunEvent[]): HeldEvents {
  const sizes: number[] = [];
  let from = 0;
  let bytes = 0;

  const measure = (): void => {
    for (let i = sizes.length; i < events.length; i += 1) {
      const size = eventSize(events[i] as RunEvent);
      sizes.push(size);
      bytes += size;
    }
  };

  return {
    from: () => from,
    bytes() {
      measure();
      return bytes;
    },
    take() {
      measure();
      const first = from;
      for (let size = 0; from < events.length && (from === first || size < BATCH_BYTES); from += 1) {
        size += sizes[from] ?? 0;
        bytes -= sizes[from] ?? 0;
      }
      return events.slice(first, from);
    },
  };
}
