import { lastValueFrom } from 'rxjs';

import {
  agent,
  anyOf,
  chain,
  critical,
  everyNth,
  everyStep,
  execute,
  lowdbStore,
  memoryStore,
  onFailure,
  outputOf,
  restore,
  run,
  saveTo,
  workflow,
} from '../../index';
import type { Agent, Store, Wire } from '../../index';
import type { SnapshotPolicy } from '../../storePort';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const plus = agent('plus', (x: number) => x + 1);
const many = (count: number) => chain('many', ...Array.from({ length: count }, () => plus));

describe('snapshots while a run goes on', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'millrace-'))));
  afterEach(async () => rm(folder, { recursive: true }));

  const names = async (store: Store) => [...(await store.snapshots.list())].map(({ name }) => name).reverse();
  const save = async (work: Agent<number, unknown>, policy: SnapshotPolicy, store: Store = memoryStore()) => {
    await lastValueFrom(run(work, 0, { store, runId: 'r' }).pipe(saveTo(policy, { store }))).catch(
      () => undefined,
    );
    return store;
  };

  it('gives each of two taps that share a policy the same snapshots', async () => {
    const stores = [memoryStore(), memoryStore()] as const;
    const pay = agent('pay', (x: number) => x, { critical: true });
    const policy = anyOf(everyNth(2), critical());
    const [one, other] = stores;
    await lastValueFrom(
      run(chain('order', plus, plus, pay, plus), 0, { store: one }).pipe(
        saveTo(policy, { store: one }),
        saveTo(policy, { store: other }),
      ),
    );

    for (const store of stores) {
      await store.close();
      expect(await names(store)).toEqual(['checkpoint_2', 'critical_pay', 'checkpoint_4']);
    }
  });

  describe('S15 everyStep()', () => {
    it.each<[string, () => Store]>([
      ['memory', memoryStore],
      ['disk', () => lowdbStore(folder)],
    ])('saves the state after each step, before the next one starts (%s)', async (_where, open) => {
      const store = await save(many(3), everyStep(), open());
      await store.close();
      expect(await names(store)).toEqual([
        'step_plus_complete',
        'step_plus[1]_complete',
        'step_plus[2]_complete',
      ]);
      const [, second] = [...(await store.snapshots.list())].reverse();
      const { executionState } = await store.snapshots.load(second!.snapshotId);
      expect([...executionState.steps].map(({ status }) => status)).toEqual([
        'COMPLETED',
        'COMPLETED',
        'PENDING',
      ]);
      expect(outputOf(executionState, 'plus[1]')).toEqual({ kind: 'output', output: 2 });
    });
  });

  describe('S16 everyNth()', () => {
    it('saves every fifth step as checkpoint_<count>', async () => {
      expect(await names(await save(many(12), everyNth(5)))).toEqual(['checkpoint_5', 'checkpoint_10']);
    });

    it('saves the whole state: what had ended by then, and what had not', async () => {
      const store = await save(many(12), everyNth(5));
      const [later, earlier] = await store.snapshots.list();
      const loaded = await Promise.all(
        [earlier, later].map((summary) => store.snapshots.load(summary!.snapshotId)),
      );
      const statuses = loaded.map(({ executionState }) =>
        [...executionState.steps].map(({ status, output }) => (status === 'COMPLETED' ? output : status)),
      );
      const pending = Array.from({ length: 7 }, () => 'PENDING');
      expect(statuses).toEqual([
        [1, 2, 3, 4, 5, ...pending],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...pending.slice(5)],
      ]);
      expect(loaded.map(({ executionState: { runId, input } }) => [runId, input])).toEqual([
        ['r', 0],
        ['r', 0],
      ]);
    });

    it('counts on after a resume', async () => {
      let isDown = true;
      const breaks = agent('breaks', (x: number) => {
        if (isDown) throw new Error('down');
        return x;
      });
      const work = chain('work', plus, plus, plus, breaks, plus, plus, plus);
      const store = await save(work, everyNth(3));
      isDown = false;
      await save(work, everyNth(3), store);
      expect(await names(store)).toEqual(['checkpoint_3', 'checkpoint_6']);
    });

    it('refuses what is no number of steps', () => {
      expect(() => everyNth(0)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    });
  });

  describe('S17 critical()', () => {
    it('saves the steps whose policy says so', async () => {
      const pay = agent('pay', (x: number) => x, { critical: true });
      expect(await names(await save(chain('c', plus, pay, plus), critical()))).toEqual(['critical_pay']);
    });

    it('saves them also when the policy is that of the step, and not of its agent', async () => {
      const work = workflow('w', (n: Wire<number>, step) => {
        const paid = step('pay', plus, n, { critical: true });
        return step('ship', plus, paid);
      });
      expect(await names(await save(work, critical()))).toEqual(['critical_pay']);
    });
  });

  describe('S18 strategies combined', () => {
    it('save each name once: 12 steps with one critical', async () => {
      const pay = agent('pay', (x: number) => x, { critical: true });
      const links = Array.from({ length: 12 }, (_, index) => (index === 6 ? pay : plus));
      const store = await save(chain('twelve', ...links), anyOf(critical(), everyNth(5), critical()));
      expect(await names(store)).toEqual(['checkpoint_5', 'critical_pay', 'checkpoint_10']);
    });

    it('may be joined by one of your own, and by onFailure()', async () => {
      const own: SnapshotPolicy = ({ event }) => (event.type === 'run.started' ? 'at the start' : undefined);
      const breaks = agent('breaks', (): number => {
        throw new Error('down');
      });
      expect(await names(await save(chain('c', plus, breaks), anyOf(own, onFailure())))).toEqual([
        'at the start',
        'failed_breaks',
      ]);
    });
  });

  describe('S35 selective saving', () => {
    it('writes 10 snapshots for 100 steps with every tenth', async () => {
      expect(await names(await save(many(100), everyNth(10)))).toHaveLength(10);
    });

    it('writes none for a step that is skipped (S34)', async () => {
      const work = workflow('w', (n: Wire<number>, step) => {
        const maybe = step('maybe', plus, n, { when: (x) => x > 0, otherwise: 5 });
        return step('last', plus, maybe);
      });
      expect(await names(await save(work, everyStep()))).toEqual(['step_last_complete']);
    });
  });

  it('a snapshot that cannot be written is reported and harms nothing', async () => {
    const problems: unknown[] = [];
    const broken = { snapshots: { save: () => Promise.reject(new Error('disk full')) } };
    const last = await lastValueFrom(
      run(many(2), 0).pipe(
        saveTo(everyStep(), { store: broken, onTapError: (error) => problems.push(error) }),
      ),
    );
    expect(last.event.type).toBe('run.completed');
    await new Promise((resolve) => setImmediate(resolve));
    expect(problems).toHaveLength(2);
  });

  it('a run can start from a snapshot: what had finished then is not called again', async () => {
    const store = memoryStore();
    const calls = jest.fn((x: number) => x + 1);
    const work = chain('work', ...Array.from({ length: 4 }, () => agent('counts', calls)));
    await lastValueFrom(run(work, 0, { store, runId: 'r' }).pipe(saveTo(everyNth(2), { store })));
    const [, second] = await store.snapshots.list();

    const runId = await restore(second!.snapshotId, { store });
    const state = await execute(work, 0, { store, runId });

    expect(state).toMatchObject({ status: 'COMPLETED', output: 4 });
    expect(calls).toHaveBeenCalledTimes(4 + 2);
    expect(await store.loadRun('r')).toMatchObject({ status: 'COMPLETED', life: 1 });
  });
});
