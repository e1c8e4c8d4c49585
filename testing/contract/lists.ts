import assert from 'node:assert/strict';

import type { RunQuery, Store } from '../../lib/store/store';
import { resumable } from '../../lib/store/summary';
import { append, askingLife, life } from './life';
import type { StoreCase } from './storeCase';
import { anHourAgo, refuses, rest, restingState, stands, withMap } from './storeCase';

const listed = async (store: Store, query?: RunQuery): Promise<readonly string[]> =>
  (await store.listRuns(query)).map(({ runId }) => runId);

/** Runs that began a second after one another. */
async function oneAfterAnother(store: Store, ...ids: readonly string[]): Promise<void> {
  const at = anHourAgo();
  for (const [i, runId] of ids.entries()) await rest(store, runId, life(runId, 1, undefined, at + i * 1_000));
}

/** What is said about many runs, and which of them are forgotten. */
export const lists: readonly StoreCase[] = [
  {
    name: 'listRuns: gives the newest first',
    async check({ store }) {
      assert.deepEqual(await listed(store), []);
      await oneAfterAnother(store, 'b', 'c', 'a');
      assert.deepEqual(await listed(store), ['a', 'c', 'b']);
      assert.deepEqual(await listed(store, { limit: 2 }), ['a', 'c']);
    },
  },
  {
    name: 'listRuns: says how a run went',
    async check({ store }) {
      const events = await rest(store, 'book');
      assert.deepEqual(await store.listRuns(), [
        {
          runId: 'book',
          name: 'chain',
          status: 'COMPLETED',
          startedAt: events[0]?.at,
          endedAt: events.at(-1)?.at,
          life: 1,
          steps: { done: 3, failed: 0, total: 3 },
          waiting: [],
        },
      ]);
    },
  },
  {
    name: 'listRuns: says which questions are open',
    async check({ store }) {
      const at = anHourAgo();
      const events = askingLife('book', 'first', at);
      await rest(store, 'book', events);
      const open = [{ path: 'ask', asking: 'first.3', dueAt: at + 60_000 }];
      assert.deepEqual((await store.listRuns())[0]?.waiting, open);
      await rest(store, 'book', [
        { type: 'run.resumed', runId: 'book', seq: 5, at, life: 2, reused: 0 },
        { type: 'step.answered', runId: 'book', seq: 6, at, path: 'ask', by: 'answer', value: 1 },
      ]);
      assert.deepEqual((await store.listRuns())[0]?.waiting, []);
    },
  },
  {
    name: 'listRuns: filters by status, name and time',
    async check({ store }) {
      const at = anHourAgo();
      await oneAfterAnother(store, 'a', 'b');
      await append(await store.claim('c'), life('c', 1, undefined, at + 60_000).slice(0, 1));
      assert.deepEqual(await listed(store, { status: 'COMPLETED' }), ['b', 'a']);
      assert.deepEqual(await listed(store, { status: ['RUNNING', 'FAILED'] }), ['c']);
      assert.deepEqual(await listed(store, { name: 'other' }), []);
      assert.deepEqual(await listed(store, { name: 'chain' }), ['c', 'b', 'a']);
      assert.deepEqual(await listed(store, { since: at + 30_000 }), ['c']);
    },
  },
  {
    name: 'listRuns: finds runs by the step that failed',
    async check({ store }) {
      const [started, begun] = life('book', 2);
      assert.ok(started !== undefined && begun !== undefined);
      const { at } = started;
      const error = { name: 'Error', message: 'no', path: 's0', retryable: true };
      const step = { path: 's0', agent: 'agent0', attempt: 1, duration: 1 };
      await rest(store, 'book', [
        started,
        begun,
        { type: 'step.failed', runId: 'book', seq: 3, at, ...step, error },
        { type: 'run.failed', runId: 'book', seq: 4, at, error, duration: 1 },
      ]);
      assert.deepEqual(await listed(store, { failedStep: 's0' }), ['book']);
      assert.deepEqual(await listed(store, { failedStep: 's1' }), []);
    },
  },
  {
    name: 'listRuns: tells what a crash left behind from what is under way',
    async check({ store }) {
      await rest(store, 'done');
      await rest(store, 'crashed', life('crashed', 2).slice(0, 3));
      await append(await store.claim('active'), life('active', 2).slice(0, 3));
      assert.deepEqual(
        (await resumable(store)).map(({ runId, status }) => [runId, status]),
        [['crashed', 'RUNNING']],
      );
    },
  },
  {
    name: 'importRun: puts in a run that can be claimed and resumed',
    async check({ store }) {
      const state = await restingState(store, 'book', life('book', 2).slice(0, 4));
      await store.importRun({ ...state, runId: 'fork', forkedFrom: { runId: 'book', path: 's1' } });
      const claim = await store.claim('fork');
      assert.deepEqual(claim.state?.forkedFrom, { runId: 'book', path: 's1' });
      assert.equal(claim.state.steps.get('s0')?.status, 'COMPLETED');
      const at = anHourAgo();
      await append(claim, [{ type: 'run.cancelled', runId: 'fork', seq: state.seq + 1, at, duration: 0 }]);
      await claim.release(undefined);
      assert.equal((await store.loadRun('fork'))?.status, 'CANCELLED');
      assert.equal((await store.loadRun('book'))?.status, 'RUNNING');
    },
  },
  {
    name: 'importRun: refuses an id that is taken',
    async check({ store }) {
      const state = await restingState(store, 'book');
      await refuses(() => store.importRun(state), 'RunExistsError');
    },
  },
  {
    name: 'importRun: refuses a state that it would change, and keeps nothing of it',
    async check({ store }) {
      const state = { ...withMap(await restingState(store, 'book')), runId: 'fork' };
      const { checksValues } = await store.claim('other');
      if (!checksValues) {
        await store.importRun(state);
        assert.deepEqual((await store.loadRun('fork'))?.steps.get('s0')?.output, new Map([[1, 'a']]));
        return;
      }
      await refuses(() => store.importRun(state), 'StateValueError');
      assert.equal(await store.loadRun('fork'), undefined);
      await store.importRun({ ...(await restingState(store, 'third')), runId: 'fork' });
    },
  },
  {
    name: 'prune: forgets the runs that ended long ago, except the newest',
    async check({ store }) {
      await oneAfterAnother(store, 'a', 'b', 'c', 'd');
      assert.deepEqual(await store.prune({ olderThanMs: 7_200_000 }), []);
      assert.deepEqual([...(await store.prune({ keep: 2, olderThanMs: 1_800_000 }))].sort(), ['a', 'b']);
      assert.deepEqual(await listed(store), ['d', 'c']);
      assert.equal(await store.loadRun('a'), undefined);
    },
  },
  {
    name: 'prune: leaves runs that go on, wait, or were left behind',
    async check({ store }) {
      const events = life('crashed', 1).slice(0, 2);
      await rest(store, 'crashed', events);
      await append(await store.claim('active'), life('active', 1).slice(0, 2));
      assert.deepEqual(await store.prune({}), []);
      stands(await store.loadRun('crashed'), events);
      assert.equal((await store.listRuns()).length, 2);
    },
  },
];
