import type { RunEvent } from '../../../lib/model/event';
import type { Seeded, WireEvent } from '../protocol/protocol';
import { BATCH_BYTES, LARGEST_CHUNK } from '../protocol/wireLimits';

/** The events of a life that nobody has been told, and about how large they are. */
export interface EventBatcher {
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
export function eventBatcher(events: readonly RunEvent[]): EventBatcher {
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

/** Whether an event may be more than a message carries: a function's results are not, what a structure makes of them may be. */
export function isLarge(event: RunEvent): boolean {
  return eventSize(event) > 2 * LARGEST_CHUNK;
}

/** About how many bytes an event takes. By type, because most have none of the properties that may be large. */
export function eventSize(event: RunEvent): number {
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
      return SMALL + sizeIn(event.input);
    case 'run.resumed':
      return SMALL + sizeIn(event.input) + sizeIn((event as Seeded).seed);
    case 'step.suspended':
      return SMALL + sizeIn(event.request);
    case 'step.logged':
      return SMALL + event.message.length + sizeIn(event.data);
    case 'step.failed':
    case 'step.retrying':
    case 'run.failed':
      return SMALL + event.error.message.length;
    case 'run.cancelled':
      return SMALL + (event.error?.message.length ?? 0);
    default:
      return SMALL;
  }
}

function sizeIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  return typeof value === 'object' && value !== null ? JSON.stringify(value).length : 0;
}

/** Most events carry little more than their names. */
const SMALL = 200;

/**
 * An event without what whoever follows the run knows: a third less to send. What is `undefined` is not sent, and to copy
 * an event and set it takes a fraction of what leaving it out takes.
 */
export function slimEvent(event: RunEvent): WireEvent {
  const told = { ...event, runId: undefined, seq: undefined };
  return (event.type === 'run.started' ? { ...told, plan: undefined } : told) as WireEvent;
}
