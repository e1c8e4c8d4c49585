import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

import type { Agent } from '../../../index';
import { agent, chain, execute, fallback, firstOf, lowdbStore, saga } from '../../../index';

type Any = Agent<unknown, unknown>;

/** Books, loses a race and goes back or ends, and writes down each call in a file of its own. Args: folder, file, whether it ends. */
async function main(): Promise<void> {
  const [folder = '', effects = '', ends = ''] = process.argv.slice(2);
  const note = (line: string): void => {
    appendFileSync(effects, `${line}\n`);
  };
  const book = (name: string): Any =>
    agent(
      name,
      async (_: unknown, { idempotencyKey }) => {
        await wait(2);
        note(`book ${idempotencyKey}`);
        return { key: idempotencyKey };
      },
      {
        compensate: async ({ key }, { idempotencyKey }) => {
          note(`undo ${key} ${idempotencyKey}`);
          await wait(2);
        },
      },
    );
  const linked = (name: string, ...links: readonly Any[]): Any => chain(name, ...(links as [Any]));
  const late = agent('late', async (_: unknown, { signal }) => wait(2_000, 1, { signal }).catch(() => 1));
  const refuse = agent('refuse', () => Promise.reject(new Error('declined')));
  const race = firstOf(
    'race',
    saga('lost', linked('w', book('b1'), book('b2'), late)),
    agent('quick', async () => wait(25, 1)),
  );
  const other = agent('other', () => 1);
  const self = linked(
    'root',
    fallback<unknown, unknown, unknown>(
      'f',
      saga('gone', linked('v', book('b3'), book('b4'), refuse)),
      other,
    ),
    race,
    saga('whole', linked('x', book('b5'), book('b6'), ...(ends === 'ends' ? [] : [refuse]))),
  );
  const store = lowdbStore(folder, { durability: 'process' });
  const { status, steps } = await execute(self, 1, { store, runId: 'r', maxCrashes: 99 });
  await store.close();
  const done = [...steps].filter(({ agent: name, status: is }) => /^b\d$/.test(name) && is === 'COMPLETED');
  // After many deaths the steps that were under way run one at a time, so that the saga may win after all.
  const hasWon = steps.get('race/lost')?.status === 'COMPLETED';
  console.log(
    JSON.stringify({
      status,
      done: done.map(({ output }) => (output as { readonly key: string }).key),
      hasWon,
    }),
  );
}

void main();
