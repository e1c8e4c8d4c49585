import fc from 'fast-check';

import { backoff } from '../../../lib/model/backoff';
import { NonRetryableError, toFailure } from '../../../lib/model/failure';

const failure = toFailure(new Error('no'));

describe('backoff()', () => {
  it('doubles from attempt to attempt up to the longest wait', () => {
    const delayMs = backoff({ initialMs: 100, maxMs: 1_000, jitter: 0 });

    expect([1, 2, 3, 4, 5, 6].map((attempt) => delayMs(failure, attempt))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
  });

  it('leaves a part of each wait to a chance from outside', () => {
    const draws = [0, 0.5, 0.999];
    const delayMs = backoff({ initialMs: 1_000, factor: 1, jitter: 0.5, random: () => draws.shift() ?? 0 });

    expect([1, 2, 3].map((attempt) => delayMs(failure, attempt))).toEqual([1_000, 750, 500.5]);
  });

  it('stays a number within its bounds after any number of attempts', () => {
    fc.assert(
      fc.property(
        fc.record({
          initialMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
          factor: fc.double({ min: 1, max: 1e9, noNaN: true }),
          maxMs: fc.double({ min: 0, max: 1e12, noNaN: true }),
          jitter: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 1e6 }),
        (options, draw, attempt) => {
          const delayMs = backoff({ ...options, random: () => draw })(failure, attempt);
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(options.maxMs);
        },
      ),
    );
  });

  it('gives every attempt a delay that any scheduler can take, whatever its options', () => {
    const bound = (min: number, most: number) =>
      fc.oneof(fc.double({ min, max: most, noNaN: true }), fc.constantFrom(min, 1, Infinity));
    fc.assert(
      fc.property(
        fc.record(
          {
            initialMs: bound(0, Number.MAX_VALUE),
            factor: bound(1, Number.MAX_VALUE),
            maxMs: bound(0, Number.MAX_VALUE),
            jitter: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1)),
          },
          { requiredKeys: ['initialMs'] },
        ),
        fc.oneof(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.constant(0)),
        fc.integer({ min: 1, max: 5_000 }),
        (options, draw, attempt) => {
          const delayMs = backoff({ ...options, random: () => draw })(failure, attempt);
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(Math.min(options.maxMs ?? 60_000, 2 ** 31 - 1));
        },
      ),
    );
  });

  it('waits as long as a scheduler can after thousands of attempts without a longest wait', () => {
    const delaysMs = [0, 0.5, 1].map((jitter) =>
      backoff({ initialMs: 100, maxMs: Infinity, jitter, random: () => 0 })(failure, 5_000),
    );

    expect(delaysMs).toEqual([2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1]);
  });

  it('refuses numbers that make no sense', () => {
    expect(() => backoff({ initialMs: -1 })).toThrow(
      'Cannot make a backoff: initialMs is -1; give a number at least 0',
    );
    expect(() => backoff({ initialMs: 1, factor: 0.5 })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    expect(() => backoff({ initialMs: 1, jitter: 2 })).toThrow('jitter is 2; give a number from 0 to 1');
    expect(() => backoff({ initialMs: NaN })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('NonRetryableError', () => {
  it('says that trying again cannot help', () => {
    expect(toFailure(new NonRetryableError('malformed'))).toEqual({
      name: 'NonRetryableError',
      message: 'malformed',
      code: 'NOT_RETRYABLE',
      retryable: false,
    });
  });

  it('may be extended under another name', () => {
    class NoMoney extends NonRetryableError {
      override readonly name = 'NoMoney';
    }

    expect(toFailure(new NoMoney('0 left'))).toMatchObject({ name: 'NoMoney', retryable: false });
  });
});
