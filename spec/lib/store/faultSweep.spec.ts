import { storeOn } from './support/crash';
import { MemoryFiles } from './support/memoryFiles';
import { mixedWork, outcome, right, Told } from './support/mixedWork';
import { sweeps } from './support/sweep';

/** Runs, snapshots, messages and logs as a reader finds them, to tell whether a fault left a mark. */
async function mark(files: MemoryFiles): Promise<string> {
  const store = storeOn(files);
  const runs = (await store.listRuns()).map(({ runId, status }) => `${runId} ${status}`).sort();
  const snapshots = (await store.snapshots.list()).length;
  const logs = (await store.logs.list()).map(({ logId, status, stepCount }) => [logId, status, stepCount]);
  const inbox = [...files.all().keys()].filter((path) => path.includes('/inbox/')).length;
  const answers = [...files.all().keys()].filter((path) => path.includes('/cache/')).length;
  return JSON.stringify({ runs, snapshots, logs, inbox, answers });
}

function newFiles(): MemoryFiles {
  const files = new MemoryFiles();
  files.countsLooks = true;
  return files;
}

async function work(files: MemoryFiles): Promise<Told> {
  const told = new Told();
  await mixedWork(storeOn(files, 'disk', 4_000), told);
  return told;
}

/** What is told, and what is left, when nothing fails: the second answer comes too late. */
async function usual(): Promise<{ readonly problems: ReadonlySet<string>; readonly left: string }> {
  const files = newFiles();
  const { problems, deleted } = await work(files);
  expect(problems.map(String)).toEqual([expect.stringMatching(/answer/i)]);
  expect([...deleted]).toEqual(['old', 'unwanted']);
  return { problems: new Set(problems.map(String)), left: await mark(files.afterKill()) };
}

describe('an error at any call to the file system while everything a store does goes on (promises test 4)', () => {
  let known: ReturnType<typeof usual>;
  beforeAll(async () => {
    known = usual();
    await known;
  });

  sweeps<MemoryFiles, Told>(
    {
      files: newFiles,
      work,
      async isToldOrMended({ problems }, files, warnings) {
        const { problems: always, left } = await known;
        const isTold = warnings.length > 0 || problems.some((problem) => !always.has(String(problem)));
        return isTold || (await mark(files.afterKill())) === left;
      },
      outcome: (files, told) => outcome(files.afterKill(), told),
      right,
    },
    11,
  );
});
