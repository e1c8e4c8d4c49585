import * as t from 'io-ts';
import { lastValueFrom, tap } from 'rxjs';
import { ulid } from 'ulid';

import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { restateEngine } from '../../adapters/restate/client/restateEngine';
import type { RestateWorker } from '../../adapters/restate/worker/serveRestate';
import { serveRestate } from '../../adapters/restate/worker/serveRestate';
import type { Agent, RunState } from '../../index';
import { agent, approval, chain, execute } from '../../index';
import { isLong } from '../support/torture';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

/** How long the server keeps a life that has ended, how often it looks for those, and how long runs wait. */
const RETENTION_MS = isLong ? 3_000 : 2_500;
const CLEANUP_MS = isLong ? 1_000 : 500;
const WAITS_MS = isLong ? 20_000 : 5_500;
const DEADLINE_MS = isLong ? 15_000 : 4_500;
const seconds = (ms: number): string => `${String(ms / 1_000)} s`;

/** As a run is named that is given no id. */
let newId = '';

const calls: (readonly [runId: string, name: string])[] = [];
let isDown = true;

const charge = agent('charge', (id: string, { runId }) => {
  calls.push([runId, 'charge']);
  return id;
});
/** The runs that somebody follows: on a busy machine the end of one is forgotten before anybody has asked. */
const followed = new Set<string>();
const heard = (runId: string): Promise<void> =>
  waitFor(() => followed.has(runId), 60_000, `somebody to follow the run "${runId}"`);
const send = agent('send', async (given: unknown, { runId }) => {
  await heard(runId);
  return String(given);
});
const asking = chain('asking', charge, approval('ok', t.boolean), send);
const boss = agent('boss', async (_: unknown, { runId }) => {
  calls.push([runId, 'boss']);
  await heard(runId);
  return true;
});
const late = chain(
  'late',
  charge,
  approval('ok', t.boolean, { timeoutMs: DEADLINE_MS, onTimeout: boss }),
  agent('send', String),
);
const failing = chain(
  'failing',
  charge,
  agent('shaky', (id: string, { runId }) => {
    calls.push([runId, 'shaky']);
    if (isDown) throw new Error('down');
    return id;
  }),
);

const title = `a run that waits for ${seconds(WAITS_MS)} where lives are kept for ${seconds(RETENTION_MS)}`;
const ifServer = restateBinary() === undefined ? describe.skip : describe;

ifServer(title, () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;
  let endOfLate: Promise<RunState>;

  beforeAll(async () => {
    server = await startRestate({ cleanupInterval: `${String(CLEANUP_MS)}ms` });
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
    const restsAt = Date.now();
    endOfLate = endOf(late, 'late', () => callsOf('late').includes('boss'));
    endOfLate.catch(() => undefined);
    await waitFor(
      async () => Date.now() - restsAt >= WAITS_MS && (await livesOnServer()) === 0,
      WAITS_MS * 2,
      'their lives to be forgotten',
    );
    isDown = false;
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  /** How a run ends that goes on by itself, once it does. */
  const endOf = async (
    of: Agent<never, unknown>,
    runId: string,
    goesOn: () => boolean | Promise<boolean>,
  ): Promise<RunState> => {
    await waitFor(goesOn, DEADLINE_MS * 2, `"${runId}" to go on`);
    const told = engine.attach(of, runId).pipe(
      tap(() => {
        followed.add(runId);
      }),
    );
    return (await lastValueFrom(told)).state;
  };
  const ended = (of: Agent<never, unknown>, runId: string): Promise<RunState> =>
    endOf(of, runId, async () => (await engine.loadRun(of, runId))?.status !== 'SUSPENDED');
  const callsOf = (runId: string) => calls.flatMap(([of, name]) => (of === runId ? [name] : []));
  const query = async (text: string): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const answer = await fetch(`${server.admin}/query`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify({ query: text }),
    });
    return ((await answer.json()) as { readonly rows: readonly Readonly<Record<string, unknown>>[] }).rows;
  };
  const livesOnServer = async () =>
    (await query(`select id from sys_invocation where target_handler_name = 'run'`)).length;

  it('is answered, and calls nothing again', async () => {
    await engine.answer('answered', 'ok', true);

    await expect(ended(asking, 'answered')).resolves.toMatchObject({ status: 'COMPLETED', output: 'true' });
    expect(callsOf('answered')).toEqual(['charge']);
  });

  it('goes on when it is run again', async () => {
    const state = await execute(asking, 'x', { engine, runId: 'run again' });

    expect(state).toMatchObject({ status: 'SUSPENDED', life: 2 });
    expect(callsOf('run again')).toEqual(['charge']);
  });

  it('goes on under an id that was new when it began', async () => {
    const state = await execute(failing, 'x', { engine, runId: newId });

    expect(state).toMatchObject({ status: 'COMPLETED', life: 2 });
    expect(callsOf(newId)).toEqual(['charge', 'shaky', 'shaky']);
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

  it(`takes what its deadline decides after ${seconds(DEADLINE_MS)}, once`, async () => {
    const state = await endOfLate;

    expect(state).toMatchObject({ status: 'COMPLETED', output: 'true', life: 2 });
    expect((state.endedAt ?? 0) - state.startedAt).toBeGreaterThanOrEqual(DEADLINE_MS);
    expect(callsOf('late')).toEqual(['charge', 'boss']);
  });

  it('goes on after a failure where it stood, and calls nothing again that had completed', async () => {
    const state = await execute(failing, 'x', { engine, runId: 'failed' });

    expect(state).toMatchObject({ status: 'COMPLETED', output: 'x', life: 2 });
    expect(callsOf('failed')).toEqual(['charge', 'shaky', 'shaky']);
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

    const forgets = `select status from sys_invocation where target_handler_name = 'forget' and ends_with(target_service_key, '/${runId}')`;
    // The server begins what one service asks of another a moment later.
    await waitFor(async () => (await query(forgets)).length > 0, 10_000, 'it to be scheduled');
    await expect(query(forgets)).resolves.toEqual([{ status: 'scheduled' }]);
  });

  it('is forgotten once it has ended for so long, and its id is free', async () => {
    await waitFor(
      async () => (await engine.loadRun(asking, 'answered')) === undefined,
      60_000,
      'it to be forgotten',
    );
    await expect(execute(asking, 'again', { engine, runId: 'answered' })).resolves.toMatchObject({
      status: 'SUSPENDED',
      life: 1,
      input: 'again',
    });
    followed.delete('answered');
    await engine.answer('answered', 'ok', true);
    await expect(ended(asking, 'answered')).resolves.toMatchObject({ status: 'COMPLETED', input: 'again' });
    expect(callsOf('answered')).toEqual(['charge', 'charge']);
    expect(callsOf('late')).toEqual(['charge', 'boss']);
  });
});
