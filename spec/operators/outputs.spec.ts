import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { concat, firstValueFrom, from, lastValueFrom, tap, toArray } from 'rxjs';

import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  execute,
  firstOf,
  lowdbStore,
  memoryStore,
  outcomes,
  outputs,
  resume,
  run,
  runEach,
  serve,
  sleep,
} from '../../index';
import { NoOutputError } from '../../errors';
import type { Store } from '../../index';
import { collect } from '../support/told';

const ask = chain(
  'c',
  agent('a', (n: number) => n),
  approval('ok', t.string),
);
const plain = agent('plain', (n: number) => n + 1);

describe('outputs()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'outputs-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const stores: Readonly<Record<string, () => Store>> = {
    memory: () => memoryStore(),
    folder: () => lowdbStore(folder),
  };

  for (const [kind, open] of Object.entries(stores)) {
    it(`rejects by name, with what the run waits for, where a Promise is made of a single run (${kind})`, async () => {
      const store = open();
      for (const promise of [firstValueFrom<string>, lastValueFrom<string>]) {
        const rejected = promise(run(ask, 1, { store, runId: 'r' }).pipe(outputs()));
        await expect(rejected).rejects.toThrow(
          'Cannot give the output of run "r" of "c": it is suspended, waits for an answer to "ok"',
        );
        await expect(lastValueFrom(resume(ask, 'r', { store }).pipe(outputs()))).rejects.toMatchObject({
          code: 'NO_OUTPUT',
          runId: 'r',
          status: 'SUSPENDED',
          waiting: ['ok'],
          state: { status: 'SUSPENDED' },
        });
      }
      await answer('r', 'ok', 'yes', { store });
      expect(await lastValueFrom(run(ask, 1, { store, runId: 'r' }).pipe(outputs()))).toBe('yes');
      await store.close();
    });
  }

  it('names every step that waits, wherever it stands', async () => {
    const race = chain(
      'c',
      firstOf('race', approval('ann', t.string), chain('deep', approval('bob', t.string))),
    );
    await expect(lastValueFrom(run(race, 1, { store: memoryStore() }).pipe(outputs()))).rejects.toMatchObject(
      {
        waiting: ['race/ann', 'race/deep/bob'],
      },
    );
  });

  it('rejects by name when the run is cancelled, with the reason', async () => {
    const store = memoryStore();
    const long = chain('long', sleep('nap', 5_000));
    const rejected = lastValueFrom(run(long, 1, { store, runId: 'r' }).pipe(outputs()));
    await cancel('r', { store, reason: 'not wanted' });
    await expect(rejected).rejects.toThrow('it was cancelled (not wanted)');
  });

  it('leaves out, among many, the runs that wait or were cancelled', async () => {
    const store = memoryStore();
    expect(await lastValueFrom(from([1, 2]).pipe(runEach(ask, { store }), outputs(), toArray()))).toEqual([]);
    const aborted = AbortSignal.abort();
    expect(
      await lastValueFrom(from([1, 2]).pipe(runEach(ask, { store, signal: aborted }), outputs(), toArray())),
    ).toEqual([]);
    const waiting = await execute(ask, 1, { store });
    await cancel(waiting.runId, { store });
    const stop = new AbortController();
    const served = serve([ask], { store, signal: stop.signal }).pipe(
      tap(({ event }) => {
        if (event.type === 'run.cancelled') setImmediate(() => stop.abort());
      }),
    );
    expect(await lastValueFrom(served.pipe(outputs(), toArray()))).toEqual([]);
    expect((await store.loadRun(waiting.runId))?.status).toBe('CANCELLED');
  });

  it('gives what came out, and no error, when a later run waits', async () => {
    const store = memoryStore();
    const both = concat(run(plain, 1, { store }), run(ask, 1, { store }));
    expect(await lastValueFrom(both.pipe(outputs<unknown>(), toArray()))).toEqual([2]);
  });

  it('has a form without errors: outcomes()', async () => {
    const [outcome] = await lastValueFrom(run(ask, 1, { store: memoryStore() }).pipe(outcomes(), toArray()));
    expect(outcome).toMatchObject({ _tag: 'Left', left: { status: 'SUSPENDED' } });
  });
});

describe('a question in a run without a store', () => {
  const unanswerable = /no store: nobody can answer; give run\(\) a store or an engine/;

  it('is told as a WARNING of the step, and in the state', async () => {
    const { transitions, ended } = collect(run(ask, 1));
    const told = transitions.flatMap(({ event }) => (event.type === 'step.logged' ? [event] : []));
    expect(told).toEqual([
      expect.objectContaining({
        level: 'WARNING',
        path: 'ok',
        message: expect.stringMatching(unanswerable) as string,
      }),
    ]);
    expect(ended).toBe('complete');
    const state = await execute(ask, 1);
    expect(state).toMatchObject({
      status: 'SUSPENDED',
      reason: expect.stringMatching(unanswerable) as string,
    });
  });

  it('is told for each of them, by runEach too, and in the error of a Promise', async () => {
    const { transitions } = collect(from([1, 2]).pipe(runEach(ask)));
    expect(
      transitions.filter(({ event }) => event.type === 'step.logged' && event.message.includes('no store')),
    ).toHaveLength(2);
    await expect(lastValueFrom(run(ask, 1).pipe(outputs()))).rejects.toThrow(unanswerable);
    await expect(lastValueFrom(run(ask, 1).pipe(outputs()))).rejects.toBeInstanceOf(NoOutputError);
  });

  it('is told of a question that a function asks', async () => {
    const asks = agent('asks', async (n: number, context) =>
      firstValueFrom(context.step('ok', approval('ok', t.string), n)),
    );
    expect(await execute(asks, 1)).toMatchObject({
      status: 'SUSPENDED',
      reason: expect.stringMatching(unanswerable) as string,
    });
  });

  it('is not told where there is a store', async () => {
    const { transitions } = collect(run(ask, 1, { store: memoryStore() }));
    expect(transitions.filter(({ event }) => event.type === 'step.logged')).toEqual([]);
    expect(transitions.at(-1)?.state).not.toHaveProperty('reason');
  });
});
