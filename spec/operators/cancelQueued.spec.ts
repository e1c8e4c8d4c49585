import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Store } from '../../index';
import { agent, cancel, lowdbStore, memoryStore, serve, submit } from '../../index';
import type { Claim } from '../../storePort';
import { until } from '../support/until';

/** So long may a busy machine take. */
const WITHIN_MS = 20_000;

/** Somebody whose calls wait until they are let through one by one, or all. */
class Held {
  #release: (() => void) | undefined;
  #isFree = false;

  get isWaiting(): boolean {
    return this.#release !== undefined;
  }

  /** A call is about to be made, or to come back. */
  async pass(): Promise<void> {
    if (this.#isFree) return;
    await new Promise<void>((resolve) => (this.#release = resolve));
  }

  /** Lets so many calls through; comes back early when no further one comes. */
  async advance(calls: number): Promise<void> {
    for (let i = 0; i < calls; i += 1) {
      const began = Date.now();
      while (!this.isWaiting && Date.now() - began < 40)
        await new Promise((resolve) => setImmediate(resolve));
      this.#letThrough();
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Lets so many calls through, and waits for the next one. */
  async advanceTo(calls: number): Promise<void> {
    for (let i = 0; i < calls; i += 1) {
      await until(() => this.isWaiting, WITHIN_MS);
      this.#letThrough();
    }
    await until(() => this.isWaiting, WITHIN_MS);
  }

  free(): void {
    this.#isFree = true;
    this.#letThrough();
  }

  #letThrough(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  async around<T>(call: () => T | Promise<T>): Promise<T> {
    await this.pass();
    const value = await call();
    await this.pass();
    return value;
  }
}

/** The same store, whose calls about one run are held on their way there and back. */
function heldStore(store: Store, of: (runId: string) => Held): Store {
  return {
    ...store,
    post: (runId, message) => of(runId).around(() => store.post(runId, message)),
    loadRun: (runId) => of(runId).around(() => store.loadRun(runId)),
    queue: {
      add: (run, maxBacklog) => store.queue.add(run, maxBacklog),
      size: () => store.queue.size(),
      remove: (runId) => of(runId).around(() => store.queue.remove(runId)),
    },
    claim: async (runId) => heldClaim(await of(runId).around(() => store.claim(runId)), of(runId)),
    attend: async (attendant) => {
      const attendance = await store.attend(attendant);
      return {
        ...attendance,
        takeQueued: (now) => {
          const turn = attendance.takeQueued(now);
          return turn && { ...turn, load: () => of(turn.runId).around(() => turn.load()) };
        },
      };
    },
  };
}

function heldClaim(claim: Claim, held: Held): Claim {
  return {
    ...claim,
    append: async (event) => {
      await claim.append(event);
      await held.pass();
    },
  };
}

describe.each([
  ['memory', undefined],
  ['a folder', 'one store'],
  ['a folder, from another store', 'two stores'],
])('cancel() of a run that begins meanwhile, in %s', (_place, kind) => {
  let folder: string;
  let owner: Store;
  let other: Store;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-cancel-queued-'));
    const open = () => lowdbStore(folder, { durability: 'process' });
    owner = kind === undefined ? memoryStore() : open();
    other = kind === 'two stores' ? open() : owner;
  });
  afterEach(async () => {
    await owner.close();
    await other.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const begun = { calls: 0 };
  const work = agent('work', (_input: unknown, { signal }) => {
    begun.calls += 1;
    return new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
  });

  /** How far each goes before the other one does: the server, who cancels, the server again, and then who cancels to its end. */
  const orders = upTo(7).flatMap((first) =>
    upTo(6).flatMap((second) =>
      [0, 2, 9].map((third) => ({ runId: [first, second, third].join('-'), first, second, third })),
    ),
  );

  it('leaves no run that goes on, in whichever order they look and change', async () => {
    const servers = new Map(orders.map(({ runId }) => [runId, new Held()]));
    for (const { runId } of orders) await submit(work, undefined, { store: other, runId });
    const held = heldStore(owner, (runId) => servers.get(runId) as Held);
    const serving = serve([work], { store: held, concurrency: orders.length }).subscribe();
    await until(() => [...servers.values()].every(({ isWaiting }) => isWaiting), WITHIN_MS);

    const outcomes = await Promise.all(
      orders.map(async ({ runId, first, second, third }) => {
        const server = servers.get(runId) as Held;
        const canceller = new Held();
        await server.advance(first);
        const cancelled = cancel(runId, { store: heldStore(other, () => canceller) }).then(
          () => 'cancelled',
          String,
        );
        await canceller.advance(second);
        await server.advance(third);
        canceller.free();
        const outcome = await cancelled;
        server.free();
        return [runId, outcome] as const;
      }),
    );

    // A run that is under way hears it within a quarter of a second.
    const goOn = () => owner.listRuns({ status: ['RUNNING', 'COMPLETED'] });
    await until(async () => (await owner.queue.size()) === 0 && (await goOn()).length === 0, WITHIN_MS).catch(
      () => undefined,
    );
    expect((await goOn()).map(({ runId }) => runId)).toEqual([]);
    expect(outcomes.filter(([, outcome]) => outcome !== 'cancelled')).toEqual([]);
    serving.unsubscribe();
  }, 60_000);

  it('calls nothing of a run that was taken out of the queue when it had been read already', async () => {
    begun.calls = 0;
    const server = new Held();
    await submit(work, undefined, { store: other, runId: 'r' });
    const serving = serve([work], { store: heldStore(owner, () => server) }).subscribe();
    await server.advanceTo(4);

    await cancel('r', { store: other });
    server.free();

    await until(async () => (await owner.loadRun('r'))?.status === 'CANCELLED', WITHIN_MS);
    expect(await owner.loadRun('r')).toMatchObject({ reason: 'it was taken out of the queue as it began' });
    expect(begun.calls).toBe(0);
    serving.unsubscribe();
  }, 60_000);
});

function upTo(most: number): readonly number[] {
  return Array.from({ length: most + 1 }, (_, i) => i);
}
