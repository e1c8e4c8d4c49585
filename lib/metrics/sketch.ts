/** How often each bucket was hit; bucket `i` holds values in (G^(i-1), G^i]. */
export type SavedSketch = readonly (readonly [bucket: number, count: number])[];

/** A histogram that answers percentiles within 1 % of the true value and never grows beyond some 1,600 buckets. */
export interface Sketch {
  /** Takes one more value; what is below a millionth counts as zero. */
  add(value: number): void;
  /** The values below which these percentages lie, ascending; zeros when there were no values. */
  percentiles(ascending: readonly number[]): number[];
  save(): SavedSketch;
}

const ACCURACY = 0.01;
const GROWTH = Math.log((1 + ACCURACY) / (1 - ACCURACY));
const SMALLEST = 1e-6;
const LARGEST = 1e9;
/** Below the bucket of `SMALLEST`. */
const ZERO = -1_000;

/**
 * The DDSketch of Masson, Rim and Lee ("DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees", VLDB 2019).
 *
 * Not an HDR histogram: this one needs no package, saves as readable JSON and only stores buckets that were hit.
 */
export function createSketch(saved: SavedSketch = []): Sketch {
  const counts = new Map(saved);
  let total = saved.reduce((sum, [, count]) => sum + count, 0);
  let ascending: number[] | undefined;
  const buckets = (): readonly number[] => (ascending ??= [...counts.keys()].sort((a, b) => a - b));

  return {
    add(value) {
      const bucket = value < SMALLEST ? ZERO : Math.ceil(Math.log(Math.min(value, LARGEST)) / GROWTH);
      const count = counts.get(bucket);
      if (count === undefined) ascending = undefined;
      counts.set(bucket, (count ?? 0) + 1);
      total += 1;
    },
    percentiles(percents) {
      const sorted = buckets();
      let position = 0;
      let below = 0;
      return percents.map((percent) => {
        // Nearest rank: the smallest value with at least this share of all values at or below it.
        const rank = Math.max(1, Math.ceil((percent / 100) * total));
        for (; position < sorted.length; position += 1) {
          const count = counts.get(sorted[position] ?? ZERO) ?? 0;
          if (below + count >= rank) break;
          below += count;
        }
        return valueOf(sorted[position] ?? ZERO);
      });
    },
    save: () => buckets().map((bucket) => [bucket, counts.get(bucket) ?? 0]),
  };
}

/** The value that is off by the same share from both ends of the bucket. */
function valueOf(bucket: number): number {
  return bucket === ZERO ? 0 : (2 * Math.exp(bucket * GROWTH)) / (Math.exp(GROWTH) + 1);
}
