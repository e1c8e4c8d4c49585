import { firstValueFrom, lastValueFrom, mergeMap, range, toArray } from 'rxjs';

import { agent, execute, outcomes, run, runEach } from '../../index';
import type { RestateEngine } from '../../adapters/restate';
import { restateEngine } from '../../adapters/restate';
import { SLACK } from '../support/slack';
import { collect } from '../support/told';
import { endless, newVersion, oldVersion, report, signing } from './support/agents';
import { executedAgain } from './support/executedAgain';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';
import type { WorkerPool } from './support/workers';
import { workerPool } from './support/workers';

const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere('faults on Restate', () => {
  let server: RestateServer;
  let pool: WorkerPool;
  let engine: RestateEngine;
  let runs = 0;
  const nextId = () => `fault ${(runs += 1)}`;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    pool = await workerPool(ingress, admin);
    await Promise.all([pool.start(), pool.start()]);
    await pool.register();
    engine = restateEngine({ ingress, admin });
  });
  afterAll(async () => {
    await pool.close();
    await server.stop();
  });

  it('says that no server answers', async () => {
    const nowhere = restateEngine({ ingress: 'http://127.0.0.1:1', patienceMs: 300 });

    await expect(execute(report, 'a', { engine: nowhere })).rejects.toMatchObject({
      name: 'EngineUnreachableError',
      message: expect.stringContaining('http://127.0.0.1:1'),
    });
  });

  it('says that nobody serves an agent of this name', async () => {
    const stranger = agent('stranger', (n: number) => n);

    await expect(execute(stranger, 1, { engine })).rejects.toMatchObject({
      name: 'DefinitionNotServedError',
      message: expect.stringContaining('no worker serves'),
    });
  });

  it('says which versions are served when this one is not', async () => {
    const { served } = (await execute(
      agent('torture report', () => 1),
      undefined,
      { engine },
    ).catch((error: unknown) => error)) as { readonly served: readonly string[] };

    expect(served).toEqual([expect.stringMatching(/^[0-9a-f]{12}$/)]);
  });

  it('refuses an input that is too large', async () => {
    await expect(execute(report, 'x'.repeat(5_000_000), { engine })).rejects.toMatchObject({
      name: 'StateValueError',
    });
  });

  it('tears an agent down in the other process within two seconds when its run is left', async () => {
    const runId = nextId();
    const left = collect(run(endless, 'a', { engine, runId }));
    await waitFor(() => pool.executions().some((line) => line.runId === runId), 10_000, 'the agent');
    const leftAt = Date.now();
    left.leave?.();

    await waitFor(
      () => pool.executions().some((line) => line.runId === runId && line.kind === 'abort'),
      10_000,
      'the abort',
    );
    expect(Date.now() - leftAt).toBeLessThan(2_000 * SLACK);
  });

  it('lets a run go on that is only left, and follows it from elsewhere', async () => {
    const { ingress, admin } = server;
    const detached = restateEngine({ ingress, admin, onUnsubscribe: 'detach' });
    const runId = nextId();
    const left = collect(run(report, 'a', { engine: detached, runId }));
    await waitFor(() => left.told.includes('step.completed load'), 10_000, 'the first step');
    left.leave?.();

    const events = await lastValueFrom(engine.attach(report, runId).pipe(toArray()));
    expect(events[0]?.event.type).toBe('run.started');
    expect(events.at(-1)?.event.type).toBe('run.completed');
    expect(await engine.listRuns({ limit: 100 })).toContainEqual(
      expect.objectContaining({ runId, name: 'torture report', status: 'COMPLETED' }),
    );
  });

  it('forks a run from a step, and calls nothing before it', async () => {
    const runId = nextId();
    await execute(report, 'a', { engine, runId });
    const forkId = await engine.fork(runId, { agent: report, from: 'render' });

    const state = await firstValueFrom(engine.attach(report, forkId).pipe(outcomes()));
    expect(state).toMatchObject({ _tag: 'Right' });
    expect(pool.executions().filter((line) => line.runId === forkId && line.kind === 'begin')).toMatchObject([
      { path: 'render' },
    ]);
  });

  it('keeps an approval through a restart of the server and of all workers', async () => {
    const runId = nextId();
    const suspended = await execute(signing, 'a', { engine, runId });
    await server.kill();
    await Promise.all([pool.kill(0), pool.kill(1)]);
    await server.restart();
    await Promise.all([pool.start(), pool.start()]);
    await engine.answer(runId, 'sign', true, { agent: signing });

    expect(suspended.status).toBe('SUSPENDED');
    await waitFor(
      async () => (await engine.loadRun(signing, runId))?.status === 'COMPLETED',
      30_000,
      'the run',
    );
    expect(await engine.loadRun(signing, runId)).toMatchObject({ output: 'filed true', life: 2 });
    expect(
      pool
        .executions()
        .filter((line) => line.runId === runId && line.path === 'load' && line.kind === 'begin'),
    ).toHaveLength(1);
  });

  it('completes every run when a worker is killed in the middle, and calls nothing again that was recorded', async () => {
    const before = pool.executions().length;
    const results = lastValueFrom(
      range(0, 60).pipe(
        mergeMap((n) => [`k${n}`]),
        runEach(report, { engine, concurrency: 60, runId: (id) => `killed ${id}` }),
        outcomes(),
        toArray(),
      ),
    );
    await waitFor(() => pool.executions().length > before + 150, 30_000, 'the runs');
    await pool.kill(2);
    const ended = await results;
    await pool.start();

    expect(ended.filter(({ _tag }) => _tag === 'Right')).toHaveLength(60);
    for (const outcome of ended) {
      if (outcome._tag === 'Right')
        expect(outcome.right.output).toBe(expected(outcome.right.runId.slice('killed '.length)));
    }
    expect(executedAgain(pool.executions().slice(before))).toEqual([]);
  });

  it('completes every run when the server is killed in the middle and comes back', async () => {
    const before = pool.executions().length;
    const lostBefore = pool.lost().length;
    // Under way in any case when the server goes.
    const lasting = collect(run(endless, 'a', { engine, runId: nextId() }));
    await waitFor(() => lasting.told.includes('step.started endless'), 10_000, 'what lasts');
    const results = lastValueFrom(
      range(0, 40).pipe(
        mergeMap((n) => [`s${n}`]),
        runEach(report, { engine, concurrency: 40, runId: (id) => `server ${id}` }),
        outcomes(),
        toArray(),
      ),
    );
    await waitFor(() => pool.executions().length > before + 80, 30_000, 'the runs');
    await server.kill();
    await server.restart();
    const ended = await results;
    lasting.leave?.();

    expect(ended.filter(({ _tag }) => _tag === 'Right')).toHaveLength(40);
    // One warning of each worker, not one for every call.
    await waitFor(() => pool.lost().length > lostBefore, 10_000, 'the warning');
    expect(pool.lost().length).toBeLessThanOrEqual(6);
    expect(executedAgain(pool.executions().slice(before))).toEqual([]);
  });

  it('lets an old run finish on its definition while a new one is served', async () => {
    const old = execute(oldVersion, 'a', { engine, runId: nextId() });
    const fresh = execute(newVersion, 'a', { engine, runId: nextId() });

    expect([(await old).output, (await fresh).output]).toEqual(['a12', 'a123']);
  });

  it('says that no worker begins a run', async () => {
    const { ingress, admin } = server;
    const impatient = restateEngine({ ingress, admin, patienceMs: 2_000 });
    const [first, second, third, fourth, fifth] = [0, 1, 2, 3, 4, 5].slice(1);
    for (const place of [first, second, third, fourth, fifth])
      await pool.kill(place ?? 0).catch(() => undefined);

    await expect(execute(report, 'a', { engine: impatient, runId: 'stalled' })).rejects.toMatchObject({
      name: 'RunStalledError',
    });

    await pool.start();
    expect((await execute(report, 'a', { engine, runId: 'stalled' })).status).toBe('COMPLETED');
  });
});

function expected(id: string): string {
  const text = `text ${id}`;
  const upper = text.toUpperCase();
  return JSON.stringify({
    s: upper.length,
    t: upper.split(' '),
    d: `${text.length} ${text.split(' ').join()}`,
  });
}
