import assert from 'node:assert/strict';

import type { AnswerMessage } from '../../lib/model/message';
import type { KeptSignal } from '../../lib/store/signalRest';
import type { Attendance, Store } from '../../lib/store/store';
import { askingLife } from './life';
import type { StoreCase } from './storeCase';
import { anHourAgo, becomes, refuses, rest, restingState } from './storeCase';

const attends = (store: Store): Promise<Attendance> =>
  store.attend({
    posted: () => undefined,
    rested: () => undefined,
    troubled: (error) => {
      throw error;
    },
    queued: () => undefined,
    resume: () => Promise.reject(new Error('not asked for')),
  });

const values = (signals: readonly KeptSignal[]): unknown[] => signals.map(({ value }) => value);

const answerOf = ({ value, at, ...signal }: KeptSignal): AnswerMessage => ({
  kind: 'answer',
  path: 'ask',
  value,
  at,
  signal,
});

/** What a store does with what happens outside. */
export const signals: readonly StoreCase[] = [
  {
    name: 'signals: are kept as they were given, listed by name, oldest first',
    async check({ store }) {
      const first = await store.signals.add({ name: 'paid', value: { n: [1] }, at: anHourAgo() });
      await store.signals.add({ name: 'sent/x', value: 'é', at: anHourAgo() });
      await store.signals.add({ name: 'paid', at: anHourAgo(), until: anHourAgo() + 1 });
      assert.deepEqual(values(await store.signals.list()), [{ n: [1] }, 'é', undefined]);
      assert.deepEqual(await store.signals.list('sent/x'), (await store.signals.list()).slice(1, 2));
      assert.deepEqual((await store.signals.list('paid'))[0], first);
      assert.deepEqual(await store.signals.list('nothing'), []);
      await refuses(
        () => store.signals.add({ name: 'paid', value: () => 1, at: anHourAgo() }),
        'StateValueError',
      );
    },
  },
  {
    name: 'signals: are forgotten when one comes behind their time, and when they are taken back',
    async check({ store }) {
      await store.signals.add({ name: 'paid', value: 1, at: 10, until: 20 });
      await store.signals.add({ name: 'sent', value: 2, at: 19 });
      assert.deepEqual(values(await store.signals.list()), [1, 2]);
      const { signalId } = await store.signals.add({ name: 'sent', value: 3, at: 20 });
      assert.deepEqual(values(await store.signals.list()), [2, 3]);
      assert.equal(await store.signals.remove(signalId), true);
      assert.equal(await store.signals.remove(signalId), false);
      assert.deepEqual(values(await store.signals.list()), [2]);
    },
  },
  {
    name: 'signals: are told to who carries out runs, those before and those to come, by name or all',
    async check({ store }) {
      await store.signals.add({ name: 'paid', value: 1, at: anHourAgo() });
      await store.signals.add({ name: 'sent', value: 2, at: anHourAgo() });
      const attendance = await attends(store);
      const [paid, all]: [unknown[], unknown[]] = [[], []];
      const stop = attendance.signals.hear('paid', ({ value }) => paid.push(value));
      attendance.signals.hear(undefined, ({ value }) => all.push(value));
      assert.deepEqual([paid, all], [[1], [1, 2]]);
      await store.signals.add({ name: 'paid', value: 3, at: anHourAgo() });
      await becomes(() => paid.length === 2 && all.length === 3, 'a signal is told');
      stop();
      await store.signals.add({ name: 'paid', value: 4, at: anHourAgo() });
      await becomes(() => all.length === 4, 'a signal is told to those who still hear');
      assert.deepEqual(paid, [1, 3]);
      attendance.leave();
    },
  },
  {
    name: 'signals: go to one question, as an answer in the inbox of its run, and can be put back from there',
    async check({ store }) {
      await rest(store, 'book', askingLife('book', 'first'));
      const kept = await store.signals.add({ name: 'paid', value: 1, at: anHourAgo() });
      const attendance = await attends(store);
      attendance.signals.hear('paid', () => undefined);
      const answer = answerOf(kept);
      assert.deepEqual(
        await Promise.all([
          attendance.signals.give(kept, 'book', answer),
          attendance.signals.give(kept, 'book', answer),
        ]),
        [true, false],
      );
      assert.deepEqual(await store.signals.list(), []);
      assert.equal(await store.signals.remove(kept.signalId), false);
      assert.deepEqual([...attendance.messages('book')], [answer]);
      const claim = await store.claim('book');
      const stop = claim.inbox((message) => {
        claim.signals?.putBack(kept, () => {
          message.done();
        });
      });
      await becomes(
        async () =>
          (await store.signals.list()).length === 1 && [...attendance.messages('book')].length === 0,
        'a signal is put back',
      );
      stop();
      await claim.release(undefined);
      assert.deepEqual(await store.signals.list(), [kept]);
      attendance.leave();
    },
  },
  {
    name: 'signals: that a run was given are there for others when it is deleted or pruned',
    async check({ store }) {
      const attendance = await attends(store);
      attendance.signals.hear(undefined, () => undefined);
      const given = async (runId: string): Promise<KeptSignal> => {
        const kept = await store.signals.add({ name: 'paid', value: runId, at: anHourAgo() });
        assert.equal(await attendance.signals.give(kept, runId, answerOf(kept)), true);
        assert.deepEqual(await store.signals.list(), []);
        return kept;
      };
      const isBack = async (kept: KeptSignal): Promise<void> => {
        assert.deepEqual(await store.signals.list(), [kept]);
        assert.equal(await store.signals.remove(kept.signalId), true);
      };

      const state = await restingState(store, 'book', askingLife('book', 'first'));
      const first = await given('book');
      assert.equal(await store.deleteRun('book'), true);
      await isBack(first);

      await store.importRun(state);
      const second = await given('book');
      const claim = await store.claim('book');
      const at = anHourAgo();
      await claim.append({ type: 'run.resumed', runId: 'book', seq: 5, at, life: 2, reused: 0 });
      await claim.append({ type: 'run.cancelled', runId: 'book', seq: 6, at, duration: 0 });
      await claim.release(undefined);
      assert.deepEqual(await store.prune({}), ['book']);
      await isBack(second);
      attendance.leave();
    },
  },
  {
    name: 'signals: that a run has taken do not come back when it is deleted or pruned',
    async check({ store }) {
      const attendance = await attends(store);
      attendance.signals.hear(undefined, () => undefined);
      const state = await restingState(store, 'book', askingLife('book', 'first'));
      await store.deleteRun('book');
      for (const forget of [() => store.deleteRun('book'), () => store.prune({})]) {
        await store.importRun(state);
        const kept = await store.signals.add({ name: 'paid', value: 1, at: anHourAgo() });
        assert.equal(await attendance.signals.give(kept, 'book', answerOf(kept)), true);
        const claim = await store.claim('book');
        const at = anHourAgo();
        const { signalId } = kept;
        const answered = { type: 'step.answered', path: 'ask', by: 'answer', value: 1, signalId } as const;
        await claim.append({ type: 'run.resumed', runId: 'book', seq: 5, at, life: 2, reused: 0 });
        await claim.append({ ...answered, runId: 'book', seq: 6, at });
        await claim.append({ type: 'run.cancelled', runId: 'book', seq: 7, at, duration: 0 });
        await claim.release(undefined);
        assert.deepEqual((await store.loadRun('book'))?.steps.get('ask')?.signalIds, [signalId]);
        await forget();
        assert.equal(await store.loadRun('book'), undefined);
        assert.deepEqual(await store.signals.list(), []);
      }
      attendance.leave();
    },
  },
  {
    name: 'signals: stay for others where the run that they are to go to has ended or is gone',
    async check({ store }) {
      await rest(store, 'book', askingLife('book', 'first'));
      await rest(store, 'past');
      const kept = await store.signals.add({ name: 'paid', value: 1, at: anHourAgo() });
      const attendance = await attends(store);
      attendance.signals.hear('paid', () => undefined);
      for (const runId of ['past', 'nobody'])
        assert.equal(await attendance.signals.give(kept, runId, answerOf(kept)), false, runId);
      assert.deepEqual(await store.signals.list(), [kept]);
      assert.equal(await attendance.signals.give(kept, 'book', answerOf(kept)), true);
      attendance.leave();
    },
  },
];

/** The same where another process has the store. */
export const signalled: readonly StoreCase[] = [
  {
    name: 'signals: of another process are kept beside the owner, told to it, and outlast both',
    async check({ store, reopen }) {
      const attendance = await attends(store);
      const heard: unknown[] = [];
      attendance.signals.hear(undefined, ({ value }) => heard.push(value));
      const other = await reopen();
      await other.signals.add({ name: 'paid', value: 1, at: anHourAgo() });
      await becomes(() => heard.length === 1, 'a signal of another process is told');
      attendance.leave();
      await store.close();
      assert.deepEqual(values(await other.signals.list('paid')), [1]);
    },
  },
];
