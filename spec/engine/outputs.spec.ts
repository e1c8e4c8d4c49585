import * as t from 'io-ts';
import { concat, firstValueFrom, from, lastValueFrom, tap, toArray } from 'rxjs';

import { NoOutputError } from '../../errors';
import type { Agent } from '../../index';
import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  firstOf,
  outcomes,
  outputs,
  resume,
  run,
  runEach,
  sleep,
} from '../../index';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

let runs = 0;
const nextId = (): string => `run ${String((runs += 1))}`;
const plain = agent('plain', (n: number) => n + 1);
const asks = chain(
  'asks',
  agent('a', (n: number) => n),
  approval('ok', t.string),
);
const race = chain(
  'race of two',
  firstOf('race', approval('ann', t.string), chain('deep', approval('bob', t.string))),
);
const long = chain('long', sleep('nap', 3_600_000));

describePlacements(
  'outputs() on Restate',
  [asks, race, long, plain] as readonly Agent<never, unknown>[],
  (options) => {
    it('rejects by name, with what the run waits for, where a Promise is made of a single run', async () => {
      const runId = nextId();
      for (const promise of [firstValueFrom<string>, lastValueFrom<string>]) {
        const rejected = promise(run(asks, 1, { ...options, runId }).pipe(outputs()));
        await expect(rejected).rejects.toThrow(
          `Cannot give the output of run "${runId}" of "asks": it is suspended, waits for an answer to "ok"`,
        );
      }
      const resumed = lastValueFrom(resume(asks, runId, options).pipe(outputs()));
      await expect(resumed).rejects.toBeInstanceOf(NoOutputError);
      await expect(resumed).rejects.toMatchObject({
        code: 'NO_OUTPUT',
        runId,
        status: 'SUSPENDED',
        waiting: ['ok'],
        state: { status: 'SUSPENDED' },
      });
      await answer(runId, 'ok', 'yes', options);
      await waitFor(
        async () => (await options.engine.loadRun(asks, runId))?.status === 'COMPLETED',
        30_000,
        'its end',
      );
      expect(await lastValueFrom(run(asks, 1, { ...options, runId }).pipe(outputs()))).toBe('yes');
    });

    it('names every step that waits, wherever it stands', async () => {
      const rejected = lastValueFrom(run(race, 1, { ...options, runId: nextId() }).pipe(outputs()));

      await expect(rejected).rejects.toMatchObject({ waiting: ['race/ann', 'race/deep/bob'] });
    });

    it('rejects by name when the run is cancelled, with the reason', async () => {
      const runId = nextId();
      let sleeps = false;
      const rejected = lastValueFrom(
        run(long, 1, { ...options, runId }).pipe(
          tap(({ event }) => {
            sleeps ||= event.type === 'step.suspended';
          }),
          outputs(),
        ),
      ).catch((error: unknown) => error);
      await waitFor(() => sleeps, 30_000, 'the sleep');
      await cancel(runId, { ...options, reason: 'not wanted' });

      expect(await rejected).toMatchObject({
        name: 'NoOutputError',
        message: expect.stringContaining('it was cancelled (not wanted)') as string,
      });
    });

    it('leaves out, among many, the runs that wait, and gives no error where another one came out', async () => {
      const many = from([1, 2]).pipe(runEach(asks, options), outputs(), toArray());
      expect(await lastValueFrom(many)).toEqual([]);
      const both = concat(run(plain, 1, options), run(asks, 1, options));
      expect(await lastValueFrom(both.pipe(outputs<unknown>(), toArray()))).toEqual([2]);
    });

    it('has a form without errors: outcomes()', async () => {
      const [outcome] = await lastValueFrom(run(asks, 1, options).pipe(outcomes(), toArray()));

      expect(outcome).toMatchObject({ _tag: 'Left', left: { status: 'SUSPENDED' } });
    });
  },
);
