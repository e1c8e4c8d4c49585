import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  execute,
  memoryStore,
  restore,
  resume,
  run,
  saga,
  saveTo,
} from '../../index';
import type { Agent, RunState, Store } from '../../index';

type Any = Agent<unknown, unknown>;

/** A chain of what does not fit together by its types. */
const linked = (name: string, ...links: readonly Agent<never, unknown>[]): Any =>
  chain(name, ...(links as [Any]));

const ask = approval('ask', t.string);
const stored = async (runId: string, store: Store): Promise<RunState> => {
  const state = await store.loadRun(runId);
  if (state === undefined) throw new Error('it is not there');
  return state;
};

/** Runs an agent, saves how it stands then, and restores that. */
async function restored(self: Any, store: Store): Promise<RunState> {
  await execute(self, 1, { store, runId: 'r' });
  const { snapshotId } = await store.snapshots.save('s', await stored('r', store));
  return stored(await restore(snapshotId, { store, runId: 'copy' }), store);
}

describe('a run that begins with a snapshot', () => {
  it('waits for an answer of its own where the snapshot did, and is listed so', async () => {
    const self = linked(
      'c',
      ask,
      agent('use', (text: string) => `${text}!`),
    );
    const store = memoryStore();

    const state = await restored(self, store);

    const [listed] = (await store.listRuns()).filter(({ runId }) => runId === 'copy');
    expect([state.status, listed?.status]).toEqual(['SUSPENDED', 'SUSPENDED']);
    expect(listed?.waiting.map(({ path }) => path)).toEqual(['ask']);
    expect(listed?.waiting[0]?.asking).not.toBe((await stored('r', store)).steps.get('ask')?.asking);
    await answer('copy', 'ask', 'yes', { store });
    expect((await lastValueFrom(resume(self, 'copy', { store }))).state.output).toBe('yes!');
    expect((await stored('r', store)).status).toBe('SUSPENDED');
  });

  it('has failed, or completed, where the snapshot had', async () => {
    const fails = agent('fails', () => Promise.reject(new Error('down')));
    const failed = await restored(linked('c', fails), memoryStore());
    const completed = await restored(
      linked(
        'c',
        agent('a', () => 7),
      ),
      memoryStore(),
    );

    expect([failed.status, failed.error?.message]).toEqual(['FAILED', 'down']);
    expect([completed.status, completed.output]).toEqual(['COMPLETED', 7]);
  });

  it('is cancelled where the snapshot was taken under way', async () => {
    const store = memoryStore();
    const self = linked(
      'c',
      agent('a', () => 1),
      agent('b', () => 2),
    );
    const name = ({ event }: { event: { type: string } }) =>
      event.type === 'step.completed' ? 'after' : undefined;
    await lastValueFrom(run(self, 1, { store, runId: 'r' }).pipe(saveTo(name, { store })));
    const [first] = (await store.snapshots.list()).toReversed();

    const state = await stored(await restore(first?.snapshotId ?? '', { store }), store);

    expect([state.status, state.reason]).toEqual(['CANCELLED', 'restored']);
    expect([...state.steps].map(({ status }) => status)).toContain('COMPLETED');
  });

  it('is cancelled, and waits for nobody, where what it waited for has been undone since', async () => {
    let paid = 0;
    const pay = agent('pay', () => (paid += 1), { compensate: () => (paid -= 1) });
    const self = saga('s', linked('w', pay, ask));
    const store = memoryStore();
    await execute(self, 1, { store, runId: 'r' });
    const { snapshotId } = await store.snapshots.save('s', await stored('r', store));
    await cancel('r', { store });
    await execute(self, 1, { store, runId: 'r' });
    expect(paid).toBe(0);

    const copy = await restore(snapshotId, { store });

    expect((await stored(copy, store)).status).toBe('CANCELLED');
    const { state } = await lastValueFrom(resume(self, copy, { store }));
    expect([state.status, paid]).toEqual(['SUSPENDED', 1]);
  });
});
