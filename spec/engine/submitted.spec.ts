import * as t from 'io-ts';
import { lastValueFrom, toArray } from 'rxjs';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { FLUSH_MS } from '../../adapters/restate/protocol/wireLimits';
import { agent, answer, approval, cancel, chain, execute, fork, schedule, submit } from '../../index';
import { reduceRun } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';
import type { KeptEvent, RunQuery } from '../../storePort';
import { SLACK } from '../support/slack';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;

const order = chain('order', approval('manager', t.boolean), agent('ship', String));
const calls: number[] = [];
const note = agent('note', (input: number) => {
  calls.push(input);
  return input;
});

/** Tells in its journal what has been so far. */
const slow = agent('slow', async (word: string) => {
  await new Promise((resolve) => setTimeout(resolve, 2 * FLUSH_MS));
  return word;
});
const same = agent('same', (word: string) => word);
const lost = agent('lost', (_: string): string => {
  throw new Error('lost on its way');
});
const slowOrder = chain('slow order', slow, same, approval('manager', t.boolean));
const slowLoss = chain('slow loss', slow, same, lost);

const ticks: string[] = [];
const tick = agent('tick', (_: unknown, { runId }) => {
  ticks.push(runId);
});
const slowTicks: string[] = [];
let isTold = false;
/** Goes on past two ticks of the other schedule, whenever they come. */
const slowTick = agent('slow tick', async (_: unknown, { runId, signal }) => {
  slowTicks.push(runId);
  const end = ticks.length + 2;
  while (ticks.length < end && !isTold && !signal.aborted)
    await new Promise((resolve) => setTimeout(resolve, 20));
});
/** Until then, what is handed over behind it has begun. */
const DELAY_MS = 1_500 * SLACK;

describeHere('what is handed over to Restate', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;
  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    worker = await serveRestate([order, slowOrder, slowLoss, note, slowTick, tick], {
      port: 0,
      ingress,
      admin,
    });
    engine = restateEngine({ ingress, admin });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });
  const isAt = (runId: string, status: string) => async () =>
    (await engine.loadRun(note, runId))?.status === status;

  it('begins by itself, once, also after a delay', async () => {
    const began = Date.now();
    expect(await submit(note, 2, { engine, runId: 'late', delayMs: DELAY_MS })).toEqual({
      runId: 'late',
      became: 'queued',
      isServed: true,
    });
    expect(await submit(note, 1, { engine, runId: 'now' })).toMatchObject({ became: 'queued' });
    expect(await submit(note, 9, { engine, runId: 'now' })).toMatchObject({ became: 'known' });

    await waitFor(isAt('now', 'COMPLETED'), 5_000, 'the first');
    await waitFor(isAt('late', 'COMPLETED'), 10_000, 'the second');
    expect(Date.now() - began).toBeGreaterThanOrEqual(DELAY_MS);
    expect(calls).toEqual([1, 2]);
  });

  it('is taken back before it begins, and says without an admin that only that can', async () => {
    const later = { engine, runId: 'taken back', delayMs: 600_000 };
    await submit(note, 7, later);
    const followed = execute(note, 7, { engine, runId: 'taken back' }).catch((error: unknown) => error);
    const bare = restateEngine({ ingress: server.ingress, patienceMs: 8_000 });
    await expect(cancel('taken back', { engine: bare, agent: note })).rejects.toMatchObject({
      name: 'InvalidArgumentError',
      message: expect.stringContaining('no worker has begun it; give restateEngine({ ingress, admin })'),
    });
    await cancel('taken back', { engine });

    expect(await engine.loadRun(note, 'taken back')).toBeUndefined();
    expect(await followed).toMatchObject({ name: 'UnknownRunError' });
    await expect(cancel('taken back', { engine, agent: note })).rejects.toThrow('taken back');
    expect(await submit(note, 7, later)).toMatchObject({ became: 'queued' });
    await cancel('taken back', { engine });
    expect(calls).not.toContain(7);
  });

  it('refuses by name what the server does not have', async () => {
    await expect(submit(note, 1, { engine, priority: 1 })).rejects.toThrow('"priority"');
    await expect(submit(note, 1, { engine, tags: { customer: '42' } })).rejects.toThrow('"tags"');
    await expect(submit(note, 1, { engine, maxBacklog: 1 })).rejects.toThrow('"maxBacklog"');
  });

  it('is refused by name where nobody serves it', async () => {
    const other = chain('note', note, note);

    await expect(submit(other, 1, { engine, runId: 'other' })).rejects.toMatchObject({
      name: 'DefinitionNotServedError',
    });
  });

  it('is not forked before it has begun, when nobody knows its input', async () => {
    await submit(note, 7, { engine, runId: 'to be forked', delayMs: DELAY_MS });
    await expect(fork('to be forked', { engine, agent: note, runId: 'too early' })).rejects.toMatchObject({
      name: 'InvalidArgumentError',
      next: 'fork it once it has begun',
    });
    await waitFor(isAt('to be forked', 'COMPLETED'), 10_000, 'the end');
    await fork('to be forked', { engine, agent: note, runId: 'forked' });

    await waitFor(isAt('forked', 'COMPLETED'), 10_000, 'the end of the fork');
    expect((await engine.loadRun(note, 'forked'))?.output).toBe(7);
    expect(await engine.loadRun(note, 'too early')).toBeUndefined();
  });

  it('gives the events of a life, which fold to how the run stands', async () => {
    const suspended = await execute(order, 'box', { engine, runId: 'events' });
    const first = await lastValueFrom(engine.events('events').pipe(toArray()));
    await answer('events', 'manager', true, { engine });
    await waitFor(
      async () => (await engine.loadRun(order, 'events'))?.status === 'COMPLETED',
      10_000,
      'the answer',
    );
    const second = await lastValueFrom(engine.events('events').pipe(toArray()));
    const rest = await lastValueFrom(engine.events('events', { after: 2 }).pipe(toArray()));

    const fold = (kept: readonly KeptEvent[]) =>
      kept.reduce((state, { event }) => reduceRun(state, event), idleState('events', 'order', []));
    expect(fold(first)).toMatchObject({ status: suspended.status });
    expect(second[0]?.event.type).toBe('run.imported');
    expect(fold(second).status).toBe('COMPLETED');
    expect(fold(second).output).toBe('true');
    expect(rest).toEqual(second.slice(2));
    expect(second.map(({ offset }) => offset)).toEqual(second.map((_, index) => index + 1));
    await expect(lastValueFrom(engine.events('nobody', { agent: note }))).rejects.toThrow('nobody');
  });

  it('lists by status, name and text', async () => {
    await execute(note, 3, { engine, runId: 'listed' });
    const ids = async (query: RunQuery) => (await engine.listRuns(query)).map(({ runId }) => runId);

    expect(await ids({ text: 'LISTED' })).toEqual(['listed']);
    expect(await ids({ text: 'LISTED', status: 'FAILED' })).toEqual([]);
  });

  it('lists what a run waits for and where it has failed, however long its life took', async () => {
    await execute(slowOrder, 'box', { engine, runId: 'slow order' });
    await execute(slowLoss, 'box', { engine, runId: 'slow loss' });

    expect(await engine.listRuns({ text: 'slow order' })).toMatchObject([
      { status: 'SUSPENDED', waiting: [{ path: 'manager' }] },
    ]);
    expect(await engine.listRuns({ text: 'slow loss' })).toMatchObject([
      { status: 'FAILED', failedStep: 'lost' },
    ]);
  });

  it('keeps why a run was cancelled, one that waits and one that is under way', async () => {
    await execute(order, 'a book', { engine, runId: 'waits' });
    await cancel('waits', { engine, agent: order, reason: 'sold out' });
    const waits = async () => engine.loadRun(order, 'waits');
    await waitFor(async () => (await waits())?.status === 'CANCELLED', 10_000, 'the cancel');
    expect((await waits())?.reason).toBe('sold out');

    const running = execute(slowTick, undefined, { engine, runId: 'runs' });
    await waitFor(() => Promise.resolve(slowTicks.includes('runs')), 10_000, 'the call');
    await cancel('runs', { engine, agent: slowTick, reason: 'too slow' });
    expect(await running).toMatchObject({ status: 'CANCELLED', reason: 'too slow' });
    slowTicks.length = 0;
  });

  it('runs each tick of a schedule once with two workers, and skips what would overlap', async () => {
    const { ingress, admin } = server;
    const schedules = [schedule('1 second', tick), schedule('1 second', slowTick)];
    const workers = [
      await serveRestate([], { port: 0, ingress, admin, schedules }),
      await serveRestate([], { port: 0, ingress, admin, schedules }),
    ];
    await waitFor(() => Promise.resolve(ticks.length >= 5), 20_000, 'five ticks');
    for (const one of workers) await one.close();
    const [count, slowCount] = [ticks.length, slowTicks.length];
    isTold = true;

    expect(new Set(ticks).size).toBe(ticks.length);
    expect(new Set(slowTicks).size).toBe(slowTicks.length);
    expect(slowCount).toBeLessThanOrEqual(Math.floor(count / 2) + 1);
    const missed = [schedule('1 second', tick, undefined, { catchUp: 'all' })];
    await expect(serveRestate([], { port: 0, ingress, schedules: missed })).rejects.toThrow('catchUp "all"');
  });
});
