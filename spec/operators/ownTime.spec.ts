import { delay, lastValueFrom, map, mergeMap, NEVER, of, timer } from 'rxjs';

import { agent, execute, run } from '../../index';
import { marbles } from '../support/marbles';

const nested = agent('nested', (n: number) => of(n).pipe(delay(20)));

describe.each(['timeoutMs', 'idleTimeoutMs'] as const)('%s', (limit) => {
  it(
    'does not count while a function waits for its own nested step',
    marbles(({ scheduler }) => {
      const waits = agent('waits', (n: number, ctx) => ctx.step('n', nested, n).pipe(delay(3)), {
        [limit]: 5,
      });
      const ends: string[] = [];
      run(waits, 1, { scheduler }).subscribe(({ event }) => ends.push(`${String(event.at)} ${event.type}`));
      scheduler.flush();
      expect(ends.at(-1)).toBe('23 run.completed');
    }),
  );

  it(
    'counts what a function does by itself before, between and after',
    marbles(({ scheduler }) => {
      const works = agent(
        'works',
        (n: number, ctx) =>
          timer(3).pipe(
            mergeMap(() => ctx.step('n', nested, n)),
            mergeMap(() => NEVER),
          ),
        { [limit]: 5 },
      );
      const ends: unknown[] = [];
      run(works, 1, { scheduler }).subscribe({
        error: (error: unknown) => ends.push(scheduler.now(), (error as Error).message),
      });
      scheduler.flush();
      // Silence begins anew with the answer of the nested step.
      expect(ends[0]).toBe(limit === 'timeoutMs' ? 25 : 28);
      expect(ends[1]).toContain(limit === 'timeoutMs' ? 'timeoutMs' : 'no partial result');
    }),
  );
});

describe('policies in plain JavaScript', () => {
  const policy = (given: object) => () => agent('a', () => 1, given as never);

  it('refuses times that are no numbers', () => {
    expect(policy({ timeoutMs: '5' })).toThrow('timeoutMs must be a number of milliseconds, got a string');
    expect(policy({ idleTimeoutMs: null })).toThrow(
      'idleTimeoutMs must be a number of milliseconds, got null',
    );
    expect(policy({ retry: { count: 1, delayMs: '5' } })).toThrow('retry.delayMs');
    expect(policy({ limit: { rate: { count: 1, perMs: '5' } } })).toThrow('limit.rate.perMs');
  });

  it('refuses a retryIf that answers later', async () => {
    const calls = jest.fn((): number => {
      throw new Error('no');
    });
    const retryIf = (async () => Promise.reject(new Error('later'))) as never;
    const { error } = await execute(agent('a', calls, { retry: { count: 3, retryIf } }));
    expect(calls).toHaveBeenCalledTimes(1);
    expect(error?.message).toContain('retryIf after attempt 1 must give true or false, got a Promise');
  });

  it('calls a function that belongs to an object without it', async () => {
    const seen: unknown[] = [];
    const object = {
      method(this: unknown, n: number) {
        seen.push(this);
        return n;
      },
    };
    await execute(agent('a', object.method), 1);
    await lastValueFrom(
      of(1).pipe(
        agent('a', object.method),
        map((n) => n),
      ),
    );
    expect(seen).toEqual([undefined, undefined]);
  });
});
