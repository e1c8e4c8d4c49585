import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { lastValueFrom, map, toArray } from 'rxjs';

import type { Store } from '../../../index';
import {
  agent,
  chain,
  execute,
  fork,
  lowdbStore,
  memoryStore,
  restore,
  resume,
  workflow,
} from '../../../index';
import { EventsNotKeptError } from '../../../errors';
import type { RunEvent } from '../../../lib/model/event';
import { SideReader } from '../../../lib/store/folder/folderReader';
import type { KeptEvent, RunChange } from '../../../lib/store/store';
import { amount, seedOr } from '../../support/torture';
import { fault, storeOn, work, workUntil } from './support/crash';
import { append, life } from './support/life';
import { MemoryFiles } from './support/memoryFiles';
import { eventsOf, faultIn } from './support/foldedEvents';
import { random } from './support/random';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-events-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A store in a folder, read by another one that has not opened it. */
const places: readonly (readonly [string, () => readonly [Store, Store]])[] = [
  ['in memory', () => [memoryStore(), memoryStore()]],
  ['in a folder', () => [lowdbStore(folder, { durability: 'process' }), lowdbStore(folder)]],
];

describe.each(places)('the kept events of a run %s', (place, open) => {
  const failing = () => {
    let calls = 0;
    return agent(
      'flaky',
      (n: number, { log }) => {
        calls += 1;
        log('INFO', 'trying', { calls, apiKey: 'sk-abc' });
        if (calls < 3) throw new Error(`boom ${String(calls)}`, { cause: new TypeError('below') });
        return n;
      },
      { retry: { count: 2, delayMs: 5 } },
    );
  };

  it('tell both failed attempts with stack and cause, the gap between them and the log lines', async () => {
    const [store, other] = open();
    await execute(failing(), 1, { store, runId: 'r' });
    await store.close();
    const kept = await eventsOf(place === 'in memory' ? store : other, 'r');

    const errors = kept.flatMap(({ event }) => (event.type === 'step.retrying' ? [event] : []));
    expect(errors.map(({ error, delayMs }) => [error.message, error.cause?.message, delayMs])).toEqual([
      ['boom 1', 'below', 5],
      ['boom 2', 'below', 5],
    ]);
    for (const { error } of errors) {
      expect(error.stack).toMatch(/keptEvents\.spec/);
      expect(error.cause?.stack).toMatch(/keptEvents\.spec/);
    }
    const lines = kept.flatMap(({ event }) => (event.type === 'step.logged' ? [event.data] : []));
    expect(lines).toEqual([1, 2, 3].map((calls) => ({ calls, apiKey: '[redacted]' })));
  });

  it('fold to the state of forked, restored and resumed runs', async () => {
    const [store] = open();
    const big = agent('big', (n: number) => ({ n, text: 'x'.repeat(3_000) }));
    let isDown = true;
    const down = agent('down', ({ text }: { text: string }) => {
      if (isDown) throw new Error('down');
      return text.length;
    });
    const all = chain('all', big, down);
    await execute(all, 1, { store, runId: 'r' });
    const { snapshotId } = await store.snapshots.save('then', (await store.loadRun('r'))!);
    const forked = await fork('r', { store, runId: 'forked' });
    const restored = await restore(snapshotId, { store, runId: 'restored' });
    expect(await faultIn(store, ['r', forked, restored])).toBeUndefined();

    isDown = false;
    for (const runId of ['r', forked, restored]) await lastValueFrom(resume(all, runId, { store }));
    await fork('r', { store, runId: 'again', from: 'big' });
    await lastValueFrom(resume(all, 'again', { store }));
    expect(await faultIn(store, ['r', forked, restored, 'again'])).toBeUndefined();
    await store.close();
    if (place === 'in a folder')
      expect(await faultIn(lowdbStore(folder), ['r', forked, restored, 'again'])).toBeUndefined();
  });

  it('give back large outputs that a later life has dropped', async () => {
    const [store] = open();
    const version = (n: number) =>
      workflow('w', (input, step) =>
        step(
          'big',
          agent('big', () => ({ n, text: String(n).repeat(4_000) }), { version: String(n) }),
          input,
        ),
      );
    await execute(version(1), 'in', { store, runId: 'r' });
    await execute(version(2), 'in', { store, runId: 'r', onMismatch: 'actual' });

    const outputs = (await eventsOf(store, 'r')).flatMap(({ event }) =>
      event.type === 'step.completed' ? [(event.output as { readonly n: number }).n] : [],
    );
    expect(outputs).toEqual([1, 2]);
    expect(await faultIn(store, ['r'])).toBeUndefined();
    await store.close();
  });
});

describe('the kept events of a folder', () => {
  it('are told to the last where the process that has the run ends while somebody asks whether it is there', async () => {
    const [store, other] = [lowdbStore(folder), lowdbStore(folder)];
    let end: ((output: string) => void) | undefined;
    const wait = agent('wait', () => new Promise<string>((resolve) => (end = resolve)));
    const ended = execute(wait, 1, { store, runId: 'r' });
    await until(() => end !== undefined);
    const asks = jest.spyOn(SideReader.prototype, 'isWritten').mockImplementationOnce(async () => {
      end?.('done');
      await ended;
      await store.close();
      return false;
    });

    const events = await lastValueFrom(
      other.events('r').pipe(
        map(({ event }) => event.type),
        toArray(),
      ),
    );
    asks.mockRestore();
    await other.close();

    expect(events).toEqual(['run.started', 'step.started', 'step.completed', 'run.completed']);
  });

  it('take no second place for large outputs', async () => {
    const text = Array.from({ length: 2_000 }, () => Math.random().toString(36)).join('');
    const store = lowdbStore(folder);
    await execute(
      agent('big', () => ({ text })),
      1,
      { store, runId: 'r' },
    );
    await store.close();
    const file = readFileSync(join(folder, 'runs/r.json'), 'utf8');
    expect(file.length).toBeLessThan(text.length * 2.1); // The output of the step, and that of the run.
    const kept = await eventsOf(lowdbStore(folder), 'r');
    expect(kept.map(({ event }) => ('output' in event ? event.output : undefined))).toContainEqual({ text });
  });

  it('are refused by name where none are kept', async () => {
    const store = lowdbStore(folder, { events: 'none' });
    await execute(
      agent('a', (n: number) => n),
      1,
      { store, runId: 'r' },
    );
    await expect(eventsOf(store, 'r')).rejects.toThrow(EventsNotKeptError);
    await expect(eventsOf(lowdbStore(folder), 'r')).rejects.toThrow(EventsNotKeptError);
    await store.close();
    await expect(eventsOf(lowdbStore(folder), 'r')).rejects.toThrow(EventsNotKeptError);
    const keeping = lowdbStore(folder);
    await execute(
      agent('a', (n: number) => n),
      2,
      { store: keeping, runId: 'r', onMismatch: 'actual' },
    );
    expect((await eventsOf(keeping, 'r')).map(({ event }) => event.type)).toEqual([
      'run.imported',
      'run.resumed',
      'step.logged',
      'step.started',
      'step.completed',
      'run.completed',
    ]);
    expect(await faultIn(keeping, ['r'])).toBeUndefined();
    await keeping.close();
  });

  it('hold the partial results too where all are asked for', async () => {
    const store = lowdbStore(folder, { events: 'all' });
    const words = agent('words', async function* () {
      yield 'a';
      yield new Map();
      yield await Promise.resolve('b');
    });
    await execute(words, 1, { store, runId: 'r' });
    const values = (await eventsOf(store, 'r')).flatMap(({ event }) =>
      event.type === 'step.emitted' ? [event.value] : [],
    );
    expect(values).toEqual(['a', 'b']);
    await store.close();
  });

  it('end where a process has died, and go on with the next life', async () => {
    const store = lowdbStore(folder);
    const events = life('book', 3);
    await append(await store.claim('book'), events.slice(0, 3));
    const ear: KeptEvent[] = [];
    let isOver = false;
    const other = lowdbStore(folder);
    const subscription = other
      .events('book')
      .subscribe({ next: (kept) => ear.push(kept), complete: () => (isOver = true) });
    await until(() => ear.length === 3);
    expect(isOver).toBe(false);
    await store.close();
    await until(() => isOver);
    subscription.unsubscribe();
  });

  it('fold to the state at every prefix of the journal, with rotation', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 400, max: 4_000 }),
        fc.nat(900),
        fc.nat(30),
        async (steps, rotateBytes, size, cut) => {
          const files = new MemoryFiles();
          const store = storeOn(files, 'process', rotateBytes);
          const events: readonly RunEvent[] = life('book', steps, (step) => ({
            step,
            text: 'y'.repeat(size),
          }));
          const claim = await store.claim('book');
          await append(claim, events.slice(0, 1 + (cut % events.length)));
          const left = files.afterKill();
          expect(await faultIn(storeOn(left.afterKill()), ['book'])).toBeUndefined();
          const next = storeOn(left, 'process', rotateBytes);
          await work(next, new Map(), [events]);
          expect(await faultIn(next, ['book'])).toBeUndefined();
          await next.close();
          expect(await faultIn(storeOn(left.afterKill()), ['book'])).toBeUndefined();
        },
      ),
      { numRuns: amount(25, 1_000), seed: seedOr(1) },
    );
  });

  it('fold to the state after a kill or a power loss at any call to the file system', async () => {
    const draw = random(seedOr(5));
    for (let round = amount(40, 2_000); round > 0; round -= 1) {
      const files = new MemoryFiles();
      const known = await workUntil(files, 1 + Math.floor(draw() * 250), 'disk', draw() < 0.5);
      const left = draw() < 0.4 ? files.afterKill() : files.afterPowerLoss(draw);
      const again = await workUntil(left, 1 + Math.floor(draw() * 60), 'disk', draw() < 0.5);
      const twice = draw() < 0.4 ? left.afterKill() : left.afterPowerLoss(draw);
      for (const [runId, seq] of again) known.set(runId, seq);
      expect(await fault(twice.afterKill(), known)).toBeUndefined();
      const store = storeOn(twice);
      await (await store.claim('nobody')).release(undefined);
      expect(await faultIn(store, ['first', 'second'])).toBeUndefined();
      await work(store);
      await store.close();
      expect(await faultIn(storeOn(twice.afterKill()), ['first', 'second'])).toBeUndefined();
    }
  });
});

describe('changes()', () => {
  it('tells nothing of a store at rest, and a run that somebody begins and ends between two looks', async () => {
    const files = new MemoryFiles();
    const write = async (runId: string): Promise<void> => {
      const store = storeOn(files);
      const claim = await store.claim(runId);
      await append(claim, life(runId, 2));
      await claim.release(undefined);
      await store.close();
    };
    await write('before');
    const told: RunChange[] = [];
    const reader = storeOn(files);
    const following = reader.changes().subscribe((change) => {
      told.push(change);
    });
    // In pieces, between which it looks for the first time however long the thread is held up.
    for (let piece = 0; piece < 7; piece += 1) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(told).toEqual([]);
    await write('later');
    // Where a look falls between its start and its end it is told twice.
    await until(() => told.some((change) => 'status' in change && change.status === 'COMPLETED'));
    const soon = told.length;
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(told).toHaveLength(soon);
    expect(told.filter((change) => 'gone' in change || change.runId !== 'later')).toEqual([]);
    following.unsubscribe();
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 10) {
    if (waited > 5_000) throw new Error('it does not become true');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
