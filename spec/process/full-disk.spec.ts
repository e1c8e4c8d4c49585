import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { random } from '../lib/store/support/random';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, isLong, seedOr, tally } from '../support/torture';

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];

/** Whether this process may mount a disk of its own; in most containers it may not. */
function mounts(folder: string, options: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'millrace', folder]).status === 0;
}

describe('a run on a disk that becomes full (promises test 4, P7)', () => {
  let child: ChildProgram;
  let folder: string;
  beforeAll(() => {
    child = childProgram(join(__dirname, 'children', 'filling.ts'), { isWhole: true });
  });
  afterAll(() => {
    child.remove();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-full-'));
    for (const name of ['disk', 'told', 'whole', 'wholeTold']) mkdirSync(join(folder, name));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const told = (name: string): string[] => linesOf(join(folder, 'told', name));

  /** One life; nothing acknowledged before it is called again. Gives what the child said. */
  async function live(life: () => ReturnType<ChildProgram['run']>): Promise<string> {
    const acknowledged = new Set(told('acknowledged'));
    const before = told('effects').length;
    const { stdout, stderr, code, signal } = await life();
    expect({ stderr, code, signal }).toEqual({ stderr: '', code: 0, signal: null });
    const again = told('effects').slice(before);
    expect(again.filter((path) => acknowledged.has(path))).toEqual([]);
    return stdout.trim();
  }

  /** The result, and that of a run whose disk had room. */
  async function outputs(): Promise<readonly [string, string]> {
    await child.run(join(folder, 'whole', 'state'), join(folder, 'wholeTold'));
    const of = (name: string) => readFileSync(join(folder, name, 'output'), 'utf8');
    return [of('told'), of('wholeTold')];
  }

  it('of which a limit makes one: ends with a StorageError by name, and goes on when there is space', async () => {
    const draw = random(seedOr(4));
    const args = [join(folder, 'disk', 'state'), join(folder, 'told')] as const;
    const seen: string[] = [];
    // The limit is one of the length of a file, in KiB: the signal that goes with it is ignored, as a full disk has none.
    for (let limit = 100; seen.at(-1) !== 'completed'; limit += 300 + Math.floor(draw() * 900)) {
      const shell = `trap '' XFSZ; ulimit -f ${String(limit)}; exec "$@"`;
      seen.push(await live(async () => child.runIn(shell, ...args)));
    }

    const errors = seen.slice(0, -1);
    expect(errors[0]).toBe('StorageError EFBIG');
    // The end of a run is in the journal before close() writes its file.
    for (const said of errors) expect(said).toMatch(/^StorageError (EFBIG|at the end)$/);
    const [output, whole] = await outputs();
    expect(output).toBe(whole);
    tally('full disks by ulimit', errors.length);
  });

  const disk = mkdtempSync(join(tmpdir(), 'millrace-mount-'));
  const mayMount = mounts(disk, 'size=1m');
  if (mayMount) spawnSync('umount', [disk]);
  rmSync(disk, { recursive: true });

  (mayMount ? it : it.skip)(
    'of 1 MiB: ends with a StorageError by name, and goes on when there is space',
    async () => {
      const draw = random(seedOr(4));
      for (let round = amount(1, 20); round > 0; round -= 1) {
        const mounted = join(folder, 'disk');
        rmSync(join(folder, 'told'), { recursive: true });
        mkdirSync(join(folder, 'told'));
        let kib = 1_024;
        expect(mounts(mounted, `size=${String(kib)}k`)).toBe(true);
        try {
          const seen: string[] = [];
          while (seen.at(-1) !== 'completed') {
            seen.push(await live(async () => child.run(join(mounted, 'state'), join(folder, 'told'))));
            kib += (isLong ? 200 : 1_000) + Math.floor(draw() * 1_500);
            expect(mounts(mounted, `remount,size=${String(kib)}k`)).toBe(true);
          }

          const errors = seen.slice(0, -1);
          expect(errors.length).toBeGreaterThan(0);
          for (const said of errors) expect(said).toMatch(/^StorageError (ENOSPC|at the end)$/);
          tally('full disks of 1 MiB and more', errors.length);
        } finally {
          spawnSync('umount', [mounted]);
        }
        const [output, whole] = await outputs();
        expect(output).toBe(whole);
        for (const name of ['whole', 'wholeTold']) {
          rmSync(join(folder, name), { recursive: true });
          mkdirSync(join(folder, name));
        }
      }
    },
    isLong ? 7_200_000 : 600_000,
  );
});
