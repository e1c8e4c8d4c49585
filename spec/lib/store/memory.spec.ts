import { memoryStore } from '../../../lib/store/memory/memoryStore';
import { storeContract } from '../../../testing/storeContract';
import { folded, life, throughJson } from './support/life';

describe('memoryStore()', () => {
  for (const { name, check } of storeContract({ open: memoryStore })) it(name, check);

  it('answers at once, so that runs need no turn of the event loop', () => {
    const store = memoryStore();
    const claim = store.claim('book');
    if (claim instanceof Promise) throw new Error('claim() gave a Promise');
    const events = life('book', 2);

    for (const event of events) expect(claim.append(event)).toBeUndefined();
    expect(claim.release(undefined)).toBeUndefined();
    const again = store.claim('book');
    expect(again instanceof Promise).toBe(false);
    expect(throughJson('state' in again ? again.state : undefined)).toEqual(folded(events));
  });

  it('tells the time of snapshots by its clock', async () => {
    const store = memoryStore({ clock: { now: () => Date.UTC(2026, 10, 22) } });
    await store.importRun(folded(life('book', 1)));

    const { timestamp } = await store.snapshots.save('a', (await store.loadRun('book'))!);
    expect(timestamp).toBe('2026-11-22T00:00:00.000Z');
  });
});
