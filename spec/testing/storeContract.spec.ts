import { memoryStore } from '../../lib/store/memory/memoryStore';
import type { Claim, Store } from '../../lib/store/store';
import type { ContractStores } from '../../testing/index';
import { storeContract } from '../../testing/index';
import { brokenStores, withClaim } from './support/brokenStores';

/** The names of the cases that find something, in their order; only of these, where some are given. */
async function found(stores: ContractStores, only?: readonly string[]): Promise<string[]> {
  const names: string[] = [];
  for (const { name, check } of storeContract(stores)) {
    if (only?.includes(name) === false) continue;
    await check().catch(() => names.push(name));
  }
  return names;
}

/** Stores that share one place, as those of different processes would; `close()` frees what the store has claimed. */
function place(): { open: () => Store; reopen: () => Store; inner: () => Store } {
  let inner = memoryStore();
  const opened = (): Store => {
    const mine = new Set<Claim>();
    return {
      ...inner,
      claim(runId) {
        const claim = inner.claim(runId) as Claim;
        mine.add(claim);
        return claim;
      },
      close: async () => {
        for (const claim of mine) await claim.release(undefined);
        mine.clear();
      },
    };
  };
  return {
    open: () => {
      inner = memoryStore();
      return opened();
    },
    reopen: opened,
    inner: () => inner,
  };
}

describe('storeContract()', () => {
  it('finds nothing in a store that is sound', async () => {
    expect(await found({ open: () => memoryStore() })).toEqual([]);
    const { open, reopen } = place();
    expect(await found({ open, reopen })).toEqual([]);
  });

  // At once: what never happens is waited for as long as a store may take.
  it.concurrent.each(Object.entries(brokenStores))(
    'finds a store that %s',
    async (_bug, [breaks, ...finds]) => {
      expect((await found({ open: () => breaks(memoryStore()) }, finds)).sort()).toEqual([...finds].sort());
    },
  );

  it('finds a store that acknowledges before it has written', async () => {
    const { open, reopen } = place();
    const late = (store: Store): Store =>
      withClaim(store, ({ append, note, release }) => {
        let written = Promise.resolve();
        const later = (write: () => void | Promise<void>) => {
          written = written.then(() => new Promise<void>((resolve) => setImmediate(resolve))).then(write);
        };
        return {
          append: (event) => {
            later(() => append(event));
          },
          note: (event) => {
            later(() => {
              note(event);
            });
          },
          release: (state) => written.then(() => release(state)),
        };
      });

    expect(await found({ open: () => late(open()), reopen })).toContain(
      'place: holds every event before it is acknowledged',
    );
  });

  it('finds a store that lets two writers in', async () => {
    const { open, reopen, inner } = place();
    const careless = (store: Store): Store => ({
      ...store,
      claim: async (runId) => {
        try {
          return await store.claim(runId);
        } catch {
          return { ...(await inner().claim(`${runId}, too`)) };
        }
      },
    });

    expect(await found({ open, reopen: () => careless(reopen()) })).toEqual([
      'place: lets nobody else carry on a run that is under way',
    ]);
  });

  it('finds a place that loses what its store wrote', async () => {
    expect(await found({ open: () => memoryStore(), reopen: () => memoryStore() })).toEqual([
      'place: gives everything back to the next store',
      'place: holds every event before it is acknowledged',
      'place: lets nobody else carry on a run that is under way',
      'place: does what another store asks for while somebody serves',
      'place: queues no id of a run that another store carries on',
      'place: begins what another store has queued',
      'signals: of another process are kept beside the owner, told to it, and outlast both',
    ]);
  });

  it('has at least one broken store for each case', () => {
    const known = new Set(Object.values(brokenStores).flatMap(([, ...finds]) => finds));
    const without = storeContract({ open: memoryStore }).filter(({ name }) => !known.has(name));

    expect(without.map(({ name }) => name)).toEqual([]);
  });

  it('closes every store and clears the place, also after a failure, which it tells', async () => {
    const log: string[] = [];
    const open = (): Store => ({
      ...memoryStore(),
      loadRun: () => Promise.reject(new Error('no')),
      close: () => {
        log.push('close');
        return Promise.reject(new Error('nor that'));
      },
    });
    const [first] = storeContract({
      open,
      discard: () => {
        log.push('discard');
      },
    });

    await expect(first?.check()).rejects.toThrow('no');
    expect(log).toEqual(['close', 'discard']);
  });

  it('gives each case a name of its own', () => {
    const names = storeContract({ open: memoryStore, reopen: memoryStore }).map(({ name }) => name);

    expect(new Set(names).size).toBe(names.length);
  });
});
