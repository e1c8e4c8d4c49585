import { jsonValue, readableText } from '../../codec/jsonValue';
import { typeName } from '../../codec/typeName';
import type { RunEvent, StepEmitted, StepLogged } from '../../model/event';
import type { Failure } from '../../model/failure';
import { InvalidArgumentError } from '../../model/failure';
import { secrecyOf } from '../../model/secrets/secretNames';
import { hideSecrets } from '../../model/secrets/secretTexts';
import { tidy } from '../../model/secrets/tidy';
import type { EventsOptions } from '../store';

/**
 * The event as it is kept: an error tells where it was thrown, if this is the step that threw it. What the state makes of it is
 * the same.
 */
export function keptForm(event: RunEvent): RunEvent {
  if (event.type !== 'step.failed' && event.type !== 'step.retrying' && event.type !== 'run.failed')
    return event;
  const { error } = event;
  const isOrigin = event.type === 'run.failed' ? error.path === undefined : error.path === event.path;
  return isOrigin ? { ...event, error: withStacks(error) } : event;
}

/** The failure with the stacks that it holds back from JSON. */
export function withStacks(failure: Failure): Failure {
  const { stack, cause, errors } = failure;
  return {
    ...failure,
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined ? {} : { cause: withStacks(cause) }),
    ...(errors === undefined ? {} : { errors: errors.map(withStacks) }),
  };
}

/**
 * What is kept of a log line or a partial result, as JSON text; undefined for a partial result that is no JSON. Details of a
 * line are kept without secrets; those that a function makes only from INFO on, because making them costs.
 */
export function sideText(event: StepLogged | StepEmitted): string | undefined {
  if (event.type === 'step.emitted') {
    try {
      return JSON.stringify({ ...event, value: jsonValue(event.value, event.path) });
    } catch {
      return undefined; // Only steps that are read live must give JSON.
    }
  }
  const { data, ...line } = event;
  const isSkipped = data === undefined || (typeof data === 'function' && event.level === 'DEBUG');
  const details = isSkipped ? undefined : tidy(resolved(data), secrecyOf);
  return readableText({
    ...line,
    message: hideSecrets(event.message).slice(0, LONGEST_MESSAGE),
    ...(details !== undefined && { data: details }),
  });
}

const LONGEST_MESSAGE = 32_768;

function resolved(data: object | (() => object)): unknown {
  if (typeof data !== 'function') return data;
  try {
    return (data as () => unknown)();
  } catch (error) {
    return { unreadable: error };
  }
}

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
