import { setTimeout as wait } from 'node:timers/promises';

import { lastValueFrom, toArray } from 'rxjs';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { agent, chain, execute, run, sleep } from '../../index';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;

const same = agent('same', (n: number) => n);
const nap = chain('nap', same, sleep('some time', 7_000), same);
const talker = agent('talker', async (_: number, { emit }) => {
  for (let n = 0; n < 6; n += 1) {
    await wait(1_000);
    emit(`word ${String(n)}`);
  }
  return 'said';
});

describeHere('many runs that sleep and are watched', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;
  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    worker = await serveRestate([nap, same, talker], { port: 0, ingress, admin });
    engine = restateEngine({ ingress, admin });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  it('are told in full, let others pass, and hide no partial results among them', async () => {
    const told = Array.from({ length: 100 }, (_, n) =>
      lastValueFrom(run(nap, n, { engine, runId: `nap ${String(n)}` }).pipe(toArray())),
    );
    let words = 0;
    let wordsBefore = 0;
    const said = lastValueFrom(run(talker, 1, { engine, runId: 'talker' }).pipe(toArray()));
    run(talker, 1, { engine: restateEngine(server), runId: 'talker 2' }).subscribe(({ event }) => {
      if (event.type === 'step.emitted') words += 1;
      if (event.type === 'run.completed') wordsBefore = words;
    });

    expect((await execute(same, 7, { engine, runId: 'beside' })).output).toBe(7);
    const types = (await Promise.all(told)).map((each) => each.map(({ event }) => event.type).join(' '));

    expect(new Set(types)).toEqual(
      new Set([
        'run.started step.started step.completed step.started step.suspended step.answered step.completed step.started step.completed run.completed',
      ]),
    );
    expect((await said).filter(({ event }) => event.type === 'step.emitted')).toHaveLength(6);
    await waitFor(() => wordsBefore === 6, 30_000, 'the words of the second talker');
  });

  it('are all cancelled when they are left', async () => {
    const left = Array.from({ length: 100 }, (_, n) =>
      run(nap, n, { engine, runId: `left ${String(n)}` }).subscribe(),
    );
    await waitFor(
      async () => (await engine.loadRun(nap, 'left 99'))?.steps.get('some time')?.status === 'SUSPENDED',
      30_000,
      'the last one to sleep',
    );
    for (const each of left) each.unsubscribe();

    await waitFor(
      async () => (await engine.listRuns({ name: 'nap', status: 'RUNNING' })).length === 0,
      60_000,
      'their ends',
    );
  });
});
