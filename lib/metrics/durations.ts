import type { SavedSketch } from './sketch';
import { createSketch } from './sketch';

/** How long things took, in seconds: bounded in size however many there were. */
export interface Durations {
  /** Takes one more duration in seconds; what is not a number, or below zero, counts as 0, and 10^9 (31 years) is the most. */
  record(seconds: number): void;
  /** The numbers so far. */
  stats(): DurationStats;
  /** Everything known, as plain JSON. */
  save(): SavedDurations;
}

/** What can be said about durations, in seconds; zeros when there were none. */
export interface DurationStats {
  /** Mean, in seconds. */
  readonly avgDuration: number;
  /** Shortest, in seconds. */
  readonly minDuration: number;
  /** Longest, in seconds. */
  readonly maxDuration: number;
  /** Sum, in seconds. */
  readonly totalDuration: number;
  /** Standard deviation of the sample (n - 1); 0 below two durations. */
  readonly stdevDuration: number;
  /** Median, within 1 %. */
  readonly p50: number;
  /** 95 of 100 took no longer, within 1 %. */
  readonly p95: number;
  /** 99 of 100 took no longer, within 1 %. */
  readonly p99: number;
}

/** Durations as plain JSON. */
export interface SavedDurations {
  /** How many there were. */
  readonly count: number;
  /** Mean, in seconds. */
  readonly mean: number;
  /** Sum of the squared distances from the mean. */
  readonly m2: number;
  /** Shortest, in seconds. */
  readonly min: number;
  /** Longest, in seconds. */
  readonly max: number;
  /** Sum, in seconds. */
  readonly total: number;
  /** The histogram. */
  readonly sketch: SavedSketch;
  /** The latest 40, oldest first; absent in what an older release saved. */
  readonly recent?: readonly number[] | undefined;
}

/** So many of the latest durations are kept as they were. */
export const MOST_RECENT = 40;

const none: SavedDurations = { count: 0, mean: 0, m2: 0, min: 0, max: 0, total: 0, sketch: [] };

const LONGEST = 1e9;

/** What can be added up and squared without leaving the numbers that JSON knows. */
export function boundedSeconds(value: number): number {
  return value > 0 && Number.isFinite(value) ? Math.min(value, LONGEST) : 0;
}

/**
 * Folds durations into streaming moments (Welford, "Note on a Method for Calculating Corrected Sums of Squares and
 * Products", Technometrics 4, 1962) and a sketch of their percentiles.
 *
 * It changes in place: a fold over records would copy the sketch for every duration.
 */
export function createDurations(saved: SavedDurations = none): Durations {
  const sketch = createSketch(saved.sketch);
  let { count, mean, m2, min, max, total } = saved;
  const recent = [...(saved.recent ?? [])];
  let known: DurationStats | undefined;

  return {
    record(value) {
      const seconds = boundedSeconds(value);
      known = undefined;
      count += 1;
      const distance = seconds - mean;
      mean += distance / count;
      m2 += distance * (seconds - mean);
      min = count === 1 ? seconds : Math.min(min, seconds);
      max = Math.max(max, seconds);
      total += seconds;
      sketch.add(seconds);
      recent.push(seconds);
      if (recent.length > MOST_RECENT) recent.shift();
    },
    stats() {
      if (known !== undefined) return known;
      // A bucket's value may lie outside of what there was.
      const [p50 = 0, p95 = 0, p99 = 0] = sketch
        .percentiles([50, 95, 99])
        .map((value) => Math.min(max, Math.max(min, value)));
      known = {
        avgDuration: mean,
        minDuration: min,
        maxDuration: max,
        totalDuration: total,
        stdevDuration: count < 2 ? 0 : Math.sqrt(m2 / (count - 1)),
        p50,
        p95,
        p99,
      };
      return known;
    },
    save: () => ({
      ...{ count, mean, m2, min, max, total, sketch: sketch.save() },
      ...(recent.length > 0 && { recent: [...recent] }),
    }),
  };
}
