import * as t from 'io-ts';
import { lastValueFrom, toArray } from 'rxjs';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { agent, approval, cancel, chain, each, execute, loop, run, saga, workflow } from '../../index';
import type { Wire } from '../../index';
import { amount, isLong, tally } from '../support/torture';
import { collect } from '../support/told';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

/** How often a step was called, by its run. */
const calls = new Map<string, number>();
const called = (runId: string): void => {
  calls.set(runId, (calls.get(runId) ?? 0) + 1);
};
const plus = agent('plus', (n: number, { runId }) => {
  called(runId);
  return n + 1;
});
const all = each('all items', plus, { concurrency: 32 });
const rounds = loop('all rounds', plus, { until: (n) => n >= 1_050, max: 2_000 });
const slow = agent('slow', async (count: number, { runId, signal }) => {
  // Ends only when those beside it have, which go on in this life because of that.
  while ((calls.get(runId) ?? 0) < count && !signal.aborted)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return 'slow';
});
const beside = workflow('beside a slow one', (numbers: Wire<readonly number[]>, step) => {
  const size = step(
    'size',
    agent('size', (list: readonly number[]) => list.length),
    numbers,
  );
  return { slow: step('slow', slow, size), all: step('all', all, numbers) };
});
const undone: string[] = [];
const booked = agent('booked', (list: readonly number[]) => list, {
  compensate: (_: unknown, { runId }) => {
    undone.push(runId);
  },
});
const paused = agent('paused', async (n: number, { runId, signal }) => {
  called(runId);
  if (n > 1_020) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  return n;
});
const undoing = saga('undoes all', chain('steps', booked, each('each', paused, { concurrency: 16 })));
const asking = chain('asks after many', all, approval('ok', t.string));
const large = each(
  'large results',
  agent('large', (letter: string, { runId }) => {
    called(runId);
    return letter.repeat(3_000_000);
  }),
  { concurrency: 4 },
);
const list = (size: number): number[] => Array.from({ length: size }, (_, n) => n);

/** Some seconds each. */
const long = isLong ? it : it.skip;
const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere('a run that is too much for one life on Restate', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    const agents = [all, rounds, beside, undoing, asking, large];
    worker = await serveRestate(agents, { port: 0, ingress, admin });
    engine = restateEngine({ ingress, admin });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  it('goes on in further lives by itself, for whoever follows it as one, and calls nothing twice', async () => {
    const size = amount(1_050, 20_000);
    const others: string[] = [];
    const told = lastValueFrom(run(all, list(size), { engine, runId: 'many' }).pipe(toArray()));
    await waitFor(() => calls.has('many'), 20_000, 'its beginning');
    engine.attach(all, 'many').subscribe(({ event }) => others.push(event.type));
    const transitions = await told;
    const types = transitions.map(({ event }) => event.type);

    expect(transitions.at(-1)?.state).toMatchObject({
      status: 'COMPLETED',
      output: list(size).map((n) => n + 1),
    });
    expect(calls.get('many')).toBe(size);
    expect(types.filter((type) => type === 'step.completed')).toHaveLength(size);
    expect(types).not.toContain('run.suspended');
    expect(types.filter((type) => type === 'run.resumed')).toHaveLength(Math.ceil(size / 1_000) - 1);
    await waitFor(() => others.at(-1) === 'run.completed', 20_000, 'the end for who is attached');
    expect(others).not.toContain('run.suspended');
    const state = await engine.loadRun(all, 'many');
    expect(
      [...(state?.steps ?? [])].filter(({ status, attempts }) => status === 'COMPLETED' && attempts === 1),
    ).toHaveLength(size);
    await expect(engine.listRuns({ name: 'all items' })).resolves.toMatchObject([
      { runId: 'many', status: 'COMPLETED' },
    ]);
    tally('steps of one run', size);
  }, 600_000);

  long(
    'goes round a loop past the end of a life',
    async () => {
      const state = await execute(rounds, 0, { engine, runId: 'rounds' });

      expect(state).toMatchObject({ status: 'COMPLETED', output: 1_050 });
      expect(calls.get('rounds')).toBe(1_050);
    },
    120_000,
  );

  long(
    'does not wait for ever for a step that waits for those beside it',
    async () => {
      const state = await execute(beside, list(1_050), { engine, runId: 'beside' });

      expect(state).toMatchObject({ status: 'COMPLETED', output: { slow: 'slow' } });
      expect(calls.get('beside')).toBe(1_050);
    },
    120_000,
  );

  // Also in the short form of `sleepers.spec.ts`.
  long(
    'is cancelled in a later life, and undoes what the first has done',
    async () => {
      const followed = collect(run(undoing, list(1_060), { engine, runId: 'undone' }));
      await waitFor(() => (calls.get('undone') ?? 0) > 1_030, 60_000, 'the second life');
      await cancel('undone', { engine });
      await waitFor(() => followed.ended !== 'open', 20_000, 'its end');

      expect(followed.transitions.at(-1)?.state.status).toBe('CANCELLED');
      expect(undone).toEqual(['undone']);
    },
    120_000,
  );

  long(
    'rests in a later life, and is answered there',
    async () => {
      expect((await execute(asking, list(1_010), { engine, runId: 'asking' })).status).toBe('SUSPENDED');
      await engine.answer('asking', 'ok', 'yes');
      await waitFor(
        async () => (await engine.loadRun(asking, 'asking'))?.status === 'COMPLETED',
        20_000,
        'its end',
      );

      expect(calls.get('asking')).toBe(1_010);
    },
    120_000,
  );

  it('gives results that no message carries together', async () => {
    const letters = 'a b c d e f g h i j'.split(' ');
    const followed = await lastValueFrom(run(large, letters, { engine, runId: 'large' }).pipe(toArray()));
    const output = followed.at(-1)?.state.output ?? [];

    expect(output.map((text) => `${text[0] ?? ''}${String(text.length)}`)).toEqual(
      letters.map((letter) => `${letter}3000000`),
    );
    expect(calls.get('large')).toBe(10);
    const again = await execute(large, letters, { engine, runId: 'large' });
    expect(again.output?.[8]).toBe(output[8]);
    const loaded = await engine.loadRun(large, 'large');
    expect(loaded?.output?.[9]).toBe(output[9]);
    expect(calls.get('large')).toBe(10);
  });
});
