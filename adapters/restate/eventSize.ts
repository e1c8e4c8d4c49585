import type { RunEvent } from '../../lib/model/event';
import type { Seeded } from './protocol';

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
