import * as t from 'io-ts';
import { firstValueFrom, map } from 'rxjs';

import type { RestateEngine } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { agent, approval, chain, execute, run } from '../../index';
import { hang } from '../contract/cases/agents';
import type { RestateServer } from './support/restateServer';
import { freePorts, restateBinary, startRestate, waitFor } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;

const agreed = chain('agreed', approval<boolean, string>('agree', t.boolean));
const far = agent('far', (text: string) => text);
const sent = chain(
  'sent',
  agent('first', (text: string) => text),
  far,
);
const endless = agent('endless', hang);

describeHere('workers that are not there', () => {
  let server: RestateServer;
  let engine: RestateEngine;

  beforeAll(async () => {
    server = await startRestate();
    engine = restateEngine({ ...server, patienceMs: 2_000 });
  });
  afterAll(() => server.stop());

  it('says that no worker answers, and keeps what was asked', async () => {
    const worker = await serveRestate([agreed], { port: 0, ...server });
    await execute(agreed, 'a', { engine, runId: 'alone' });
    await worker.close();

    const asked = [
      engine.answer('alone', 'agree', true, { agent: agreed }),
      engine.loadRun(agreed, 'alone'),
      engine.fork('alone', { agent: agreed, from: 'agree' }),
      firstValueFrom(engine.attach(agreed, 'alone')),
    ];
    for (const { status, ...outcome } of await Promise.allSettled(asked)) {
      expect(status).toBe('rejected');
      expect(outcome).toMatchObject({
        reason: {
          name: 'WorkerUnreachableError',
          message: expect.stringContaining('start one with serveRestate()'),
        },
      });
    }

    const other = await serveRestate([agreed], { port: 0, ...server });
    await waitFor(
      async () => (await engine.loadRun(agreed, 'alone'))?.status === 'COMPLETED',
      15_000,
      'the answer that was kept',
    );
    await other.close();
  });

  it('names the pool that nobody serves', async () => {
    const worker = await serveRestate([sent], {
      port: 0,
      ...server,
      placement: (name) => (name === 'far' ? { pool: 'moon' } : 'inline'),
    });
    const told: string[] = [];
    await execute(sent, 'a', { engine, runId: 'no pool' }).catch((error: unknown) =>
      told.push(String(error)),
    );
    expect(told).toEqual([expect.stringContaining('no registered worker serves the pool "moon"')]);
    await worker.close();
  });

  it('says that nothing arrives from a worker that was given a wrong address', async () => {
    const [nobody] = await freePorts(1);
    const worker = await serveRestate([endless], {
      port: 0,
      admin: server.admin,
      ingress: `http://127.0.0.1:${nobody}`,
    });
    const events = run(endless, 'a', { engine, runId: 'unheard' }).pipe(map(({ event }) => event));
    await expect(firstValueFrom(events)).resolves.toMatchObject({
      type: 'step.logged',
      level: 'WARNING',
      message: expect.stringContaining('nothing that it tells arrives'),
    });
    await waitFor(
      async () => (await engine.loadRun(endless, 'unheard'))?.status === 'CANCELLED',
      10_000,
      'the end of what was left',
    );
    await worker.close();
  });
});
