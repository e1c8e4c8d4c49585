import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { lastValueFrom, NEVER, ReplaySubject, takeWhile, toArray } from 'rxjs';

import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  each,
  execute,
  fallback,
  fork,
  lowdbStore,
  loop,
  memoryStore,
  restore,
  resume,
  run,
  workflow,
} from '../../index';
import type { Agent, RunState, Store, Wire } from '../../index';
import { nodeFiles } from '../../lib/store/folder/files/nodeFiles';
import { postMessage } from '../../lib/store/folder/records/inboxFiles';
import { collect } from '../support/told';

let isDown = false;
const amount = agent('amount', (n: number) => n);
const ask = approval<boolean, number>('ok', t.boolean);
const transfer = agent('transfer', (ok: boolean) => {
  if (isDown) throw new Error('the bank is down');
  return ok;
});
const pay = chain('pay', amount, ask, transfer);

const askingOf = (state: RunState | undefined, path = 'ok'): string => state?.steps.get(path)?.asking ?? '';

async function told(store: Store, work: Agent<never, unknown>, runId: string): Promise<string[]> {
  const transitions = await lastValueFrom(resume(work, runId, { store }).pipe(toArray()));
  return transitions.map(({ event }) =>
    event.type === 'step.logged' ? `${event.level} ${event.message}` : event.type,
  );
}

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
};

const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-askings-'));
  folders.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

it.each(['disk', 'process', 'end'] as const)(
  "a cancelled life hears nothing more: answers to what is asked later reach the life that asks, with durability '%s'",
  async (durability) => {
    const store = lowdbStore(newFolder(), { durability });
    const go = (input: number) => execute(pay, input, { store, runId: 'r', onMismatch: 'actual' });
    await go(5);
    await cancel('r', { store });
    await answer('r', 'ok', true, { store });
    // Another input, so that the answer is for nothing that is asked now.
    expect((await go(6)).status).toBe('CANCELLED');
    expect((await go(6)).status).toBe('SUSPENDED');
    await answer('r', 'ok', false, { store });
    const state = await go(6);
    await store.close();

    expect(state).toMatchObject({ status: 'COMPLETED', output: false });
  },
);

describe.each<[string, () => Store]>([
  ['in memory', () => memoryStore()],
  ['in a folder', () => lowdbStore(newFolder())],
])('a question of a run %s', (_name, make) => {
  let store: Store;
  beforeEach(() => {
    isDown = false;
    store = make();
  });

  it('has an id of its own, in the state, in the list and in the event that asked', async () => {
    const seen = collect(run(pay, 10, { store, runId: 'r' }));
    await until(() => seen.ended !== 'open');
    const state = await store.loadRun('r');
    const asking = askingOf(state);

    expect(asking).toContain(state?.incarnation);
    expect(seen.events).toContainEqual(expect.objectContaining({ type: 'step.suspended', asking }));
    expect((await store.listRuns())[0]?.waiting).toEqual([{ path: 'ok', asking }]);
  });

  it('is the same question in every life until it is answered, and then none', async () => {
    const first = askingOf(await execute(pay, 10, { store, runId: 'r' }));
    expect(askingOf(await execute(pay, 10, { store, runId: 'r' }))).toBe(first);
    await answer('r', 'ok', true, { store, asking: first });
    const state = await execute(pay, 10, { store, runId: 'r' });

    expect(state).toMatchObject({ status: 'COMPLETED', output: true });
    expect(state.steps.get('ok')).not.toHaveProperty('asking');
    expect((await store.listRuns())[0]?.waiting).toEqual([]);
  });

  it('takes one answer: the second of two clicks approves nothing that is asked later', async () => {
    isDown = true;
    await execute(pay, 10, { store, runId: 'r' });
    await answer('r', 'ok', true, { store });
    await answer('r', 'ok', true, { store });
    expect(await execute(pay, 10, { store, runId: 'r' })).toMatchObject({ status: 'FAILED' });
    isDown = false;

    const changed = await execute(pay, 1_000_000, { store, runId: 'r', onMismatch: 'actual' });
    expect(changed.status).toBe('SUSPENDED');
    expect(changed.steps.get('ok')?.request).toBe(1_000_000);
    expect(await told(store, pay, 'r')).toEqual(['run.resumed', 'run.suspended']);
  });

  it('says that an answer came too late for its question', async () => {
    await execute(pay, 10, { store, runId: 'r' });
    await answer('r', 'ok', true, { store });
    await answer('r', 'ok', false, { store });

    expect(await told(store, pay, 'r')).toContain(
      'WARNING Dropped an answer to step "ok": its question is no longer open',
    );
    expect((await store.loadRun('r'))?.output).toBe(true);
  });

  it.each(['deleteRun', 'prune'] as const)('is not answered by what was posted before %s', async (how) => {
    isDown = true;
    await execute(pay, 10, { store, runId: 'r' });
    await answer('r', 'ok', true, { store });
    await answer('r', 'ok', true, { store });
    await execute(pay, 10, { store, runId: 'r' });
    if (how === 'prune') await store.prune({});
    else await store.deleteRun('r');

    const anew = await execute(pay, 999, { store, runId: 'r' });
    expect(anew.status).toBe('SUSPENDED');
  });

  it('is not answered in a run that was deleted and begun again before the answer came', async () => {
    const asking = askingOf(await execute(pay, 10, { store, runId: 'r' }));
    await store.deleteRun('r');
    await execute(pay, 10, { store, runId: 'r' });

    await expect(answer('r', 'ok', true, { store, asking })).rejects.toMatchObject({ code: 'NOT_WAITING' });
    expect((await execute(pay, 10, { store, runId: 'r' })).status).toBe('SUSPENDED');
  });

  it('is another one in a fork and in a restored run: each is answered on its own', async () => {
    const both = workflow('both', (n: Wire<number>, step) => ({
      ok: step('ok', ask, n),
      n: step('n', amount, n),
    }));
    const first = await execute(both, 10, { store, runId: 'r' });
    const { snapshotId } = await store.snapshots.save('asked', first);
    const ids = ['r', await fork('r', { store, from: 'n' }), await restore(snapshotId, { store })];
    const askings = await Promise.all(ids.map(async (id) => askingOf(await store.loadRun(id))));

    expect(new Set(askings).size).toBe(3);
    for (const id of ids.slice(1)) {
      await expect(answer(id, 'ok', true, { store, asking: askings[0]! })).rejects.toMatchObject({
        name: 'NotWaitingError',
      });
    }
    await answer(ids[1]!, 'ok', false, { store, asking: askings[1]! });
    await answer(ids[2]!, 'ok', true, { store });
    expect((await lastValueFrom(resume(both, ids[1]!, { store }))).state.output).toEqual({
      ok: false,
      n: 10,
    });
    expect((await lastValueFrom(resume(both, ids[2]!, { store }))).state.output).toEqual({ ok: true, n: 10 });
    expect((await lastValueFrom(resume(both, 'r', { store }))).state.status).toBe('SUSPENDED');
  });

  it('is another one when the item under a key has changed', async () => {
    const items = each('items', approval<boolean, { id: string; sum: number }>('ok', t.boolean), {
      key: ({ id }) => id,
    });
    const work = chain('work', items);
    await execute(
      work,
      [
        { id: 'a', sum: 1 },
        { id: 'b', sum: 1 },
      ],
      { store, runId: 'r' },
    );
    const path = 'items["a"]/ok';
    const asking = askingOf(await store.loadRun('r'), path);
    await answer('r', path, true, { store });
    await answer('r', 'items["b"]/ok', true, { store });
    const changed = await execute(
      work,
      [
        { id: 'a', sum: 999 },
        { id: 'b', sum: 1 },
      ],
      {
        store,
        runId: 'r',
        onMismatch: 'actual',
      },
    );

    expect(changed.status).toBe('SUSPENDED');
    expect(changed.steps.get(path)).toMatchObject({ status: 'SUSPENDED', request: { id: 'a', sum: 999 } });
    await expect(answer('r', path, true, { store, asking })).rejects.toThrow('it asks another one');
  });

  it('is another one in each round of a loop', async () => {
    const asked = approval<boolean, boolean>('ok', t.boolean);
    const rounds = chain('rounds', loop('rounds', asked, { until: (ok) => ok, max: 3 }));
    await execute(rounds, false, { store, runId: 'r' });
    await answer('r', 'rounds[0]', false, { store });
    await answer('r', 'rounds[0]', true, { store });
    const second = await execute(rounds, false, { store, runId: 'r' });

    expect(second.status).toBe('SUSPENDED');
    expect((await store.listRuns())[0]?.waiting.map(({ path }) => path)).toEqual(['rounds[1]']);
  });

  it('takes an answer that was posted before it was asked, but only the first time', async () => {
    isDown = true;
    const posted = new ReplaySubject<number>(1);
    const slow = agent('amount', (_: number) => posted);
    const work = chain('pay', slow, ask, transfer);
    const seen = collect(run(work, 10, { store, runId: 'r' }));
    await until(() => seen.told.includes('step.started amount'));
    expect(await answer('r', 'ok', true, { store })).toEqual({ became: 'kept', isServed: false });
    expect(seen.told).not.toContain('step.suspended ok');
    posted.next(10);
    posted.complete();
    await until(() => seen.ended !== 'open');
    expect(seen.ended).toBe('error');
    isDown = false;

    await expect(answer('r', 'ok', true, { store })).rejects.toMatchObject({ code: 'NOT_WAITING' });
    const changed = await execute(work, 11, { store, runId: 'r', onMismatch: 'actual' });
    expect(changed.status).toBe('SUSPENDED');
  });

  it('is not answered by what comes between a question that was dropped and the next one', async () => {
    const posted = new ReplaySubject<number>(1);
    let isSlow = false;
    const work = chain(
      'pay',
      agent('amount', (n: number) => (isSlow ? posted : n)),
      ask,
      transfer,
    );
    const dropped = askingOf(await execute(work, 10, { store, runId: 'r' }));
    isSlow = true;
    const seen = collect(run(work, 11, { store, runId: 'r', onMismatch: 'actual' }));
    await until(() => seen.told.includes('step.started amount'));
    for (const asking of [undefined, dropped]) {
      const answering = answer('r', 'ok', true, { store, ...(asking !== undefined && { asking }) });
      await expect(answering).rejects.toMatchObject({ code: 'NOT_WAITING' });
    }
    posted.next(11);
    posted.complete();
    await until(() => seen.ended !== 'open');

    const changed = await store.loadRun('r');
    expect(changed?.status).toBe('SUSPENDED');
    expect(changed?.steps.get('ok')).toMatchObject({ status: 'SUSPENDED', request: 11, asked: 2 });
  });

  it('is not answered by the second of two early answers, once the first has had its question', async () => {
    isDown = true;
    const posted = new ReplaySubject<number>(1);
    const work = chain(
      'pay',
      agent('amount', (_: number) => posted),
      ask,
      transfer,
    );
    const seen = collect(run(work, 10, { store, runId: 'r' }));
    await until(() => seen.told.includes('step.started amount'));
    for (const ok of [true, false]) await answer('r', 'ok', ok, { store });
    posted.next(10);
    posted.complete();
    await until(() => seen.ended !== 'open');
    const failed = await store.loadRun('r');
    expect(failed).toMatchObject({ status: 'FAILED' });
    expect(failed?.steps.get('ok')).toMatchObject({ status: 'COMPLETED', output: true });
    isDown = false;

    const changed = await execute(work, 11, { store, runId: 'r', onMismatch: 'actual' });
    expect(changed.status).toBe('SUSPENDED');
    expect(changed.steps.get('ok')).toMatchObject({ status: 'SUSPENDED', asked: 2 });
  });

  it('says what became of an answer', async () => {
    const slow = workflow('slow', (n: Wire<number>, step) => ({
      ok: step('ok', ask, n),
      n: step('n', () => NEVER, n),
    }));
    const seen = collect(run(slow, 10, { store, runId: 'live' }));
    await until(() => seen.told.includes('step.suspended ok'));
    const asking = askingOf(await store.loadRun('live'));
    expect(await answer('live', 'ok', true, { store })).toEqual({ asking, became: 'taken', isServed: false });
    seen.leave?.();

    // Two say the contrary at the same time.
    const both = collect(run(slow, 10, { store, runId: 'both' }));
    await until(() => both.told.includes('step.suspended ok'));
    const receipts = await Promise.allSettled([true, false].map((ok) => answer('both', 'ok', ok, { store })));
    await until(() => both.told.includes('step.completed ok'));
    const output = (await store.loadRun('both'))?.steps.get('ok')?.output;
    // Each may have looked before the run has heard it.
    const taken = [true, false].filter(
      (_, position) =>
        receipts[position]?.status === 'fulfilled' && receipts[position].value.became === 'taken',
    );
    expect([[], [output]]).toContainEqual(taken);
    both.leave?.();

    await execute(pay, 10, { store, runId: 'r' });
    const resting = askingOf(await store.loadRun('r'));
    expect(await answer('r', 'ok', true, { store })).toEqual({
      asking: resting,
      became: 'kept',
      isServed: false,
    });
  });

  it('refuses at once what can never be heard', async () => {
    await execute(pay, 10, { store, runId: 'r' });
    await expect(answer('r', 'okay', true, { store })).rejects.toMatchObject({ code: 'UNKNOWN_STEP' });
    await expect(answer('r', 'transfer', true, { store })).rejects.toMatchObject({ code: 'NOT_WAITING' });
    await expect(answer('r', 'ok', 'yes', { store, agent: pay })).rejects.toMatchObject({
      code: 'ANSWER_MISFIT',
      mismatches: ['it expected boolean, got string'],
    });
    await answer('r', 'ok', true, { store, agent: pay });
    await execute(pay, 10, { store, runId: 'r' });
    await expect(answer('r', 'ok', true, { store })).rejects.toMatchObject({ code: 'RUN_ENDED' });
    await expect(cancel('r', { store })).rejects.toMatchObject({ code: 'RUN_ENDED' });
    await expect(answer('nobody', 'ok', true, { store })).rejects.toMatchObject({ code: 'UNKNOWN_RUN' });
  });

  it('finds the codec of an approval wherever it stands', async () => {
    const until = () => true;
    const inner: Agent<number, boolean> = chain(
      'inner',
      fallback(
        'try',
        agent('no', (_: number): boolean => {
          throw new Error('no');
        }),
        ask as unknown as Agent<unknown, boolean>,
      ),
    );
    const again = loop('again', inner as unknown as Agent<number, number>, { until, max: 2 });
    const work = chain(
      'work',
      workflow('flow', (n: Wire<number[]>, step) => step('pages', each('each', again), n)),
    );
    const state = await execute(work, [1, 2], { store, runId: 'r' });
    const waiting = [...state.steps]
      .filter(({ status }) => status === 'SUSPENDED')
      .map(({ stepId }) => stepId);
    expect(waiting).toHaveLength(2);
    for (const path of waiting) {
      await expect(answer('r', path, 1, { store, agent: work })).rejects.toMatchObject({
        code: 'ANSWER_MISFIT',
      });
      await answer('r', path, true, { store, agent: work });
    }
    expect((await lastValueFrom(resume(work, 'r', { store }))).state.status).toBe('COMPLETED');
  });
});

describe.each<[string, () => Store]>([
  ['in memory', () => memoryStore()],
  ['in a folder', () => lowdbStore(newFolder())],
])('a cancel of a run %s', (_name, make) => {
  let store: Store;
  beforeEach(() => {
    isDown = false;
    store = make();
  });
  afterEach(() => store.close());

  it('stops the next life of a run that waits, and none after that', async () => {
    await execute(pay, 10, { store, runId: 'r' });
    await cancel('r', { store });
    await cancel('r', { store });
    expect((await execute(pay, 10, { store, runId: 'r' })).status).toBe('CANCELLED');
    expect((await execute(pay, 10, { store, runId: 'r' })).status).toBe('SUSPENDED');
  });

  it('is refused when the run has ended, however it has', async () => {
    isDown = true;
    await execute(pay, 10, { store, runId: 'r' });
    await answer('r', 'ok', true, { store });
    await execute(pay, 10, { store, runId: 'r' });
    await expect(cancel('r', { store })).rejects.toMatchObject({ code: 'RUN_ENDED' });
    isDown = false;
    expect((await execute(pay, 10, { store, runId: 'r' })).status).toBe('COMPLETED');
  });

  it('does not reach a run that has its id later', async () => {
    await execute(pay, 10, { store, runId: 'r' });
    await cancel('r', { store });
    await store.deleteRun('r');
    expect((await execute(pay, 10, { store, runId: 'r' })).status).toBe('SUSPENDED');
  });

  it('stops a run that a crash has left behind, and says when it meant a life that has ended', async () => {
    await store.importRun({ ...(await crashed()), runId: 'r' });
    await cancel('r', { store, reason: 'lost' });
    expect((await told(store, pay as Agent<never, unknown>, 'r')).at(-1)).toBe('run.cancelled');

    const left = await crashed();
    await store.importRun({ ...left, runId: 's' });
    await store.post('s', { kind: 'cancel', life: left.life - 1 });
    expect(await told(store, pay as Agent<never, unknown>, 's')).toEqual([
      'run.resumed',
      `WARNING Dropped a cancel that was meant for life ${String(left.life - 1)}`,
      'run.suspended',
    ]);
  });

  /** A run that asks, in its second life, which was cut off. */
  async function crashed(): Promise<RunState> {
    const other = memoryStore();
    await execute(pay, 10, { store: other, runId: 'c' });
    const second = await lastValueFrom(
      resume(pay, 'c', { store: other }).pipe(takeWhile(({ event }) => event.type !== 'run.resumed', true)),
    );
    return second.state;
  }
});

describe('messages in a folder', () => {
  const inboxOf = (folder: string): string[] => {
    try {
      return readdirSync(join(folder, 'inbox'));
    } catch {
      return [];
    }
  };

  it('reach a run through another store of the folder, and never another run or question', async () => {
    const folder = newFolder();
    const store = lowdbStore(folder);
    const first = await execute(pay, 10, { store, runId: 'r' });
    const outside = lowdbStore(folder);
    await answer('r', 'ok', true, { store: outside, asking: askingOf(first) });
    await answer('r', 'ok', true, { store: outside });
    await store.deleteRun('r');
    expect(inboxOf(folder)).toEqual([]);
    const second = await execute(pay, 10, { store, runId: 'r' });
    await expect(answer('r', 'ok', true, { store: outside, asking: askingOf(first) })).rejects.toMatchObject({
      code: 'NOT_WAITING',
    });
    expect((await outside.listRuns())[0]?.waiting).toEqual([{ path: 'ok', asking: askingOf(second) }]);
    await answer('r', 'ok', true, { store: outside, asking: askingOf(second) });
    expect((await execute(pay, 10, { store, runId: 'r' })).output).toBe(true);
    expect(inboxOf(folder)).toEqual([]);
    await store.close();
  });

  it('that came too late go when the store is opened again', async () => {
    const folder = newFolder();
    const store = lowdbStore(folder);
    await execute(pay, 10, { store, runId: 'r' });
    await execute(pay, 10, { store, runId: 'waits' });
    const { snapshotId } = await store.snapshots.save('asked', (await store.loadRun('r'))!);
    await answer('r', 'ok', true, { store });
    await execute(pay, 10, { store, runId: 'r' });
    await store.close();
    // As another process may do that had looked before the run completed.
    const late = { kind: 'answer', path: 'ok', value: true } as const;
    for (const runId of ['r', 'gone', 'waits'])
      await postMessage(nodeFiles, join(folder, 'inbox'), `0${runId}`, runId, late, () => undefined);
    expect(inboxOf(folder)).toHaveLength(3);

    const reopened = lowdbStore(folder);
    await restore(snapshotId, { store: reopened });
    await reopened.close();
    expect(inboxOf(folder)).toEqual([expect.stringContaining('waits')]);
  });

  it('of an earlier version are meant for the question that is open', async () => {
    const folder = newFolder();
    const store = lowdbStore(folder);
    await execute(pay, 10, { store, runId: 'r' });
    const old = { kind: 'answer', path: 'ok', value: true } as const;
    await postMessage(nodeFiles, join(folder, 'inbox'), '0', 'r', old, () => undefined);

    expect((await execute(pay, 10, { store, runId: 'r' })).output).toBe(true);
    await store.close();
  });
});
