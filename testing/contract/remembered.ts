import assert from 'node:assert/strict';

import type { StreamClaim } from '../../lib/store/streamRest';
import type { StoreCase } from './storeCase';
import { refuses } from './storeCase';

/** What is kept of a stream, as plain data. */
function kept({ saved }: StreamClaim) {
  if (saved === undefined) return undefined;
  return {
    offsets: Object.fromEntries(saved.offsets),
    tables: Object.fromEntries([...saved.tables].map(([name, rows]) => [name, Object.fromEntries(rows)])),
  };
}

/** Streams that remember: offsets and tables. */
export const remembered: readonly StoreCase[] = [
  {
    name: 'streams: give back offsets and rows as they were committed',
    async check({ store }) {
      const first = await store.streams.claim('log');
      assert.equal(first.saved, undefined);
      await first.commit({
        offsets: [['log', { byte: 10 }]],
        rows: [{ table: 't', key: 'a', value: { n: [1] } }],
        at: 1,
      });
      await first.commit({
        offsets: [['log', { byte: 20 }]],
        rows: [
          { table: 't', key: 'a', patches: [{ op: 'add', path: ['n', 1], value: 2 }] },
          { table: 't', key: 'b', value: 'x' },
          { table: 'u', key: 'a', value: null },
        ],
        at: 2,
      });
      await first.commit({ rows: [{ table: 't', key: 'b' }], at: 3 });
      await first.release();
      const second = await store.streams.claim('log');
      assert.deepEqual(kept(second), {
        offsets: { log: { byte: 20 } },
        tables: { t: { a: { n: [1, 2] } }, u: { a: null } },
      });
      await second.release();
      // Virtual time begins at 0, and so may all that a stream has written.
      const early = await store.streams.claim('early');
      await early.commit({ offsets: [['log', 1]], rows: [], at: 0 });
      await early.release();
      const later = await store.streams.claim('early');
      assert.deepEqual(kept(later)?.offsets, { log: 1 });
      await later.release();
    },
  },
  {
    name: 'streams: hand out rows that may be changed',
    async check({ store }) {
      const first = await store.streams.claim('log');
      await first.commit({ rows: [{ table: 't', key: 'a', value: { list: [1] } }], at: 1 });
      await first.release();
      const second = await store.streams.claim('log');
      const row = second.saved?.tables.get('t')?.get('a') as { list: number[] };
      row.list.push(2);
      await second.release();
      const third = await store.streams.claim('log');
      assert.deepEqual(kept(third)?.tables, { t: { a: { list: [1] } } });
      await third.release();
    },
  },
  {
    name: 'streams: are claimed by one at a time, each name by itself',
    async check({ store }) {
      const claim = await store.streams.claim('log');
      await refuses(async () => store.streams.claim('log'), 'StreamActiveError');
      const other = await store.streams.claim('another');
      await other.release();
      await claim.release();
      await (await store.streams.claim('log')).release();
    },
  },
  {
    name: 'streams: wait for one that is just being left',
    async check({ store }) {
      const claim = await store.streams.claim('log');
      await claim.commit({ offsets: [['log', 1]], rows: [], at: 1 });
      void claim.release();
      const next = await store.streams.claim('log');
      assert.deepEqual(kept(next)?.offsets, { log: 1 });
      await next.release();
    },
  },
  {
    name: 'streams: are listed by name, with what they hold',
    async check({ store }) {
      for (const name of ['b', 'a']) {
        const claim = await store.streams.claim(name);
        await claim.commit({
          offsets: [[name, 7]],
          lags: [[name, 40]],
          rows: [
            { table: 't', key: 'k', value: 1 },
            { table: 'w', key: 'clock', value: { late: 3 } },
          ],
          at: 5,
        });
        await claim.release();
      }
      const all = { tables: { t: 1, w: 1 }, late: { w: 3 }, committedAt: 5 };
      assert.deepEqual(await store.streams.list(), [
        { name: 'a', offsets: { a: 7 }, lags: { a: 40 }, ...all },
        { name: 'b', offsets: { b: 7 }, lags: { b: 40 }, ...all },
      ]);
      const again = await store.streams.claim('a');
      assert.equal(again.saved?.committedAt, 5);
      await again.release();
    },
  },
  {
    name: 'streams: are forgotten when nobody has them',
    async check({ store }) {
      const claim = await store.streams.claim('log');
      await claim.commit({ rows: [{ table: 't', key: 'k', value: 1 }], at: 5 });
      await refuses(() => store.streams.delete('log'), 'StreamActiveError');
      // One that is just being left is waited for.
      const left = claim.release();
      assert.equal(await store.streams.delete('log'), true);
      await left;
      assert.equal(await store.streams.delete('log'), false);
      const again = await store.streams.claim('log');
      assert.equal(again.saved, undefined);
      await again.release();
    },
  },
  {
    name: 'streams: have names of 1 to 200 characters',
    async check({ store }) {
      await refuses(async () => store.streams.claim(''), 'StreamNameError');
      await refuses(async () => store.streams.claim('x'.repeat(201)), 'StreamNameError');
      await (await store.streams.claim('../🌊')).release();
    },
  },
];
