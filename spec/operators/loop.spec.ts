import { delay, EMPTY, lastValueFrom, NEVER, of, throwError, toArray } from 'rxjs';

import { agent, chain, execute, loop, memoryStore, run } from '../../index';
import { marbles } from '../support/marbles';

const double = agent('double', (n: number) => n * 2);
const above = (limit: number) => loop('above', double, { until: (n) => n > limit, max: 20 });

describe('loop()', () => {
  it('goes round until the output is good enough; every round is a step', async () => {
    const { output, steps } = await execute(chain('c', above(5)), 1);
    expect(output).toBe(8);
    expect([...steps].map(({ stepId, output: each }) => [stepId, each])).toEqual([
      ['above', 8],
      ['above[0]', 2],
      ['above[1]', 4],
      ['above[2]', 8],
    ]);
  });

  it('handles nothing, one and many in a pipe, and fails with its source', async () => {
    expect(await lastValueFrom(EMPTY.pipe(above(5), toArray()))).toEqual([]);
    expect(await lastValueFrom(of(1, 3).pipe(above(5), toArray()))).toEqual([8, 6]);
    await expect(lastValueFrom(throwError(() => new Error('torn')).pipe(above(5)))).rejects.toThrow('torn');
  });

  it('ends by name when the rounds are used up', async () => {
    const endless = loop('endless', double, { until: () => false, max: 3 });
    const { error, steps } = await execute(endless, 1);
    expect(error).toMatchObject({ name: 'LoopLimitError', retryable: false });
    expect(steps.size).toBe(3);
    expect(() => loop('l', double, { until: () => true, max: 0 })).toThrow('max is 0');
    expect(() => loop('l', double, { until: () => true, max: 1.5 })).toThrow('max is 1.5');
  });

  it('fails when until throws, and when a round fails', async () => {
    const throwing = loop('l', double, {
      until: () => {
        throw new Error('cannot judge');
      },
      max: 3,
    });
    expect((await execute(throwing, 1)).error?.message).toBe('cannot judge');
    const bad = agent('bad', (n: number): number => {
      if (n > 2) throw new Error('too much');
      return n + 1;
    });
    expect((await execute(loop('l', bad, { until: () => false, max: 9 }), 1)).error).toMatchObject({
      message: 'too much',
      path: '[2]',
    });
  });

  it('goes on with the round that failed; until is not asked about earlier rounds again', async () => {
    const store = memoryStore();
    const until = jest.fn((n: number) => n >= 4);
    const calls: number[] = [];
    let isBroken = true;
    const next = agent('next', (n: number) => {
      calls.push(n);
      if (n === 2 && isBroken) throw new Error('not yet');
      return n + 1;
    });
    const l = loop('l', next, { until, max: 9 });
    await execute(l, 0, { store, runId: 'r' });
    isBroken = false;
    expect((await execute(l, 0, { store, runId: 'r' })).output).toBe(4);
    expect(calls).toEqual([0, 1, 2, 2, 3]);
    expect(until.mock.calls.map(([n]) => n)).toEqual([1, 2, 3, 4]);
  });

  it(
    'takes the time of its rounds, and stops when the subscriber leaves',
    marbles(({ scheduler, expectObservable }) => {
      const slow = agent('slow', (n: number) => of(n + 1).pipe(delay(2)));
      expectObservable(of(0).pipe(loop('l', slow, { until: (n) => n === 3, max: 5 }))).toBe('------(x|)', {
        x: 3,
      });
      const never = agent('never', (_: number) => NEVER);
      const endless = loop('l', never, { until: () => true, max: 5 });
      expectObservable(run(endless, 0, { scheduler }).pipe(toArray()), '---!').toBe('');
    }),
  );

  it('goes 20,000 rounds without deepening the stack', async () => {
    const count = loop(
      'count',
      agent('one', (n: number) => n + 1),
      { until: (n) => n === 20_000, max: 1e6 },
    );
    expect((await execute(count, 0)).output).toBe(20_000);
  });
});
