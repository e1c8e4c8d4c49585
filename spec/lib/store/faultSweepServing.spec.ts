import { lastValueFrom } from 'rxjs';

import { agent, chain, lowdbStore, serve, submit } from '../../../index';
import type { Store } from '../../../lib/store/store';
import { ownersOf } from './support/lockRace';
import { MemoryFiles } from './support/memoryFiles';
import { sweeps } from './support/sweep';

const job = chain(
  'job',
  agent('plus', (n: number) => n + 1),
);

let pids = 0;

/** How much faster a clock goes, and how long somebody serves. */
interface Pace {
  readonly haste: number;
  readonly longestMs: number;
}

/** While something fails many wait in vain. */
const BRISK: Pace = { haste: 10, longestMs: 1_500 };
/** While nothing fails nobody does, however busy the machine is. */
const PATIENT: Pace = { haste: 1, longestMs: 15_000 };

/** A store for a process of its own. */
function opened(
  files: MemoryFiles,
  { haste }: Pace = BRISK,
  isDead: (pid: number) => boolean = () => false,
): Store {
  pids += 1;
  const owners = {
    ...ownersOf(pids, isDead),
    now: () => performance.now() * haste,
    sleep: () => new Promise<void>((resolve) => setTimeout(resolve, 2)),
  };
  return lowdbStore('/state', { files, owners, durability: 'disk' });
}

/** What was told to somebody. */
class Heard {
  readonly queued = new Set<string>();
  readonly deleted = new Set<string>();
  readonly completed = new Set<string>();
  readonly problems: unknown[] = [];

  async attempt(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.problems.push(error);
    }
  }
}

/** Serves until these runs have completed, the store fails, or it takes too long. */
async function served(
  store: Store,
  heard: Heard,
  wanted: ReadonlySet<string>,
  { longestMs }: Pace = BRISK,
  meanwhile = async () => {},
): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      serving.unsubscribe();
      resolve();
    };
    const done = (): void => {
      if ([...wanted].every((runId) => heard.completed.has(runId))) void meanwhile().then(end);
    };
    const timer = setTimeout(() => {
      heard.problems.push('it took too long');
      end();
    }, longestMs);
    const serving = serve([job], { store }).subscribe({
      next: ({ event }) => {
        if (event.type === 'step.logged') heard.problems.push(event.message);
        if (event.type !== 'run.completed') return;
        heard.completed.add(event.runId);
        done();
      },
      error: (error: unknown) => {
        heard.problems.push(error);
        end();
      },
    });
    if (wanted.size === 0) setTimeout(done, 0);
  });
}

/** Runs are queued, one is taken back; the others are served; another process has one of them deleted. */
async function workOn(files: MemoryFiles, heard: Heard, pace = BRISK): Promise<void> {
  const owner = opened(files, pace);
  const asker = opened(files, pace);
  for (const runId of ['a', 'b', 'c']) {
    await heard.attempt(async () => {
      await submit(job, 1, { store: asker, runId });
      heard.queued.add(runId);
    });
  }
  await heard.attempt(async () => {
    if (await asker.queue.remove('c')) heard.deleted.add('c');
  });
  const wanted = new Set([...heard.queued].filter((runId) => !heard.deleted.has(runId)));
  await served(owner, heard, wanted, pace, () =>
    heard.attempt(async () => {
      const request = { kind: 'delete', runId: 'a' } as const;
      const last = await lastValueFrom(asker.request(request));
      if (last.stage === 'done' && last.gone?.includes('a') === true) heard.deleted.add('a');
    }),
  );
  await heard.attempt(() => asker.close());
  await heard.attempt(() => owner.close());
}

/** What has become of it once nothing fails any more: what was lost, and what came back. */
async function wrong(files: MemoryFiles, heard: Heard): Promise<readonly string[]> {
  const left = new Set([...heard.queued].filter((runId) => !heard.deleted.has(runId)));
  const store = opened(files, PATIENT, () => true);
  const ended = async (): Promise<ReadonlySet<string>> =>
    new Set((await store.listRuns({ status: 'COMPLETED' })).map(({ runId }) => runId));
  const before = await ended();
  const open = new Set([...left].filter((runId) => !before.has(runId)));
  // Whoever was refused may have been heard all the same.
  const again = new Heard();
  if (open.has('b')) await served(store, again, new Set(['b']), PATIENT);
  const after = await ended();
  await store.close();
  return [
    ...[...left].filter((runId) => runId === 'b' && !after.has(runId)).map((runId) => `${runId} is lost`),
    ...[...heard.deleted].filter((runId) => after.has(runId)).map((runId) => `${runId} came back`),
  ];
}

describe('an error at any call to the file system while runs are queued and served (promises test 4)', () => {
  sweeps<MemoryFiles, Heard>(
    {
      files() {
        const files = new MemoryFiles();
        files.countsLooks = true;
        return files;
      },
      async work(files) {
        const heard = new Heard();
        await workOn(files, heard);
        return heard;
      },
      isToldOrMended: ({ problems, deleted }, _, warnings) =>
        problems.length > 0 || warnings.length > 0 || (deleted.has('a') && deleted.has('c')),
      outcome: (files, heard) => wrong(files.afterKill(), heard),
      right: [],
    },
    80,
    20,
  );

  it('is counted on work in which nobody is told of one', async () => {
    const heard = new Heard();
    await workOn(new MemoryFiles(), heard, PATIENT);

    expect(heard.problems).toEqual([]);
    expect([...heard.deleted].sort()).toEqual(['a', 'c']);
  });
});
