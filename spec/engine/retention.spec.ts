import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';
import { ulid } from 'ulid';

import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { restateEngine } from '../../adapters/restate/client/restateEngine';
import type { RestateWorker } from '../../adapters/restate/worker/serveRestate';
import { serveRestate } from '../../adapters/restate/worker/serveRestate';
import type { Agent, RunState } from '../../index';
import { agent, approval, chain, execute } from '../../index';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

const RETENTION_MS = 2_500;
/** By then the server has forgotten every life that ended before. */
const FORGOTTEN_MS = 5_500;

/** As a run is named that is given no id. */
let newId = '';

const calls: string[] = [];
let isDown = true;

const charge = agent('charge', (id: string, context) => {
  calls.push(`charge ${context.runId} ${id}`);
  return id;
});
const asking = chain('asking', charge, approval('ok', t.boolean), agent('send', String));
const boss = agent('boss', (_: unknown, context) => {
  calls.push(`boss ${context.runId}`);
  return true;
});
const late = chain(
  'late',
  charge,
  approval('ok', t.boolean, { timeoutMs: FORGOTTEN_MS, onTimeout: boss }),
  agent('send', String),
);
const failing = chain(
  'failing',
  charge,
  agent('shaky', (id: string) => {
    if (isDown) throw new Error('down');
    return id;
  }),
);

const ifServer = restateBinary() === undefined ? describe.skip : describe;

ifServer('a run that waits for longer than its lives are kept', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;
  let endOfLate: Promise<RunState | undefined>;

  beforeAll(async () => {
    server = await startRestate({ cleanupInterval: '500ms' });
    const { ingress, admin } = server;
    const agents = [asking, late, failing];
    worker = await serveRestate(agents, { port: 0, ingress, admin, retentionMs: RETENTION_MS });
    engine = restateEngine({ ingress, admin });
    newId = ulid();
    const started: readonly [Agent<string, unknown>, string][] = [
      [asking, 'answered'],
      [asking, 'run again'],
      [asking, 'cancelled'],
      [asking, 'looked at'],
      [asking, 'found'],
      [late, 'late'],
      [failing, 'failed'],
      [failing, 'failed, other input'],
      [failing, 'given up'],
      [asking, 'given up too'],
      [failing, newId],
    ];
    await Promise.all(started.map(([of, runId]) => execute(of, 'x', { engine, runId })));
    await new Promise((resolve) => setTimeout(resolve, FORGOTTEN_MS));
    isDown = false;
    // Looked at from now on: what its deadline has ended is forgotten too.
    endOfLate = ended(late, 'late');
    endOfLate.catch(() => undefined);
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  const ended = async (of: Agent<never, unknown>, runId: string) => {
    await waitFor(async () => (await engine.loadRun(of, runId))?.status !== 'SUSPENDED', 10_000, runId);
    const rest = new Set(['RUNNING', 'SUSPENDED']);
    await waitFor(async () => !rest.has((await engine.loadRun(of, runId))?.status ?? ''), 10_000, runId);
    return engine.loadRun(of, runId);
  };
  const callsOf = (runId: string) => calls.filter((call) => call.includes(` ${runId}`));

  it('is answered, and calls nothing again', async () => {
    await engine.answer('answered', 'ok', true);

    await expect(ended(asking, 'answered')).resolves.toMatchObject({ status: 'COMPLETED', output: 'true' });
    expect(callsOf('answered')).toEqual(['charge answered x']);
  });

  it('goes on when it is run again', async () => {
    const state = await execute(asking, 'x', { engine, runId: 'run again' });

    expect(state).toMatchObject({ status: 'SUSPENDED', life: 2 });
    expect(callsOf('run again')).toHaveLength(1);
  });

  it('goes on under an id that was new when it began', async () => {
    const state = await execute(failing, 'x', { engine, runId: newId });

    expect(state).toMatchObject({ status: 'COMPLETED', life: 2 });
    expect(callsOf(newId)).toHaveLength(1);
  });

  it('has no id that would be taken for a new one later', async () => {
    const runId = ulid(Date.now() + 10_000);

    await expect(execute(asking, 'x', { engine, runId })).rejects.toThrow(
      `Cannot begin run "${runId}": its id is a ULID of a time that is more than ${RETENTION_MS} ms from now`,
    );
    expect(callsOf(runId)).toEqual([]);
  });

  it('can be looked at', async () => {
    const told = engine.attach(asking, 'looked at');

    await expect(lastValueFrom(told)).resolves.toMatchObject({
      event: { type: 'run.suspended', waiting: ['ok'] },
      state: { status: 'SUSPENDED', input: 'x' },
    });
    await expect(engine.loadRun(asking, 'looked at')).resolves.toMatchObject({ status: 'SUSPENDED' });
    await expect(engine.loadRun(asking, 'nobody')).resolves.toBeUndefined();
  });

  it('is found by its id alone', async () => {
    const stranger = restateEngine({ ingress: server.ingress, admin: server.admin });
    await stranger.answer('found', 'ok', false);

    await expect(ended(asking, 'found')).resolves.toMatchObject({ status: 'COMPLETED', output: 'false' });
  });

  it('can be cancelled', async () => {
    await engine.cancel('cancelled');

    await expect(ended(asking, 'cancelled')).resolves.toMatchObject({ status: 'CANCELLED' });
  });

  it('takes what its deadline decides, once', async () => {
    await expect(endOfLate).resolves.toMatchObject({ status: 'COMPLETED', output: 'true' });
    expect(callsOf('late')).toEqual(['charge late x', 'boss late']);
  });

  it('goes on after a failure where it stood', async () => {
    const state = await execute(failing, 'x', { engine, runId: 'failed' });

    expect(state).toMatchObject({ status: 'COMPLETED', output: 'x', life: 2 });
    expect(callsOf('failed')).toContainEqual('charge failed x');
    expect(callsOf('failed').filter((call) => call === 'charge failed x')).toHaveLength(1);
  });

  it('refuses another input for it', async () => {
    await expect(execute(failing, 'y', { engine, runId: 'failed, other input' })).rejects.toMatchObject({
      name: 'InputMismatchError',
    });
  });

  it.each([
    ['given up', failing],
    ['given up too', asking],
  ])('is forgotten where somebody gives it up: %s', async (runId, of) => {
    await expect(engine.deleteRun(runId, { agent: of })).resolves.toBe(true);
    await expect(engine.deleteRun('nobody', { agent: of })).resolves.toBe(false);

    const query = `select status from sys_invocation where target_handler_name = 'forget' and ends_with(target_service_key, '/${runId}')`;
    const answer = await fetch(`${server.admin}/query`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    await expect(answer.json()).resolves.toEqual({ rows: [{ status: 'scheduled' }] });
  });

  it('is forgotten once it has ended for so long, and its id is free', async () => {
    await new Promise((resolve) => setTimeout(resolve, FORGOTTEN_MS));

    await waitFor(
      async () => (await engine.loadRun(asking, 'answered')) === undefined,
      30_000,
      'it to be forgotten',
    );
    await expect(execute(asking, 'again', { engine, runId: 'answered' })).resolves.toMatchObject({
      status: 'SUSPENDED',
      life: 1,
      input: 'again',
    });
    await engine.answer('answered', 'ok', true);
    await expect(ended(asking, 'answered')).resolves.toMatchObject({ status: 'COMPLETED', input: 'again' });
  });
});
