import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { executionHistory } from '../../lib/history/executionHistory';
import type { RunMessage } from '../../lib/model/message';
import type { ReceivedMessage, Store } from '../../lib/store/store';
import { append, askingLife } from './life';
import type { StoreCase } from './storeCase';
import { anHourAgo, becomes, refuses, rest, restingState } from './storeCase';

const hear = (received: ReceivedMessage[]) => (message: ReceivedMessage) => {
  received.push(message);
};

/** What waits for a run that nobody carries on. */
async function heard(store: Store, runId: string): Promise<readonly object[]> {
  const received: ReceivedMessage[] = [];
  const claim = await store.claim(runId);
  const leave = claim.inbox(hear(received));
  await setTimeout(20);
  leave();
  await claim.release(undefined);
  return received.map(said);
}

/** A message without its time, and without what can be done with it. */
function said(message: RunMessage | ReceivedMessage): object {
  const { at: _, ...rest } = JSON.parse(JSON.stringify(message)) as RunMessage;
  return rest;
}

/** Messages from outside, execution logs, and answers that other runs may use. */
export const services: readonly StoreCase[] = [
  {
    name: 'inbox: hands over what waits, in order, in every life until it is done with',
    async check({ store }) {
      await rest(store, 'book', askingLife('book', 'first'));
      await rest(store, 'other', askingLife('other', 'second'));
      await store.post('book', { kind: 'answer', path: 'ask', value: { yes: true } });
      await store.post('book', { kind: 'cancel', reason: 'late' });
      await store.post('other', { kind: 'cancel' });
      for (const round of [1, 2]) {
        const received: ReceivedMessage[] = [];
        const claim = await store.claim('book');
        const leave = claim.inbox(hear(received));
        await becomes(() => received.length >= 2, 'two messages wait');
        leave();
        assert.deepEqual(received.map(said), [
          { kind: 'answer', path: 'ask', value: { yes: true }, incarnation: 'first', asking: 'first.3' },
          { kind: 'cancel', reason: 'late', incarnation: 'first', life: 2 },
        ]);
        if (round === 2) for (const message of received) message.done();
        await claim.release(undefined);
      }
      assert.deepEqual(await heard(store, 'book'), [], 'what was done with is told again');
    },
  },
  {
    name: 'inbox: tells a message that comes later, until it is left',
    async check({ store }) {
      await rest(store, 'book', askingLife('book', 'first'));
      const received: ReceivedMessage[] = [];
      const leave = (await store.claim('book')).inbox(hear(received));
      await store.post('book', { kind: 'cancel' });
      await becomes(() => received.length === 1, 'a message has been posted');
      leave();
      await store.post('book', { kind: 'cancel' });
      await setTimeout(20);
      assert.equal(received.length, 1, 'a message is told to who has left');
    },
  },
  {
    name: 'inbox: names what a message is meant for, and says so',
    async check({ store }) {
      await rest(store, 'book', askingLife('book', 'first'));
      const answer = { kind: 'answer', path: 'ask', value: 1 } as const;
      const named = { ...answer, incarnation: 'first', asking: 'first.3' };
      assert.deepEqual(said(await store.post('book', answer)), named);
      assert.deepEqual(said(await store.post('book', named)), named);
      const early = { kind: 'answer', path: 'pages[3]/ask', value: 1 } as const;
      assert.deepEqual(said(await store.post('book', early)), { ...early, incarnation: 'first' });
      await append(await store.claim('book'), [
        { type: 'run.resumed', runId: 'book', seq: 5, at: anHourAgo(), life: 2, reused: 0 },
      ]);
      const cancelled = { kind: 'cancel', incarnation: 'first', life: 2 };
      assert.deepEqual(said(await store.post('book', { kind: 'cancel' })), cancelled);
    },
  },
  {
    name: 'inbox: refuses by name what can never be heard, and keeps nothing of it',
    async check({ store }) {
      await rest(store, 'done');
      await rest(store, 'book', askingLife('book', 'first'));
      const answer = { kind: 'answer', path: 'ask', value: 1 } as const;
      await refuses(() => store.post('nobody', answer), 'UnknownRunError');
      await refuses(() => store.post('nobody', { kind: 'cancel' }), 'UnknownRunError');
      await refuses(() => store.post('done', answer), 'RunEndedError');
      await refuses(() => store.post('done', { kind: 'cancel' }), 'RunEndedError');
      await refuses(() => store.post('book', { ...answer, path: 'aks' }), 'UnknownStepError');
      await refuses(() => store.post('book', { ...answer, path: 'pages' }), 'NotWaitingError');
      await refuses(() => store.post('book', { ...answer, asking: 'first.2' }), 'NotWaitingError');
      await refuses(() => store.post('book', { ...answer, incarnation: 'second' }), 'NotWaitingError');
      for (const runId of ['nobody', 'done', 'book']) {
        assert.deepEqual(await heard(store, runId), [], `a message that was refused is told to "${runId}"`);
      }
    },
  },
  {
    name: 'inbox: is emptied when its run is deleted or pruned',
    async check({ store }) {
      for (const forget of [() => store.deleteRun('book'), () => store.prune({})]) {
        await rest(store, 'book', askingLife('book', 'first', anHourAgo()));
        await store.post('book', { kind: 'answer', path: 'ask', value: 1 });
        const ended = { type: 'run.cancelled', runId: 'book', seq: 6, at: anHourAgo(), duration: 0 } as const;
        await rest(store, 'book', [
          { type: 'run.resumed', runId: 'book', seq: 5, at: anHourAgo(), life: 2, reused: 0 },
          ended,
        ]);
        await forget();
        await rest(store, 'book', askingLife('book', 'first', anHourAgo()));
        assert.deepEqual(
          await heard(store, 'book'),
          [],
          'a message to a run that is gone is told to the next',
        );
        await store.deleteRun('book');
      }
    },
  },
  {
    name: 'inbox: is empty for a run that is put in',
    async check({ store }) {
      const state = await restingState(store, 'book', askingLife('book', 'first'));
      await store.post('book', { kind: 'answer', path: 'ask', value: 1 });
      await store.deleteRun('book');
      await store.importRun(state);
      assert.deepEqual(await heard(store, 'book'), []);
      assert.equal((await store.loadRun('book'))?.incarnation, 'first', 'it is another run now');
    },
  },
  {
    name: 'logs: keep an execution log',
    async check({ store }) {
      const history = executionHistory(store.logs);
      const { logId, startTime } = await history.createLog('text processing');
      assert.deepEqual(await executionHistory(store.logs).getLog(logId), {
        logId,
        workflowName: 'text processing',
        startTime,
        endTime: null,
        status: 'running',
        steps: [],
      });
      await Promise.all(
        [1, 2, 3].map((i) => history.addStepResult(logId, `step${String(i)}`, 'completed', i)),
      );
      const { endTime } = await history.completeLog(logId, 'completed');
      const log = await executionHistory(store.logs).getLog(logId);
      assert.deepEqual(
        log.steps.map(({ stepName, status, duration }) => [stepName, status, duration]),
        [1, 2, 3].map((i) => [`step${String(i)}`, 'completed', i]),
      );
      assert.deepEqual([log.status, log.endTime], ['completed', endTime]);
    },
  },
  {
    name: 'logs: know nothing of an id they have not seen',
    async check({ store }) {
      assert.equal(await store.logs.load('nobody'), undefined);
      assert.deepEqual(await store.logs.list(), []);
      await refuses(() => executionHistory(store.logs).getLog('../nobody'), 'UnknownLogError');
    },
  },
  {
    name: 'logs: are listed the latest first, without their steps',
    async check({ store }) {
      let now = Date.UTC(2026, 10, 22);
      const history = executionHistory(store.logs, { now: () => (now += 1_000) });
      for (const logId of ['log/b', 'log/c', 'log/a']) await history.createLog('w', logId);
      await history.addStepResult('log/c', 's', 'completed', 1);
      assert.deepEqual(
        (await store.logs.list()).map(({ logId, stepCount }) => [logId, stepCount]),
        [
          ['log/a', 0],
          ['log/c', 1],
          ['log/b', 0],
        ],
      );
      assert.ok((await store.logs.list()).every((summary) => !('steps' in summary)));
    },
  },
  {
    name: 'cache: gives what was kept under a key, as it was',
    async check({ store }) {
      const { cache } = await store.claim('book');
      if (cache === undefined) return;
      assert.equal(await cache.get('nothing'), undefined);
      const answer = { output: { words: ['a'] }, kept: [1, 2], expiresAt: 5 };
      const setting = cache.set('key', answer);
      answer.output.words.push('b');
      await setting;
      assert.deepEqual(await cache.get('key'), { output: { words: ['a'] }, kept: [1, 2], expiresAt: 5 });
      await cache.set('key', { output: 2 });
      assert.deepEqual(await (await store.claim('other')).cache?.get('key'), { output: 2 });
    },
  },
];
