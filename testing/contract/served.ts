import assert from 'node:assert/strict';

import { lastValueFrom, toArray } from 'rxjs';

import type { Attendance, Attendant, QueuedRun, QueuedTurn, RunSummary, Store } from '../../lib/store/store';
import { askingLife } from './life';
import type { StoreCase } from './storeCase';
import { anHourAgo, becomes, refuses, rest, restingState } from './storeCase';

/** Somebody who serves, and writes down what it hears. */
async function attends(
  store: Store,
  resume: Attendant['resume'] = () => Promise.reject(new Error('not asked for')),
): Promise<Attendance & { readonly heard: string[] }> {
  const heard: string[] = [];
  const attendance = await store.attend({
    posted: (runId) => heard.push(`posted ${runId}`),
    rested: ({ runId, status }) => heard.push(`rested ${runId} ${status}`),
    troubled: ({ message }) => heard.push(message),
    queued: () => heard.push('queued'),
    resume,
  });
  return { ...attendance, heard };
}

const queued = (runId: string, more: Partial<QueuedRun> = {}): QueuedRun => ({
  runId,
  name: 'chain',
  input: { n: 1 },
  priority: 0,
  ...more,
});

/** The ids of the runs whose turn it is, in their order; each is done with. */
async function turns(attendance: Attendance, now: number, count: number): Promise<readonly string[]> {
  const runIds: string[] = [];
  await becomes(
    () => {
      for (let turn = attendance.takeQueued(now); turn !== undefined; turn = attendance.takeQueued(now)) {
        runIds.push(turn.runId);
        turn.done();
      }
      return runIds.length >= count;
    },
    `${String(count)} runs are queued and due`,
  );
  return runIds;
}

const done = (store: Store, request: Parameters<Store['request']>[0]) =>
  lastValueFrom(store.request(request).pipe(toArray()));

/** What a store does for whoever serves its runs. */
export const served: readonly StoreCase[] = [
  {
    name: 'attend: tells what waits for a run, and how a run comes to rest, until it is left',
    async check({ store }) {
      await rest(store, 'before', askingLife('before', 'first'));
      await store.post('before', { kind: 'answer', path: 'ask', value: true });
      const attendance = await attends(store);
      const { heard } = attendance;
      await becomes(() => heard.includes('posted before'), 'a message has waited');
      assert.deepEqual(
        [...attendance.messages('before')].map(({ kind }) => kind),
        ['answer'],
      );
      await rest(store, 'book', askingLife('book', 'second'));
      await becomes(() => heard.includes('rested book SUSPENDED'), 'a run has come to rest');
      await store.post('book', { kind: 'cancel' });
      await becomes(() => heard.includes('posted book'), 'a message has been posted');
      attendance.leave();
      const before = heard.length;
      await rest(store, 'late');
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(heard.length, before, 'somebody who has left is told');
    },
  },
  {
    name: 'attend: says whether somebody does',
    async check({ store }) {
      await rest(store, 'book');
      assert.equal(await store.isServed(), false);
      const attendance = await attends(store);
      assert.equal(await store.isServed(), true);
      attendance.leave();
      assert.equal(await store.isServed(), false);
    },
  },
  {
    name: 'request: resumes a run through whoever serves, and tells how it came to rest',
    async check({ store }) {
      const { runId, name } = await restingState(store, 'book');
      const run: RunSummary = { runId, name, status: 'FAILED', startedAt: 1, life: 2, waiting: [] };
      const attendance = await attends(store, (asked, accepted) => {
        if (asked !== runId) return Promise.reject(new RangeError(asked));
        accepted();
        return Promise.resolve(run);
      });
      assert.deepEqual(await done(store, { kind: 'resume', runId }), [
        { stage: 'accepted' },
        { stage: 'done', run },
      ]);
      await refuses(
        () => done(store, { kind: 'resume', runId: 'other' }),
        'RangeError',
        'RequestFailedError',
      );
      attendance.leave();
      await refuses(() => done(store, { kind: 'resume', runId }), 'StoreNotServedError');
    },
  },
  {
    name: 'request: deletes, prunes and puts in, and tells what is gone',
    async check({ store }) {
      const state = await restingState(store, 'book');
      await rest(store, 'old');
      const accepted = { stage: 'accepted' };
      const gone = { stage: 'done', gone: ['book'] };
      assert.deepEqual(await done(store, { kind: 'delete', runId: 'book' }), [accepted, gone]);
      assert.deepEqual(await done(store, { kind: 'import', state }), [accepted, { stage: 'done' }]);
      await refuses(() => done(store, { kind: 'import', state }), 'RunExistsError');
      const pruned = (await done(store, { kind: 'prune', limits: {} })).at(-1);
      assert.ok(pruned?.stage === 'done');
      assert.deepEqual([...(pruned.gone ?? [])].sort(), ['book', 'old']);
    },
  },
  {
    name: 'queue: gives runs by their priority, then by their age, and delayed ones when they are due',
    async check({ store }) {
      await store.queue.add(queued('first'), 10);
      await store.queue.add(queued('second'), 10);
      const { heard, ...attendance } = await attends(store);
      await becomes(() => heard.includes('queued'), 'runs are queued');
      await store.queue.add(queued('urgent', { priority: 5 }), 10);
      await store.queue.add(queued('late', { priority: 9, dueAt: 2_000 }), 10);
      await store.queue.add(queued('later', { priority: 9, dueAt: 3_000 }), 10);
      await becomes(() => attendance.queuedAt() === 2_000, 'the earliest that is delayed is known');
      assert.deepEqual(await turns(attendance, 1_999, 3), ['urgent', 'first', 'second']);
      assert.deepEqual(await turns(attendance, 2_000, 1), ['late']);
      await becomes(() => attendance.queuedAt() === 3_000, 'the next that is delayed is known');
      assert.equal(await store.queue.size(), 1);
    },
  },
  {
    name: 'queue: gives all that was said of a run, once, and again when it is put back',
    async check({ store }) {
      const run = queued('book', { priority: 2, dueAt: 5, tags: { customer: '42' } });
      await store.queue.add(run, 10);
      const attendance = await attends(store);
      await becomes(() => attendance.heard.includes('queued'), 'a run is queued');
      const turn = attendance.takeQueued(anHourAgo());
      assert.deepEqual(await turn?.load(), run);
      assert.equal(attendance.takeQueued(anHourAgo()), undefined, 'a run has its turn twice');
      turn?.back();
      const again = attendance.takeQueued(anHourAgo());
      assert.equal(again?.runId, 'book');
      assert.equal(await store.queue.size(), 1);
      again.done();
      assert.equal(await store.queue.size(), 0);
    },
  },
  {
    name: 'queue: takes an id once, and no more runs than may wait',
    async check({ store }) {
      assert.equal(await store.queue.add(queued('a'), 2), true);
      assert.equal(await store.queue.add(queued('a', { priority: 5 }), 2), false);
      assert.equal(await store.queue.add(queued('b'), 2), true);
      await refuses(() => store.queue.add(queued('c'), 2), 'BacklogFullError');
      assert.equal(await store.queue.remove('a'), true);
      assert.equal(await store.queue.remove('a'), false);
      assert.equal(await store.deleteRun('b'), true, 'a run that waits is deleted');
      assert.equal(await store.queue.size(), 0);
      assert.equal(await store.queue.add(queued('c'), 2), true);
      const attendance = await attends(store);
      assert.deepEqual(await turns(attendance, anHourAgo(), 1), ['c']);
    },
  },
  {
    name: 'queue: takes an id anew that was taken back, with what is said of it then',
    async check({ store }) {
      const attendance = await attends(store);
      await store.queue.add(queued('x', { priority: -5 }), 10);
      await store.queue.add(queued('later', { dueAt: 5_000 }), 10);
      await store.queue.add(queued('m'), 10);
      await becomes(() => attendance.queuedAt() === 5_000, 'runs are queued');
      for (const runId of ['x', 'later']) assert.equal(await store.queue.remove(runId), true);
      await store.queue.add(queued('x', { priority: 10, input: 'new' }), 10);
      await store.queue.add(queued('later', { priority: -1 }), 10);
      await store.queue.add(queued('mark', { dueAt: 4_000 }), 10);
      await becomes(() => attendance.queuedAt() === 4_000, 'runs are queued again');
      const first = attendance.takeQueued(1_000);
      assert.deepEqual([first?.runId, (await first?.load())?.input], ['x', 'new']);
      first?.done();
      assert.deepEqual(await turns(attendance, 1_000, 2), ['m', 'later']);
      assert.deepEqual(await turns(attendance, 9_000, 1), ['mark'], 'a run has its turn that was taken back');
      attendance.leave();
    },
  },
  {
    name: 'queue: says that a run was taken back after it was loaded',
    async check({ store }) {
      const attendance = await attends(store);
      for (const runId of ['kept', 'gone']) await store.queue.add(queued(runId), 10);
      const loaded: QueuedTurn[] = [];
      await becomes(() => {
        for (let turn = attendance.takeQueued(1); turn !== undefined; turn = attendance.takeQueued(1))
          loaded.push(turn);
        return loaded.length === 2;
      }, 'two runs have their turns');
      for (const turn of loaded) assert.ok((await turn.load()) !== undefined);
      assert.equal(await store.queue.remove('gone'), true);
      assert.deepEqual(
        loaded.map((turn) => [turn.runId, turn.done()]),
        [
          ['kept', true],
          ['gone', false],
        ],
      );
      assert.equal(await store.queue.remove('kept'), false, 'a run that has begun is taken back');
      attendance.leave();
    },
  },
  {
    name: 'queue: takes no id of a run, be it under way or at rest',
    async check({ store }) {
      await rest(store, 'past');
      const claim = await store.claim('book');
      for (const event of askingLife('book', 'first').slice(0, 2)) await claim.append(event);
      for (const runId of ['book', 'past']) assert.equal(await store.queue.add(queued(runId), 10), false);
      await claim.release(undefined);
      assert.equal(await store.queue.size(), 0);
    },
  },
];

/** What another store of the place can ask for. */
export const asked: readonly StoreCase[] = [
  {
    name: 'place: does what another store asks for while somebody serves',
    async check({ store, reopen }) {
      const state = await restingState(store, 'book');
      await attends(store);
      const other = await reopen();
      assert.equal(await other.deleteRun('book'), true);
      assert.equal(await store.loadRun('book'), undefined);
      await other.importRun(state);
      await refuses(() => other.importRun(state), 'RunExistsError');
      assert.equal((await store.loadRun('book'))?.status, state.status);
      assert.deepEqual(await other.prune({}), ['book']);
    },
  },
  {
    name: 'place: queues no id of a run that another store carries on',
    async check({ store, reopen }) {
      const claim = await store.claim('book');
      for (const event of askingLife('book', 'first').slice(0, 2)) await claim.append(event);
      const other = await reopen();
      assert.equal(await other.queue.add(queued('book'), 10), false);
      assert.equal(await other.queue.size(), 0);
      await claim.release(undefined);
    },
  },
  {
    name: 'place: begins what another store has queued',
    async check({ store, reopen }) {
      const attendance = await attends(store);
      await (await reopen()).queue.add(queued('book'), 10);
      assert.deepEqual(await turns(attendance, anHourAgo(), 1), ['book']);
    },
  },
];
