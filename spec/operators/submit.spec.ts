import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Subscription } from 'rxjs';

import { BacklogFullError, StateValueError } from '../../errors';
import type { Agent, Store } from '../../index';
import { agent, cancel, execute, lowdbStore, memoryStore, serve, submit } from '../../index';
import type { Attendance } from '../../lib/store/store';
import { until } from '../support/until';

describe.each([
  ['memory', undefined],
  ['a folder, from another store', 'folder'],
])('submit() to a store in %s', (_place, kind) => {
  let folder: string;
  let owner: Store;
  let other: Store;
  let serving: Subscription | undefined;
  let order: unknown[];
  let warned: string[];

  const note = agent('note', async (input: unknown) => {
    order.push(input);
    await new Promise((resolve) => setTimeout(resolve, 1));
    return input;
  });
  const serveAll = (agents: readonly Agent<never, unknown>[], concurrency = 16): void => {
    serving = serve(agents, { store: owner, concurrency }).subscribe(({ event }) => {
      if (event.type === 'step.logged') warned.push(event.message);
    });
  };
  const count = async () => (await owner.listRuns({ status: 'COMPLETED' })).length;

  beforeEach(() => {
    order = [];
    warned = [];
    folder = mkdtempSync(join(tmpdir(), 'millrace-submit-'));
    owner = kind === undefined ? memoryStore() : lowdbStore(folder);
    other = kind === undefined ? owner : lowdbStore(folder);
  });
  afterEach(async () => {
    serving?.unsubscribe();
    await owner.close();
    await other.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('begins runs in the order of their priority, then of their age, as there is room', async () => {
    for (const [i, priority] of [0, 5, 0, 9, -1, 5].entries())
      await submit(note, i, { store: other, runId: `r${String(i)}`, priority });
    expect(await owner.queue.size()).toBe(6);

    serveAll([note], 1);

    await until(async () => (await count()) === 6);
    expect(order).toEqual([3, 1, 5, 0, 2, 4]);
    expect(await other.queue.size()).toBe(0);
    if (kind !== undefined) expect(readdirSync(join(folder, 'queue'))).toEqual([]);
  });

  it('says whether the run is new, and whether somebody serves', async () => {
    expect(await submit(note, 1, { store: other, runId: 'r' })).toEqual({
      runId: 'r',
      became: 'queued',
      isServed: false,
    });
    expect(await submit(note, 2, { store: other, runId: 'r', priority: 7 })).toMatchObject({
      became: 'known',
    });
    serveAll([note]);
    await until(async () => (await count()) === 1);
    expect(await submit(note, 3, { store: owner })).toMatchObject({ became: 'queued', isServed: true });
    await until(async () => (await count()) === 2);
    await submit(note, 4, { store: owner, runId: 'r' });
    await until(async () => (await owner.queue.size()) === 0);

    expect(order).toEqual([1, 3]);
  });

  it('lets a run wait for so long, and a later one pass it', async () => {
    serveAll([note]);
    const began = Date.now();
    await submit(note, 'late', { store: other, delayMs: 3_600_000 });
    await submit(note, 'now', { store: other });
    await until(() => order.length === 1);
    await submit(note, 'soon', { store: other, delayMs: 300 });

    await until(async () => (await count()) === 2);
    expect(order).toEqual(['now', 'soon']);
    expect(Date.now() - began).toBeGreaterThanOrEqual(300);
    expect(await other.queue.size()).toBe(1);
  });

  it('knows a run that is under way, and one that has ended', async () => {
    let leave: (() => void) | undefined;
    const busy = agent('busy', () => new Promise<void>((resolve) => (leave = resolve)));
    const running = execute(busy, undefined, { store: owner, runId: 'r' });
    await until(() => leave !== undefined);
    for (const store of [other, owner])
      expect((await submit(busy, undefined, { store, runId: 'r' })).became).toBe('known');
    leave?.();
    await running;
    expect((await submit(busy, undefined, { store: other, runId: 'r' })).became).toBe('known');
    expect(await owner.queue.size()).toBe(0);
  });

  it('begins a run anew that was taken back, when and in the order that was said then', async () => {
    let leave = (): void => undefined;
    const busy = agent('busy', () => new Promise<void>((resolve) => (leave = resolve)));
    const attendances: Attendance[] = [];
    const attend = owner.attend.bind(owner);
    owner = {
      ...owner,
      attend: async (attendant) => {
        const attendance = await attend(attendant);
        attendances.push(attendance);
        return attendance;
      },
    };
    /** Until whoever serves knows of a run that is due before all others that are delayed, and so of what was there before it. */
    const isLookedAt = async (runId: string, delayMs: number): Promise<void> => {
      await submit(note, 'late', { store: other, runId, delayMs });
      await until(() => attendances.some((attendance) => attendance.queuedAt() <= Date.now() + delayMs));
    };
    serveAll([note, busy], 1);
    await submit(busy, undefined, { store: other, runId: 'busy' });
    await until(async () => (await other.loadRun('busy'))?.status === 'RUNNING');
    await submit(note, 'old', { store: other, runId: 'x', priority: -5 });
    await submit(note, 'old', { store: other, runId: 'y', delayMs: 3_600_000 });
    await submit(note, 'middle', { store: other, runId: 'm' });
    await isLookedAt('mark 1', 1_800_000);

    for (const runId of ['x', 'y']) await cancel(runId, { store: other });
    await submit(note, 'first', { store: other, runId: 'x', priority: 10 });
    await submit(note, 'last', { store: other, runId: 'y', priority: -1 });
    await isLookedAt('mark 2', 900_000);
    leave();

    await until(async () => (await count()) === 4);
    expect(order).toEqual(['first', 'middle', 'last']);
    for (const runId of ['mark 1', 'mark 2']) await cancel(runId, { store: other });
    if (kind !== undefined) await until(() => readdirSync(join(folder, 'queue')).length === 0);
  });

  it('refuses by name what is over the backlog, until there is room', async () => {
    await submit(note, 1, { store: other, maxBacklog: 2 });
    await submit(note, 2, { store: other, maxBacklog: 2 });

    const refused = submit(note, 3, { store: other, maxBacklog: 2, runId: 'third' });
    await expect(refused).rejects.toThrow(BacklogFullError);
    await expect(refused).rejects.toMatchObject({ code: 'BACKLOG_FULL', runId: 'third', maxBacklog: 2 });
    serveAll([note]);
    await until(async () => (await count()) === 2);
    expect(await submit(note, 3, { store: other, maxBacklog: 2 })).toMatchObject({ became: 'queued' });
    await until(async () => (await count()) === 3);
  });

  it('takes no more than the backlog holds of many that come at once', async () => {
    const taken = await Promise.allSettled(
      Array.from({ length: 300 }, (_, i) => submit(note, i, { store: other, maxBacklog: 200 })),
    );

    expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(200);
    expect(await other.queue.size()).toBe(200);
  });

  it('keeps a run whose agent is not served for whoever serves it later, and says so', async () => {
    await submit(agent('later', String), 1, { store: other, runId: 'r', priority: 9 });
    await submit(note, 2, { store: other });
    serveAll([note]);
    await until(async () => (await count()) === 1);
    serving?.unsubscribe();
    expect(warned).toEqual([expect.stringContaining('nobody serves "later" here')]);

    serveAll([agent('later', String)]);

    await until(async () => (await owner.loadRun('r'))?.output === '1');
  });

  it('takes back a run that waits when it is cancelled or deleted, and begins it no more', async () => {
    await submit(note, 1, { store: other, runId: 'a' });
    await submit(note, 2, { store: other, runId: 'b' });

    await cancel('a', { store: other });
    expect(await other.deleteRun('b')).toBe(true);

    if (kind !== undefined) await other.close();
    serveAll([note]);
    await until(() => owner.isServed());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(order).toEqual([]);
    expect(await owner.queue.size()).toBe(0);
  });

  it('begins a run whose server was stopped before its turn with whoever serves next', async () => {
    const slow = agent('slow', async (input: number) => {
      order.push(input);
      if (order.length <= 2) await new Promise(() => undefined);
      return input;
    });
    for (let i = 0; i < 6; i += 1) await submit(slow, i, { store: other });
    serveAll([slow], 2);
    await until(() => order.length === 2);
    serving?.unsubscribe();

    serveAll([slow], 2);

    await until(async () => (await count()) === 6);
    expect([...new Set(order)]).toHaveLength(6);
  });

  it('refuses what it cannot queue', async () => {
    await expect(submit(note, new Map(), { store: other })).rejects.toThrow(StateValueError);
    await expect(submit(note, 1, { store: other, priority: NaN })).rejects.toThrow('priority is NaN');
    await expect(submit(note, 1, { store: other, delayMs: -1 })).rejects.toThrow('delayMs is -1');
    await expect(submit(note, 1, { store: other, maxBacklog: 0 })).rejects.toThrow('maxBacklog is 0');
    await expect(submit(note, 1, {} as never)).rejects.toThrow('neither a store nor an engine');
    await expect(submit(note, 1, { store: other, tags: { shop: 7 } as never })).rejects.toThrow(
      'Cannot submit a run with the tag "shop" of type number',
    );
    expect(await other.queue.size()).toBe(0);
    await execute(note, 1, { store: owner });
  });
});

it('a folder can be listed after a restart where a queued run has tags that are not strings', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-submit-'));
  const other = lowdbStore(folder);
  const owner = lowdbStore(folder);
  const note = agent('note', (input: unknown) => input);
  const warned: string[] = [];
  const tags = { shop: 7 } as never;
  await other.queue.add({ runId: 'r', name: 'note', input: 1, priority: 0, tags }, 10);
  const serving = serve([note], { store: owner }).subscribe(({ event }) => {
    if (event.type === 'step.logged') warned.push(event.message);
  });
  await until(() => warned.length > 0);
  expect(warned[0]).toContain('its tags are not strings');
  serving.unsubscribe();
  await owner.close();

  const again = lowdbStore(folder);
  expect(await again.listRuns()).toEqual([]);
  await execute(note, 1, { store: again });
  await again.close();
  await other.close();
  rmSync(folder, { recursive: true, force: true });
});
