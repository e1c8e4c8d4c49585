import type { RunEvent } from '../../lib/model/event';
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
      const size = sizeOf(events[i] as RunEvent);
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

/** Most events carry little more than their names. By type, because most have none of the properties that may be large. */
function sizeOf(event: RunEvent): number {
  switch (event.type) {
    case 'step.completed':
      return SMALL + sizeIn(event.output) + sizeIn(event.kept);
    case 'step.skipped':
    case 'run.completed':
      return SMALL + sizeIn(event.output);
    case 'step.emitted':
    case 'step.answered':
      return SMALL + sizeIn(event.value);
    case 'run.started':
    case 'run.resumed':
      return SMALL + sizeIn(event.input);
    case 'step.suspended':
      return SMALL + sizeIn(event.request);
    case 'step.logged':
      return SMALL + event.message.length + sizeIn(event.data);
    default:
      return SMALL;
  }
}

function sizeIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  return typeof value === 'object' && value !== null ? JSON.stringify(value).length : 0;
}

const SMALL = 200;
