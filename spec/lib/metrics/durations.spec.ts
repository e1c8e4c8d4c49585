import fc from 'fast-check';
import { mean, quantile, sampleStandardDeviation } from 'simple-statistics';

import { createDurations } from '../../../lib/metrics/durations';

const seconds = fc.array(fc.double({ min: 0.000_001, max: 100_000, noNaN: true }), {
  minLength: 2,
  maxLength: 300,
});

describe('createDurations()', () => {
  it('agrees with exact statistics', () => {
    fc.assert(
      fc.property(seconds, (values) => {
        const durations = createDurations();
        for (const value of values) durations.record(value);
        const stats = durations.stats();
        const scale = Math.max(...values);
        expect(stats.avgDuration / scale).toBeCloseTo(mean(values) / scale, 9);
        expect(stats.stdevDuration / scale).toBeCloseTo(sampleStandardDeviation(values) / scale, 6);
        expect(stats.minDuration).toBe(Math.min(...values));
        expect(stats.maxDuration).toBe(scale);
      }),
      { seed: 1 },
    );
  });

  it('gives percentiles within 1 % of a value that so many lie below', () => {
    fc.assert(
      fc.property(seconds, (values) => {
        const durations = createDurations();
        for (const value of values) durations.record(value);
        const sorted = [...values].sort((a, b) => a - b);
        const { p50, p95, p99 } = durations.stats();
        for (const [percent, estimate] of [
          [50, p50],
          [95, p95],
          [99, p99],
        ] as const) {
          const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? 0;
          expect(Math.abs(estimate - exact)).toBeLessThanOrEqual(exact * 0.0101);
        }
      }),
      { seed: 2 },
    );
    expect(quantile([1, 2, 3], 0.5)).toBe(2);
  });

  it('goes on from what was saved as if nothing had happened', () => {
    fc.assert(
      fc.property(seconds, seconds, (before, after) => {
        const whole = createDurations();
        for (const value of [...before, ...after]) whole.record(value);
        const first = createDurations();
        for (const value of before) first.record(value);
        const second = createDurations(
          JSON.parse(JSON.stringify(first.save())) as ReturnType<typeof first.save>,
        );
        for (const value of after) second.record(value);
        expect(second.stats()).toEqual(whole.stats());
        expect(second.save()).toEqual(whole.save());
      }),
      { seed: 3 },
    );
  });

  it('takes what is no duration for 0, and anything for one up to 30 years', () => {
    const durations = createDurations();
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY, 0]) durations.record(value);
    expect(durations.stats()).toMatchObject({ avgDuration: 0, maxDuration: 0, p99: 0 });
    durations.record(1e9);
    expect(durations.stats().p99).toBeCloseTo(1e9, -7);
  });

  it('stays small', () => {
    const durations = createDurations();
    for (let i = 0; i < 100_000; i += 1) durations.record(10 ** ((i % 1_300) / 100 - 6));
    expect(JSON.stringify(durations.save()).length).toBeLessThan(20_000);
  });
});
