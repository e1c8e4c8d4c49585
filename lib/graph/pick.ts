import type { Resolved, Source, Wire } from './wire';
import { wireOf } from './wire';

/**
 * A source seen through a function: `pick(report, (r) => r.title)`.
 *
 * The function must be pure: it is called again when a run is resumed. When it throws, the step that reads it fails.
 */
export function pick<S extends Source, U>(source: S, project: (value: Resolved<S>) => U): Wire<U> {
  return wireOf({ kind: 'pick', of: source, project: project as unknown as (value: never) => unknown });
}
