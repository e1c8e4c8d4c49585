import { memoryStore } from '../../../lib/store/memory';
import { runStoreContract } from '../../contract/runStore';
import { storeServicesContract } from '../../contract/storeServices';
import { folded, life, throughJson } from './support/life';

describe('memoryStore()', () => {
  runStoreContract(memoryStore);
  storeServicesContract((clock) => memoryStore({ clock }));

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
});
