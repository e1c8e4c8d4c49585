import { setTimeout as wait } from 'node:timers/promises';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { register, restateEngine, serveRestate } from '../../adapters/restate';
import type { StepPolicy } from '../../index';
import { agent, cancel, chain, execute, saga, submit } from '../../index';
import { placements } from './support/placements';
import type { RestateServer } from './support/restateServer';
import { freePorts, restateBinary, startRestate, waitFor } from './support/restateServer';

let isOpen = false;
const holding = new Set<string>();
const calls: string[] = [];
const undone: string[] = [];

const counted = (name: string, policy: StepPolicy = {}) =>
  agent(
    name,
    (n: number, { runId }) => {
      calls.push(`${runId} ${name} ${String(n)}`);
      return n + 1;
    },
    policy,
  );
const held = agent('held', async (n: number, { runId, signal }) => {
  holding.add(runId);
  while (!isOpen && !signal.aborted) await wait(20);
  return n;
});
const book = agent('book', (n: number) => n, {
  compensate: (_: unknown, { runId }) => {
    undone.push(runId);
  },
});
const trip = (placed: string, policy: StepPolicy = {}) =>
  saga(`trip ${placed}`, chain('steps', book, counted('a', policy), counted('b'), held));

const ifServer = restateBinary() === undefined ? describe.skip : describe;

ifServer('a worker that is gone before it could tell anything of its runs', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    const [port = 0] = await freePorts(1);
    const of = { port, admin, placement: (name: string) => (name === 'a' ? placed : 'inline') };
    const [, placed = 'call'] = placements;
    engine = restateEngine({ ingress, admin });
    // Nobody listens there, so that it tells nothing: as one that is gone too soon.
    worker = await serveRestate([trip('here'), trip('there')], { ...of, ingress: 'http://127.0.0.1:1' });
    for (const where of ['here', 'there'])
      for (const runId of [`goes on ${where}`, `cancelled ${where}`])
        await submit(trip(where), 7, { engine, runId });
    await waitFor(() => holding.size === 4, 30_000, 'the steps under way');
    await worker.close();
    worker = await serveRestate([trip('here', { cache: {} }), trip('there', { cache: {} })], {
      ...of,
      ingress,
    });
  }, 120_000);
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  const statusOf = async (where: string, how: string) =>
    (await engine.loadRun(trip(where, { cache: {} }), `${how} ${where}`))?.status;

  it.each(['here', 'there'])('undoes what had been done when the run is cancelled: %s', async (where) => {
    await cancel(`cancelled ${where}`, { engine, agent: trip(where, { cache: {} }) });
    await waitFor(async () => (await statusOf(where, 'cancelled')) === 'CANCELLED', 30_000, 'its end');

    expect(undone).toContain(`cancelled ${where}`);
  });

  it.each(['here', 'there'])('goes on with the input, and calls nothing again: %s', async (where) => {
    isOpen = true;
    await waitFor(async () => (await statusOf(where, 'goes on')) === 'COMPLETED', 60_000, 'its end');

    expect(calls.filter((call) => call.startsWith(`goes on ${where}`))).toEqual([
      `goes on ${where} a 7`,
      `goes on ${where} b 8`,
    ]);
    await expect(engine.loadRun(trip(where, { cache: {} }), `goes on ${where}`)).resolves.toMatchObject({
      input: 7,
      output: 9,
    });
  });
});

ifServer('a worker that closes with many runs under way', () => {
  it('has told what has ended in the latest of them', async () => {
    const many = 60;
    isOpen = false;
    holding.clear();
    const server = await startRestate();
    const { ingress, admin } = server;
    const worker = await serveRestate([trip('here')], { port: 0, ingress, admin });
    const engine = restateEngine({ ingress, admin });
    const begin = (runId: string) => submit(trip('here'), 7, { engine, runId });
    await Promise.all(Array.from({ length: many }, (_, index) => begin(String(index))));
    await waitFor(() => holding.size === many, 60_000, 'the steps under way');
    /** The runs that have told that a step has ended. */
    const told = async (): Promise<ReadonlySet<string>> => {
      const query = `select service_key from sys_promise where completion_success_value_utf8 like '%step.completed%"path":"steps/b"%'`;
      const answer = await fetch(`${admin}/query`, {
        method: 'POST',
        headers: { accept: 'application/json', 'content-type': 'application/json' },
        body: JSON.stringify({ query }),
      });
      const { rows } = (await answer.json()) as {
        readonly rows: readonly { readonly service_key: string }[];
      };
      return new Set(rows.map((row) => row.service_key));
    };
    // Where so many are under way, one tells early what it does after two seconds. A worker that closes has little time for it.
    await waitFor(async () => (await told()).size === many, 60_000, 'what the others tell');
    await begin('latest');
    await waitFor(() => holding.size > many, 60_000, 'the latest');
    await worker.close();

    expect(await told()).toContain('latest');
    await server.stop();
  }, 120_000);
});

ifServer('workers behind a balancer', () => {
  let server: RestateServer;
  let engine: RestateEngine;
  let worker: RestateWorker;
  const after = trip('here', { cache: {} });

  /** A run under way, and the worker gone with which it began. */
  beforeEach(async () => {
    isOpen = false;
    holding.clear();
    server = await startRestate();
    const { ingress, admin } = server;
    const [port = 0] = await freePorts(1);
    engine = restateEngine({ ingress, admin });
    worker = await serveRestate([trip('here')], { port, ingress });
    await register(admin, worker.uri);
    await submit(trip('here'), 7, { engine, runId: 'stuck' });
    await waitFor(() => holding.size === 1, 30_000, 'the step under way');
    await worker.close();
    isOpen = true;
  }, 120_000);
  afterEach(async () => {
    await worker.close();
    await server.stop();
  });

  it('say without admin which runs they cannot let go on, and an engine with admin does', async () => {
    const warnings: string[] = [];
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation((text) => {
      warnings.push(String(text));
    });
    worker = await serveRestate([after], { port: worker.port, ingress: server.ingress });

    await waitFor(
      () => warnings.some((text) => /^Run "stuck" .*give a worker admin/.test(text)),
      30_000,
      'it',
    );
    warn.mockRestore();
    await expect(execute(after, 7, { engine, runId: 'stuck' })).resolves.toMatchObject({
      status: 'COMPLETED',
      output: 9,
    });
  }, 120_000);

  it('let them go on with admin, and register nothing', async () => {
    const deployments = async () =>
      ((await (await fetch(`${server.admin}/deployments`)).json()) as { deployments: readonly object[] })
        .deployments;
    const before = await deployments();
    const { ingress, admin } = server;
    worker = await serveRestate([after], { port: worker.port, ingress, admin, registers: false });

    await waitFor(
      async () => (await engine.loadRun(after, 'stuck'))?.status === 'COMPLETED',
      60_000,
      'its end',
    );
    await expect(deployments()).resolves.toEqual(before);
  }, 120_000);
});
