import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { executionHistory } from '../../lib/history/executionHistory';
import type { ReceivedMessage } from '../../lib/store/store';
import type { StoreCase } from './storeCase';
import { becomes, refuses, rest } from './storeCase';

const hear = (received: ReceivedMessage[]) => (message: ReceivedMessage) => {
  received.push(message);
};

/** A message without what can be done with it. */
const said = (message: ReceivedMessage): object => JSON.parse(JSON.stringify(message)) as object;

/** Messages from outside, execution logs, and answers that other runs may use. */
export const services: readonly StoreCase[] = [
  {
    name: 'inbox: hands over what waits, in order, in every life until it is done with',
    async check({ store }) {
      await rest(store, 'book');
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
          { kind: 'answer', path: 'ask', value: { yes: true } },
          { kind: 'cancel', reason: 'late' },
        ]);
        if (round === 2) for (const message of received) message.done();
        await claim.release(undefined);
      }
      const left: ReceivedMessage[] = [];
      (await store.claim('book')).inbox(hear(left));
      await setTimeout(20);
      assert.deepEqual(left.map(said), [], 'what was done with is told again');
    },
  },
  {
    name: 'inbox: tells a message that comes later, until it is left',
    async check({ store }) {
      await rest(store, 'book');
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
