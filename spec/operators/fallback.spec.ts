import { delay, EMPTY, lastValueFrom, map, NEVER, of, throwError, timer, toArray } from 'rxjs';

import { agent, chain, execute, fallback, memoryStore, run } from '../../index';
import type { FallbackInput } from '../../operators/agents/fallback';
import { marbles } from '../support/marbles';

const odd = agent('odd', (n: number) => {
  if (n % 2 === 0) throw new RangeError(`${String(n)} is even`);
  return n;
});
const told = agent('told', ({ input, error }: FallbackInput<number>) => `${String(input)}: ${error.message}`);
const safe = fallback('safe', odd, told);

describe('fallback()', () => {
  it('asks the second agent when the first fails, and only then', async () => {
    expect((await execute(safe, 1)).output).toBe(1);
    expect((await execute(safe, 2)).output).toBe('2: 2 is even');
  });

  it('handles nothing, one and many in a pipe, and fails with its source', async () => {
    expect(await lastValueFrom(EMPTY.pipe(safe, toArray()))).toEqual([]);
    expect(await lastValueFrom(of(1, 2).pipe(safe, toArray()))).toEqual([1, '2: 2 is even']);
    await expect(lastValueFrom(throwError(() => new Error('torn')).pipe(safe))).rejects.toThrow('torn');
  });

  it('asks only after all attempts of the first', async () => {
    let attempts = 0;
    const flaky = agent(
      'flaky',
      (n: number) => {
        attempts += 1;
        if (attempts < 3) throw new Error('not yet');
        return n;
      },
      { retry: 2 },
    );
    expect((await execute(fallback('f', flaky, told), 2)).output).toBe(2);
  });

  it('fails as the second agent fails', async () => {
    const bad = agent('bad', ({ error }: FallbackInput<number>): number => {
      throw new Error(`after ${error.message}`);
    });
    const { error, steps } = await execute(chain('c', fallback('f', odd, bad)), 2);
    expect(error).toMatchObject({ message: 'after 2 is even', path: 'f/bad' });
    expect(steps.get('f/odd')?.status).toBe('FAILED');
  });

  it('keeps the failure as a fact when the run is resumed', async () => {
    const store = memoryStore();
    const first = jest.fn((n: number): number => {
      throw new Error(`no ${String(n)}`);
    });
    let isBroken = true;
    const second = agent('second', ({ error }: FallbackInput<number>) => {
      if (isBroken) throw new Error('not yet');
      return error;
    });
    const f = fallback('f', agent('first', first), second);
    const live = await execute(f, 1, { store, runId: 'r' });
    expect(live.status).toBe('FAILED');
    isBroken = false;
    const { output } = await execute(f, 1, { store, runId: 'r' });
    expect(output).toEqual({ name: 'Error', message: 'no 1', path: 'first' });
    expect(first).toHaveBeenCalledTimes(1);
  });

  it('tells two agents of one name apart', async () => {
    const again = agent('odd', ({ input }: FallbackInput<number>) => input + 1);
    const { steps } = await execute(fallback('f', odd, again), 2);
    expect([...steps].map(({ stepId, status }) => `${stepId} ${status}`)).toEqual([
      'odd FAILED',
      'odd[1] COMPLETED',
    ]);
  });

  it(
    'takes the time of both, and stops when the subscriber leaves',
    marbles(({ scheduler, expectObservable }) => {
      const late = agent('late', (_: number) =>
        timer(2).pipe(
          map((): number => {
            throw new Error('late');
          }),
        ),
      );
      const slow = agent('slow', ({ input }: FallbackInput<number>) => of(input).pipe(delay(3)));
      expectObservable(of(7).pipe(fallback('f', late, slow))).toBe('-----(x|)', { x: 7 });
      const endless = fallback(
        'f',
        agent('never', (_: number) => NEVER),
        slow,
      );
      expectObservable(run(endless, 1, { scheduler }).pipe(toArray()), '---!').toBe('');
    }),
  );
});
