import { MillraceError, toFailure } from '../lib/model/failure';

/** In one order of events a workflow does what it must not. */
export class InterleavingError extends MillraceError {
  override readonly name = 'InterleavingError';
  readonly code = 'INTERLEAVING';
  /** `explore(workflow, { seeds: [seed] })` goes through the same order again. */
  readonly seed: number;
  /** In which order answers were handed on. */
  readonly order: readonly string[];

  constructor(agentName: string, seed: number, order: readonly string[], cause: unknown) {
    super(
      `Seed ${String(seed)} breaks "${agentName}": ${toFailure(cause).message}\n  order: ${order.join(', ')}\n  again: explore(…, { seeds: [${String(seed)}] })`,
      'go through the same order again, and mend what it shows',
      { cause, tellsNext: false },
    );
    this.seed = seed;
    this.order = order;
  }
}

/** There are no events of this run: it was not run with a store of `recordingStore()`. */
export class RunNotRecordedError extends MillraceError {
  override readonly name = 'RunNotRecordedError';
  readonly code = 'RUN_NOT_RECORDED';
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot tell where run "${runId}" could have crashed: none of its events went through this store`,
      'run it with recordingStore(store) first',
    );
    this.runId = runId;
  }
}

/** There is no step at a path at which an agent is to be replaced. */
export class UnknownPathError extends MillraceError {
  override readonly name = 'UnknownPathError';
  readonly code = 'UNKNOWN_PATH';
  /** The path. */
  readonly path: string;
  /** Paths that there are, the nearest first. */
  readonly near: readonly string[];

  constructor(agent: string, path: string, known: readonly string[]) {
    const near = nearest(path, known);
    super(
      `Cannot replace "${path}" in "${agent}": no run has such a step; ${there(near)}`,
      'give the path without the brackets of items and rounds: pages/ocr for pages[3]/ocr',
    );
    this.path = path;
    this.near = near.paths;
  }
}

/** Paths that there are, those first that are like a path that there is not. */
export interface Nearest {
  readonly paths: readonly string[];
  /** Whether the path may be a misspelling of them. */
  readonly areLike: boolean;
}

/** The paths that may be meant by one that there is not, at most five. */
export function nearest(path: string, known: readonly string[]): Nearest {
  const byDistance = known
    .map((other) => ({ other, distance: distanceBetween(path, other) }))
    .sort((a, b) => a.distance - b.distance);
  const like = byDistance.filter(({ distance }) => distance <= Math.max(2, path.length / 4));
  const areLike = like.length > 0;
  return { paths: (areLike ? like : byDistance).slice(0, 5).map(({ other }) => other), areLike };
}

/** The same in words. */
export function there({ paths, areLike }: Nearest): string {
  if (paths.length === 0) return 'it has no steps';
  return `${areLike ? 'near it:' : 'there are'} ${paths.join(', ')}`;
}

/** How many letters have to be put in, taken out, changed, or swapped with the next one (Damerau, 1964; adjacent letters only). */
function distanceBetween(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, index) => index)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= one.length; i += 1) {
    rows[i] = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const cost = one[i - 1] === other[j - 1] ? 0 : 1;
      let least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost);
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
        least = Math.min(least, at(i - 2, j - 2) + 1);
      (rows[i] as number[])[j] = least;
    }
  }
  return at(one.length, other.length);
}
