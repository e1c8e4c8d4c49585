import { everyNth, tally } from '../../support/torture';
import { storeOn } from './support/crash';
import { errno, MemoryFiles } from './support/memoryFiles';
import { mixedWork, outcome, right, Told } from './support/mixedWork';

const uncaught: unknown[] = [];
const note = (error: unknown): void => {
  uncaught.push(error);
};
let warnings: string[] = [];
let warned: jest.SpyInstance;
beforeAll(() => {
  process.on('uncaughtException', note).on('unhandledRejection', note);
  warned = jest.spyOn(process, 'emitWarning').mockImplementation((warning) => {
    warnings.push(String(warning));
  });
});
afterAll(() => {
  process.off('uncaughtException', note).off('unhandledRejection', note);
  warned.mockRestore();
});

async function workOn(files: MemoryFiles): Promise<Told> {
  const told = new Told();
  warnings = [];
  await mixedWork(storeOn(files, 'disk', 4_000), told);
  told.problems.push(...warnings);
  return told;
}

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

describe('an error at any call to the file system while everything a store does goes on (promises test 4)', () => {
  it('is counted on work that ends as it should', async () => {
    const files = new MemoryFiles();
    files.countsLooks = true;
    const told = await workOn(files);

    // The second answer comes too late.
    expect(told.problems.map(String)).toEqual([expect.stringMatching(/answer/i)]);
    expect(await outcome(files.afterKill(), told)).toEqual(right);
    expect(uncaught).toEqual([]);
  });

  it.each(['EMFILE', 'EACCES', 'EIO', 'ENOSPC', 'EROFS', 'ENOTDIR'])(
    '%s: is told or mended, harms no process, loses nothing acknowledged, and the runs go on',
    async (code) => {
      const whole = new MemoryFiles();
      whole.countsLooks = true;
      const { problems } = await workOn(whole);
      const usual = new Set(problems.map(String));
      const marked = await mark(whole.afterKill());
      const step = everyNth(10);
      const first = 1 + (code.charCodeAt(1) % step);
      for (let at = first; at <= whole.calls; at += step) {
        tally('errors', 1);
        const files = new MemoryFiles();
        files.countsLooks = true;
        let hit = '';
        files.fate = ({ number, name, path }) => {
          if (number !== at) return undefined;
          hit = `${name} ${path}`;
          return { error: errno(code, path) };
        };
        const told = await workOn(files);
        files.fate = () => undefined;
        const isTold = told.problems.some((each) => !usual.has(String(each)));
        const isMended = isTold || (await mark(files.afterKill())) === marked;

        expect([at, hit, isMended ? 'told or mended' : told.problems]).toEqual([at, hit, 'told or mended']);
        expect([at, hit, await outcome(files.afterKill(), told)]).toEqual([at, hit, right]);
        expect([at, hit, uncaught]).toEqual([at, hit, []]);
      }
    },
    600_000,
  );
});
