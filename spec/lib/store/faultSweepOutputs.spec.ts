import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Monitor } from '../../../index';
import { createLogger, metricsFile, openMonitor } from '../../../index';
import { FaultyDisk } from './support/faultyDisk';
import { sweeps } from './support/sweep';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newDisk(): FaultyDisk {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  folders.push(folder);
  return new FaultyDisk(folder);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('an error at any call to the file system while a log file is written (promises test 4)', () => {
  const inOf = ({ folder }: FaultyDisk): string => join(folder, 'made', 'logs');

  /** Three lines, the file is renamed by hand, three more: how many were counted as lost. */
  async function work(disk: FaultyDisk): Promise<number> {
    const file = join(inOf(disk), 'run.log');
    const logger = createLogger({ file });
    await disk.watch(async () => {
      for (let line = 0; line < 6; line += 1) {
        logger.info('a', `line ${line}`);
        await turn();
        if (line === 2 && existsSync(file)) renameSync(file, `${file}.1`);
      }
      await logger.close();
    });
    return logger.getDropCount();
  }

  /** Whole lines, in all files, and lines nobody could read. */
  function linesOf(disk: FaultyDisk): { readonly whole: number; readonly torn: number } {
    const lines = readdirSync(inOf(disk)).flatMap((name) =>
      readFileSync(join(inOf(disk), name), 'utf8')
        .split('\n')
        .slice(0, -1),
    );
    const whole = lines.filter((line) => /^\{.*"line \d".*\}$/.test(line)).length;
    return { whole, torn: lines.length - whole };
  }

  sweeps<FaultyDisk, number>(
    {
      files: newDisk,
      work,
      isToldOrMended: (lost, _disk, warnings) => lost === 0 || warnings.length === 1,
      outcome: (disk, lost) => {
        const { whole, torn } = linesOf(disk);
        return Promise.resolve({ all: whole + lost, torn });
      },
      right: { all: 6, torn: 0 },
    },
    3,
  );
});

describe('an error at any call to the file system while a metrics file is written (promises test 4)', () => {
  const fileOf = ({ folder }: FaultyDisk): string => join(folder, 'metrics.json');
  interface Told {
    readonly refused: unknown[];
    isSaved: boolean;
  }

  /** Two lives of a process, with a run each; who cannot open the file tries once more. */
  async function work(disk: FaultyDisk): Promise<Told> {
    const told: Told = { refused: [], isSaved: false };
    const opened = (): Promise<Monitor> => openMonitor(metricsFile(fileOf(disk)));
    await disk.watch(async () => {
      for (let life = 0; life < 2; life += 1) {
        const monitor = await opened().catch((error: unknown) => {
          told.refused.push(error);
          return opened();
        });
        monitor.endWorkflow('w', 1, true);
        await turn();
        await monitor.close();
      }
    });
    return told;
  }

  sweeps<FaultyDisk, Told>(
    {
      files: newDisk,
      work,
      isToldOrMended: async ({ refused }, disk, warnings) =>
        refused.length > 0 || warnings.length > 0 || (await executionsIn(disk)) === 2,
      // What was not saved in time was told, and whoever comes next goes on from what the file had.
      outcome: async (disk) => {
        const before = await executionsIn(disk);
        const next = await openMonitor(metricsFile(fileOf(disk)));
        next.endWorkflow('w', 1, true);
        await next.close();
        const left = readdirSync(disk.folder).filter((name) => name !== 'metrics.json');
        return { goesOn: (await executionsIn(disk)) === before + 1, left };
      },
      right: { goesOn: true, left: [] },
    },
    10,
  );

  async function executionsIn(disk: FaultyDisk): Promise<number> {
    const state = await metricsFile(fileOf(disk)).load();
    return state?.workflows[0]?.successes ?? 0;
  }
});
