import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { firstValueFrom, skipWhile } from 'rxjs';

import { agent, chain, each, execute, lowdbStore, memoryStore, run } from '../../../index';
import { enteredOnlyBy } from '../../support/entered';
import { until } from '../../support/until';

const upper = agent('upper', async (text: string) => Promise.resolve(text.toUpperCase()));
const trim = agent('trim', async (text: string) => Promise.resolve(text.trim()));
const work = chain('work', trim, upper);

let fails = false;
const flaky = agent(
  'flaky',
  async (text: string) => {
    if (fails) {
      fails = false;
      throw new Error('once');
    }
    return Promise.resolve(text);
  },
  { retry: 1 },
);

async function retry(): Promise<string[]> {
  const flakyWork = chain('work', trim, flaky);
  return enteredOnlyBy(
    () => execute(flakyWork, ' a '),
    () => {
      fails = true;
      return execute(flakyWork, ' a ');
    },
  );
}

async function resume(): Promise<string[]> {
  const fresh = () => execute(work, ' a ', { store: memoryStore(), runId: 'r' });
  const stores = await Promise.all(
    [0, 1].map(async () => {
      const store = memoryStore();
      const left = run(work, ' a ', { store, runId: 'r' });
      await firstValueFrom(left.pipe(skipWhile(({ event }) => event.type !== 'step.completed')));
      return store;
    }),
  );
  return enteredOnlyBy(fresh, () => {
    const store = stores.shift() ?? memoryStore();
    return execute(work, ' a ', { store, runId: 'r' });
  });
}

async function item(): Promise<string[]> {
  const all = chain('all', each('texts', work));
  return enteredOnlyBy(
    () => execute(chain('all', work), ' a '),
    () => execute(all, [' a ']),
  );
}

async function journal(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-read-'));
  const closed = join(folder, 'closed');
  const store = lowdbStore(closed);
  await execute(work, ' a ', { store, runId: 'r' });
  await store.close();
  // A folder as a killed process leaves it: a run under way, and its journal.
  const killed = join(folder, 'killed');
  const under = lowdbStore(killed);
  await execute(work, ' a ', { store: under, runId: 'r' });
  let isStuck = false;
  const stuck = agent('stuck', () => {
    isStuck = true;
    return new Promise<string>(() => undefined);
  });
  const subscription = run(chain('work', trim, stuck), ' a ', { store: under, runId: 'stuck' }).subscribe();
  await until(() => isStuck && existsSync(join(killed, 'runs', 'r.json')));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const copies = [0, 1, 2].map((n) => {
    const copy = join(folder, `copy${String(n)}`);
    cpSync(killed, copy, { recursive: true, filter: (path) => !path.includes('lock') });
    return copy;
  });
  subscription.unsubscribe();
  await under.close();
  const look = async (at: string): Promise<void> => {
    const opened = lowdbStore(at);
    await opened.loadRun('r');
    await opened.deleteRun('none');
    await opened.close();
  };
  const only = await enteredOnlyBy(
    () => look(closed),
    () => look(copies.shift() ?? ''),
  );
  rmSync(folder, { recursive: true, force: true });
  return only;
}

/** The source files that each question of "Where to read" enters, and that the same work without it does not. */
export async function enteredByQuestions(): Promise<Readonly<Record<string, readonly string[]>>> {
  return {
    retry: await retry(),
    resume: await resume(),
    item: await item(),
    journal: await journal(),
  };
}
