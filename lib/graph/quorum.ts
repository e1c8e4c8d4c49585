import type { Resolved, Source, Wire } from './wire';
import { wireOf } from './wire';

/**
 * Waits until `count` of these sources have completed and gives their outputs, in the order of the sources.
 *
 * The others go on, and the run waits for them. When too many have failed, the step that reads the quorum cannot run.
 */
export function quorum<S extends readonly Source[] | Readonly<Record<string, Source>>>(
  count: number,
  sources: S,
): Wire<readonly Resolved<S[keyof S & (S extends readonly unknown[] ? number : keyof S)]>[]> {
  return wireOf({ kind: 'quorum', of: sources, count });
}
