import { setTimeout as wait } from 'node:timers/promises';

import { lastValueFrom, of, retry, switchMap, throwError, timer } from 'rxjs';

import type { Agent } from '../../index';
import { agent, chain, execute, firstOf, outputs, run } from '../../index';
import { crashPoints, recordingStore } from '../../testing';
import { everyStore } from '../support/everyStore';

const after = (name: string, ms: number) => agent(name, async () => wait(ms, name));

describe.each(everyStore)('a run that is left and begun again at once (%s)', (_where, open) => {
  it('waits for its earlier claim to end, while the store opens and later', async () => {
    const store = open();
    const work = chain('c', after('a', 5));
    const again = (moments: number) =>
      timer(0, moments).pipe(switchMap(() => run(work, 1, { store, runId: 'r' }).pipe(outputs())));

    const seen: unknown[] = [];
    const subscription = again(1).subscribe({ next: (output) => seen.push(output), error: seen.push });
    await wait(30);
    subscription.unsubscribe();

    expect(seen.filter((one) => one !== 'a')).toEqual([]);
    expect((await execute(work, 1, { store, runId: 'r' })).output).toBe('a');
  });

  it('waits for it in the turn in which it is left', async () => {
    const store = open();
    const work = chain('c', after('a', 1));
    for (let n = 0; n < 3; n += 1) run(work, 1, { store, runId: 'r' }).subscribe().unsubscribe();

    expect(await lastValueFrom(run(work, 1, { store, runId: 'r' }).pipe(outputs()))).toBe('a');
  });

  it('waits for it also where retry() begins it', async () => {
    const store = open();
    const work = chain('c', after('a', 1));
    let tries = 0;
    const flaky = run(work, 1, { store, runId: 'r' }).pipe(
      switchMap((transition) =>
        (tries += 1) === 1 ? throwError(() => new Error('downstream')) : of(transition),
      ),
      retry(2),
      outputs(),
    );

    expect(await lastValueFrom(flaky)).toBe('a');
  });
});

describe.each(everyStore)('a race that several win within a turn (%s)', (_where, open) => {
  const at = (name: string) => chain(`${name}s`, after(name, 5));
  it.each<[string, Agent<unknown, unknown>]>([
    ['as the root', firstOf('race', after('a', 5), after('b', 5), after('c', 5))],
    ['of chains', firstOf('race', at('a'), at('b'))],
    ['within a race', firstOf('race', firstOf('inner', after('a', 5), after('b', 5)), after('c', 5))],
    [
      'as a part of a chain',
      chain(
        'all',
        firstOf('race', after('a', 5), after('b', 5)),
        agent('end', (x) => x),
      ),
    ],
  ])('is decided after a crash at any event as the record says: %s', async (_how, race) => {
    const recording = recordingStore(open());
    const { output } = await execute(race, 1, { store: recording, runId: 'r' });

    for (const { state, store } of crashPoints(recording, 'r')) {
      const done = [...state.steps].filter(
        ({ agent: name, status }) => /^[abc]$/.test(name) && status === 'COMPLETED',
      );
      const next = await execute(race, 1, { store, runId: 'r' });
      expect(next.status).toBe('COMPLETED');
      if (done.length > 0) expect([state.seq, next.output]).toEqual([state.seq, output]);
    }
  });
});
