import type { OperatorFunction } from 'rxjs';
import { filter, map } from 'rxjs';

import type { Transition } from '../../lib/model/event';

/** A partial result: a token, a percentage, one value of a stream. */
export interface PartialResult<T> {
  readonly runId: string;
  /** Place of the step that gave it. */
  readonly path: string;
  /** Number of the attempt that gave it: partial results of another attempt begin anew. */
  readonly attempt: number;
  /** Counts the partial results of this attempt from 0. */
  readonly index: number;
  readonly value: T;
}

/**
 * The partial results of a run while it is under way: of all steps, of the step at this path, or of those that `of` accepts.
 *
 * They come as their steps give them; `for await` over `paced(…)` slows down the steps that return an iterable. A step that is tried again begins anew with the next `attempt`; a step that an
 * earlier life has finished gives none. The stream ends and errors as the run does.
 *
 * @example
 * ```ts
 * run(report, 'book.txt').pipe(partials<string>('write')).subscribe(({ value }) => process.stdout.write(value));
 * ```
 */
export function partials<T = unknown>(
  of?: string | ((path: string) => boolean),
): OperatorFunction<Transition, PartialResult<T>> {
  const isWanted = typeof of === 'function' ? of : (path: string) => of === undefined || path === of;
  return (transitions) =>
    transitions.pipe(
      map(({ event }) => event),
      filter((event) => event.type === 'step.emitted' && isWanted(event.path)),
      map((event) => {
        const { runId, path, attempt, index, value } = event as Extract<
          typeof event,
          { type: 'step.emitted' }
        >;
        return { runId, path, attempt, index, value: value as T };
      }),
    );
}
