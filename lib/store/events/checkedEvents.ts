import { typeName } from '../../codec/typeName';
import { InvalidArgumentError } from '../../model/failure';
import type { EventsOptions } from '../store';

/** Throws for an unknown value: a typo must not silently keep less. @throws InvalidArgumentError */
export function checkKeptEvents(events: unknown): void {
  if (events === 'journaled' || events === 'all' || events === 'none') return;
  throw new InvalidArgumentError(
    `Cannot make a store that keeps the events ${typeof events === 'string' ? `"${events}"` : typeName(events)}`,
    "give 'journaled', 'all' or 'none'",
  );
}

/** What was asked for, if it can be. @throws InvalidArgumentError */
export function checkedEvents({ after = 0, live = false }: EventsOptions = {}): Required<EventsOptions> {
  if (Number.isSafeInteger(after) && after >= 0) return { after, live };
  throw new InvalidArgumentError(
    `Cannot read events after ${String(after)}`,
    'give the offset of an event, or 0 for all of them',
  );
}
