import { delay, EMPTY, lastValueFrom, NEVER, of, throwError, timer, toArray } from 'rxjs';

import { agent, branch, chain, execute, memoryStore, run } from '../../index';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';

const big = agent('big', (n: number) => `big ${n}`);
const small = agent('small', (n: number) => n);
const route = branch('route', (n: number) => (n > 9 ? 'big' : 'small'), { big, small });

describe('branch()', () => {
  it('chooses an agent by looking at the input', async () => {
    const { output, steps } = await execute(chain('c', route), 10);
    expect(output).toBe('big 10');
    expect([...steps].map(({ stepId }) => stepId)).toEqual(['route', 'route/big']);
    expect((await execute(route, 1)).output).toBe(1);
  });

  it('handles nothing, one and many in a pipe, and fails with its source', async () => {
    expect(await lastValueFrom(EMPTY.pipe(route, toArray()))).toEqual([]);
    expect(await lastValueFrom(of(1, 10).pipe(route, toArray()))).toEqual([1, 'big 10']);
    await expect(lastValueFrom(throwError(() => new Error('torn')).pipe(route))).rejects.toThrow('torn');
  });

  it('takes otherwise what has no case, and fails by name without it', async () => {
    const other = agent('other', (n: number) => -n);
    const open = branch('open', (n: number) => String(n), { 1: small }, other);
    expect((await execute(open, 1)).output).toBe(1);
    const { output, steps } = await execute(open, 7);
    expect([output, [...steps][0]?.stepId]).toEqual([-7, 'otherwise']);

    const closed = branch('closed', () => 'gone' as 'big', { big });
    expect((await execute(closed, 1)).error).toMatchObject({ name: 'NoCaseError', retryable: false });
    const unsaid = branch('unsaid', () => null as never, { a: small } as never);
    expect((await execute(unsaid, 1)).error?.message).toContain(
      'its selector gave null where the name of a case',
    );
    const inherited = branch('inherited', () => 'toString' as 'big', { big });
    expect((await execute(inherited, 1)).error?.name).toBe('NoCaseError');
  });

  it('fails when the selector throws, and when the chosen agent fails', async () => {
    const throwing = branch(
      'throwing',
      (): 'big' => {
        throw new Error('cannot choose');
      },
      { big },
    );
    expect((await execute(throwing, 1)).error?.message).toBe('cannot choose');
    const bad = agent('bad', (_: number) => throwError(() => new Error('bad')));
    expect(
      (
        await execute(
          branch('b', () => 'bad', { bad }),
          1,
        )
      ).error,
    ).toMatchObject({ path: 'bad' });
  });

  it('asks once: the choice is on record', async () => {
    const store = memoryStore();
    const choose = jest.fn((): 'first' | 'second' => (choose.mock.calls.length === 1 ? 'first' : 'second'));
    let isBroken = true;
    const first = agent('one', (n: number) => {
      if (isBroken) throw new Error('not yet');
      return n;
    });
    const b = branch('b', choose, { first, second: small });
    expect((await execute(b, 1, { store, runId: 'r' })).status).toBe('FAILED');
    isBroken = false;
    const { output, steps } = await execute(b, 1, { store, runId: 'r' });
    expect([output, choose.mock.calls.length]).toEqual([1, 1]);
    expect(steps.get('second')).toBeUndefined();
  });

  it(
    'waits for an agent that takes its time, and stops it when the subscriber leaves',
    marbles(({ scheduler, expectObservable }) => {
      const slow = branch('slow', () => 'a', { a: agent('a', (n: number) => of(n).pipe(delay(3))) });
      expectObservable(of(1).pipe(slow)).toBe('---(x|)', { x: 1 });
      const endless = branch('endless', () => 'a', { a: agent('a', (_: number) => NEVER) });
      expectObservable(run(endless, 1, { scheduler }).pipe(toArray()), '---!').toBe('');
    }),
  );

  it('aborts what it chose when it is left', async () => {
    let isAborted = false;
    const patient = agent('patient', (_: number, { signal }) => {
      signal.addEventListener('abort', () => (isAborted = true));
      return timer(1e6);
    });
    collect(
      run(
        branch('b', () => 'a', { a: patient }),
        1,
      ),
    ).leave?.();
    expect(isAborted).toBe(true);
  });

  it('refuses what cannot be', () => {
    expect(() => branch('b', () => 'a' as never, {})).toThrow('at least one case');
    expect(() => branch('b', () => 'a/b', { 'a/b': small })).toThrow('contains "/"');
    expect(() => branch('b', () => 'x', { otherwise: small }, small)).toThrow('rename the case');
  });
});
