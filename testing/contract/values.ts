import assert from 'node:assert/strict';

import type { RunState } from '../../lib/model/state';
import { append, life } from './life';
import type { StoreCase } from './storeCase';
import { refuses, rest, stands } from './storeCase';

/** What becomes of values and of ids. */
export const values: readonly StoreCase[] = [
  {
    name: 'values: come back unchanged',
    async check({ store }) {
      const outputs: readonly unknown[] = [
        null,
        false,
        0,
        5e-324,
        Number.MAX_SAFE_INTEGER,
        1.7976931348623157e308,
        '',
        '한글, ẞ, 👩‍🚀',
        'e\u0301 and \u00e9',
        '\ud800',
        '\0 \u2028 \r\n " \\ </script>',
        [],
        {},
        [[], [{}]],
        { constructor: 1, toString: null, length: 3, '': '', '0': 'zero' },
        'x'.repeat(100_000),
      ];
      const events = await rest(
        store,
        'book',
        life('book', outputs.length, (step) => outputs[step]),
      );
      const state = await store.loadRun('book');
      for (const [step, output] of outputs.entries()) {
        assert.deepEqual(state?.steps.get(`s${String(step)}`)?.output, output);
      }
      stands(state, events);
    },
  },
  {
    name: 'values: are kept as they were when they were appended',
    async check({ store }) {
      const output = { words: ['a'] };
      const claim = await store.claim('book');
      for (const event of life('book', 1, () => output)) await claim.append(event);
      output.words.push('b');
      await claim.release(undefined);
      assert.deepEqual((await store.loadRun('book'))?.steps.get('s0')?.output, { words: ['a'] });
    },
  },
  {
    name: 'values: belong to the user, unfrozen and unchanged',
    async check({ store }) {
      const output = { words: ['a'], when: undefined };
      await rest(
        store,
        'book',
        life('book', 1, () => output),
      );
      assert.ok(!Object.isFrozen(output) && !Object.isFrozen(output.words), 'they have been frozen');
      assert.deepEqual(output, { words: ['a'], when: undefined });
    },
  },
  {
    name: 'values: that JSON would change are asked to be refused, or kept',
    async check({ store }) {
      const claim = await store.claim('book');
      if (claim.checksValues) return;
      for (const event of life('book', 1, () => new Map([[1, 'a']]))) await claim.append(event);
      await claim.release(undefined);
      const kept = (await store.loadRun('book'))?.steps.get('s0')?.output;
      assert.deepEqual(kept, new Map([[1, 'a']]), 'checksValues is false, but a Map has been changed');
    },
  },
  {
    name: 'ids: of no or more than 200 characters are refused by name',
    async check({ store }) {
      for (const runId of ['', 'x'.repeat(201)]) await refuses(() => store.claim(runId), 'InvalidRunIdError');
    },
  },
  {
    name: 'ids: of any other kind are taken as they are, and kept apart',
    async check({ store }) {
      const ids = [
        ...[
          '../x',
          'a/b',
          'A/B',
          'a-b',
          'CON',
          'con',
          'nul\0',
          '.',
          '..',
          'x.',
          'x',
          ' ',
          '\ud800',
          '\ud801',
        ],
        ...[
          '__proto__',
          'constructor',
          '한글'.repeat(50),
          '\u00e9',
          'e\u0301',
          'x'.repeat(200),
          '%2e',
          "'; --",
        ],
      ];
      const lives = new Map(ids.map((runId, index) => [runId, life(runId, 1, () => index)]));
      for (const [runId, events] of lives) await rest(store, runId, events);
      for (const [runId, events] of lives) stands(await store.loadRun(runId), events);
      assert.deepEqual((await store.listRuns()).map(({ runId }) => runId).sort(), [...ids].sort());
    },
  },
  {
    name: 'values: stay as they are saved when who has read them changes them',
    async check({ store }) {
      const events = life('book', 2, (step) => ({ list: [step] }));
      const spoil = (state: RunState | undefined): void => {
        const output = state?.steps.get('s0')?.output as { readonly list: number[] } | undefined;
        output?.list.push(99);
      };
      await rest(store, 'book', events.slice(0, 4));
      spoil(await store.loadRun('book'));
      const claim = await store.claim('book');
      spoil(claim.state);
      await append(claim, events.slice(4));
      await claim.release(undefined);
      stands(await store.loadRun('book'), events);
    },
  },
];
