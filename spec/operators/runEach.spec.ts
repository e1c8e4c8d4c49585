import { isLeft, isRight } from 'fp-ts/lib/Either';
import { delay, from, lastValueFrom, of, range, toArray } from 'rxjs';
import { map, take } from 'rxjs';

import { agent, memoryStore, NonRetryableError, outcomes, outputs, run, runEach } from '../../index';
import { marbles } from '../support/marbles';

const odd = agent('odd', (x: number) => {
  if (x % 2 === 0) throw new Error(`${String(x)} is even`);
  return x * 10;
});

describe('runEach()', () => {
  it('runs every input, and one that fails harms no other', async () => {
    const all = await lastValueFrom(range(1, 5).pipe(runEach(odd), outcomes(), toArray()));
    expect(
      all.map((outcome) => (isRight(outcome) ? outcome.right.output : outcome.left.failure?.message)),
    ).toEqual([10, '2 is even', 30, '4 is even', 50]);
  });

  it('gives the outputs of those that completed', async () => {
    expect(await lastValueFrom(range(1, 5).pipe(runEach(odd), outputs(), toArray()))).toEqual([10, 30, 50]);
  });

  it(
    'has no more than `concurrency` runs under way',
    marbles(({ hot, expectObservable, scheduler }) => {
      const slow = agent('slow', (x: string) => of(x).pipe(delay(4)));
      const runs = hot('abc|').pipe(runEach(slow, { concurrency: 2, scheduler }), outputs());
      expectObservable(runs).toBe('----ab--(c|)');
    }),
  );

  it('names the run of an input, so that a second pass takes up where the first stood', async () => {
    const store = memoryStore();
    const calls = jest.fn((x: number) => {
      if (x === 2 && calls.mock.calls.length < 4) throw new Error('not yet');
      return x;
    });
    const work = agent('work', calls);
    const pass = () =>
      lastValueFrom(
        range(1, 3).pipe(runEach(work, { store, runId: (x) => `n${String(x)}` }), outcomes(), toArray()),
      );
    expect((await pass()).map(isLeft)).toEqual([false, true, false]);
    expect((await pass()).map(isLeft)).toEqual([false, false, false]);
    expect(calls).toHaveBeenCalledTimes(4);
  });

  it.each(['merge', 'concat', 'switch', 'exhaust'] as const)(
    'tells of each input whose name is none, under a name of its own (%s)',
    async (whenBusy) => {
      const ids = [1, '', 'x'.repeat(201), {}, 1n, true];
      for (const naming of ['runId', 'newRunId'] as const) {
        let at = 0;
        const options = { whenBusy, [naming]: () => ids[at++] as never, store: memoryStore() };
        const told = await lastValueFrom(
          from(ids.map((_, index) => index * 2 + 1)).pipe(runEach(odd, options), toArray()),
        );

        expect(told.map(({ event }) => event.type)).toEqual(ids.map(() => 'run.failed'));
        for (const { event, state } of told) {
          expect(event).toMatchObject({ error: { name: 'InvalidRunIdError' } });
          expect([event.runId.length, state.runId]).toEqual([26, event.runId]);
        }
      }
    },
  );

  it('resumes a failed run by itself as often as `retry` says', async () => {
    let failures = 2;
    const work = agent('work', (x: number) => {
      if (x === 2 && failures-- > 0) throw new Error('not yet');
      return x;
    });
    const all = await lastValueFrom(range(1, 3).pipe(runEach(work, { retry: 2 }), outcomes(), toArray()));
    expect(
      all
        .filter(isRight)
        .map(({ right }) => right.output)
        .sort(),
    ).toEqual([1, 2, 3]);
    expect(all).toHaveLength(3);
  });

  it('resumes none whose failure says that trying again cannot help', async () => {
    const calls: number[] = [];
    const work = agent('work', (x: number): number => {
      calls.push(x);
      throw new NonRetryableError(`${x} is malformed`);
    });
    const all = await lastValueFrom(range(1, 2).pipe(runEach(work, { retry: 2 }), outcomes(), toArray()));

    expect(calls).toEqual([1, 2]);
    expect(all.map((outcome) => isLeft(outcome) && outcome.left.failure?.message)).toEqual([
      '1 is malformed',
      '2 is malformed',
    ]);
  });

  it('makes an outcome of a run that could not be carried out at all', async () => {
    const store = memoryStore();
    const named = { store, runId: () => 'same' };
    const slow = agent('slow', (x: number) => of(x).pipe(delay(5)));
    const all = await lastValueFrom(from([1, 2]).pipe(runEach(slow, named), outcomes(), toArray()));
    expect(all.map((outcome) => isLeft(outcome) && outcome.left.failure?.name)).toEqual([
      'RunActiveError',
      false,
    ]);
  });

  it('handles nothing, and stops what is under way when the subscriber leaves', async () => {
    expect(await lastValueFrom(from([] as number[]).pipe(runEach(odd), toArray()))).toEqual([]);
    let aborted = 0;
    const patient = agent('patient', async (_: number, { signal }) => {
      signal.addEventListener('abort', () => (aborted += 1));
      return new Promise<never>(() => undefined);
    });
    await lastValueFrom(range(1, 3).pipe(runEach(patient), take(6)));
    // Leaving when the third is about to start keeps it from being called at all.
    expect(aborted).toBe(2);
  });
});

describe('outcomes()', () => {
  it('makes a value of the error that ends a run', async () => {
    const [outcome] = await lastValueFrom(run(odd, 2).pipe(outcomes(), toArray()));
    expect(outcome).toMatchObject({
      _tag: 'Left',
      left: { status: 'FAILED', failure: { message: '2 is even', path: 'odd' } },
    });
  });

  it('knows the state of the run', async () => {
    const [state] = await lastValueFrom(
      run(odd, 1).pipe(
        outcomes(),
        map((outcome) => isRight(outcome) && outcome.right.state),
        toArray(),
      ),
    );
    expect(state).toMatchObject({ status: 'COMPLETED', output: 10 });
  });
});
