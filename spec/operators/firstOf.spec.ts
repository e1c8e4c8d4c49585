import type { Observable } from 'rxjs';
import {
  concatMap,
  delay,
  EMPTY,
  from,
  lastValueFrom,
  map,
  NEVER,
  of,
  throwError,
  timer,
  toArray,
} from 'rxjs';

import { agent, chain, execute, firstOf, memoryStore, run } from '../../index';
import { Clock } from '../support/clock';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';
import { until } from '../support/until';

const after = (name: string, ms: number) =>
  agent(name, (n: number) => of(`${name}${String(n)}`).pipe(delay(ms)));
/** Never ends by itself. */
const endless = (name: string) => agent(name, (_: number) => NEVER as Observable<string>);
const failing = (name: string, ms: number, scheduler?: Clock) =>
  agent(name, (_: number) =>
    timer(ms, scheduler).pipe(
      map((): string => {
        throw new Error(`${name} broke`);
      }),
    ),
  );

describe('firstOf()', () => {
  it('gives what completes first, tears the others down and puts them on record as SKIPPED', async () => {
    let isAborted = false;
    const patient = agent('patient', (_: number, { signal }) => {
      signal.addEventListener('abort', () => (isAborted = true));
      return NEVER;
    });
    const { output, steps } = await execute(
      chain('c', firstOf('first', patient, after('fast', 2), endless('slow'))),
      1,
    );
    expect(output).toBe('fast1');
    expect([...steps].map(({ stepId, status }) => `${stepId} ${status}`)).toEqual([
      'first COMPLETED',
      'first/patient SKIPPED',
      'first/fast COMPLETED',
      'first/slow SKIPPED',
    ]);
    expect(isAborted).toBe(true);
  });

  it(
    'is won by the first completion, not by the first partial result',
    marbles(({ expectObservable }) => {
      const talker = agent('talker', (_: number) =>
        from(['a', 'b', 'c']).pipe(concatMap((x) => of(x).pipe(delay(2)))),
      );
      expectObservable(of(1).pipe(firstOf('f', talker, after('quick', 4)))).toBe('----(x|)', { x: 'quick1' });
    }),
  );

  it('handles nothing, one and many in a pipe, and fails with its source', async () => {
    const f = firstOf('f', after('a', 1), endless('b'));
    expect(await lastValueFrom(EMPTY.pipe(f, toArray()))).toEqual([]);
    expect(await lastValueFrom(of(1, 2).pipe(f, toArray()))).toEqual(['a1', 'a2']);
    await expect(lastValueFrom(throwError(() => new Error('torn')).pipe(f))).rejects.toThrow('torn');
  });

  it('fails only when all fail, and names why', async () => {
    expect((await execute(firstOf('f', failing('a', 1), after('b', 3)), 1)).output).toBe('b1');
    const scheduler = new Clock(0);
    const both = firstOf('f', failing('a', 1, scheduler), failing('b', 2, scheduler));
    const { error } = await scheduler.until(execute(both, 1, { scheduler }));
    expect(error).toMatchObject({ name: 'AllFailedError' });
    expect(error?.message).toContain('a broke; b broke');
    expect(() => firstOf('f')).toThrow('at least one agent');
  });

  it(
    'stops all when the subscriber leaves an endless race',
    marbles(({ scheduler, expectObservable }) => {
      const never = agent('never', (_: number) => NEVER);
      expectObservable(run(firstOf('f', never, never), 1, { scheduler }).pipe(toArray()), '---!').toBe('');
    }),
  );

  it('keeps the winner when the run is resumed', async () => {
    const store = memoryStore();
    const first = run(firstOf('f', endless('a'), after('b', 1)), 1, { store, runId: 'r' });
    const seen = collect(first);
    await until(() => seen.told.includes('step.completed b'));
    const claim = await memoryStore().claim('r');
    void claim.release(undefined);
    const copy = memoryStore();
    const written = await copy.claim('r');
    const cut = seen.events.findIndex((event) => event.type === 'step.completed');
    for (const event of seen.events.slice(0, cut + 1)) void written.append(event);
    void written.release(undefined);
    const calls = jest.fn();
    const again = await execute(firstOf('f', agent('a', calls), agent('b', calls)) as never, 1 as never, {
      store: copy,
      runId: 'r',
    });
    expect(again.output).toBe('b1');
    expect(calls).not.toHaveBeenCalled();
    expect(again.steps.get('a')?.status).toBe('SKIPPED');
  });
});
