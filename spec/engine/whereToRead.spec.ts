import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { readingLists } from '../support/readingLists';
import { restateBinary } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;
const root = join(__dirname, '..', '..');

describeHere('the reading list "A replay on Restate" of DESIGN.md', () => {
  const list = readingLists().get('A replay on Restate') ?? [];
  let once: ReadonlyMap<string, number>;
  let again: ReadonlyMap<string, number>;

  /** How many calls more a run makes in a file when it begins anew from its journal. */
  const moreIn = (file: string): number => (again.get(file) ?? 0) - (once.get(file) ?? 0);

  beforeAll(() => {
    const child = spawnSync(
      process.execPath,
      ['-r', 'ts-node/register/transpile-only', 'spec/engine/children/whereToRead.ts'],
      { cwd: root, encoding: 'utf8' },
    );
    const counted = JSON.parse(child.stdout) as Record<'once' | 'again', readonly [string, number][]>;
    once = new Map(counted.once);
    again = new Map(counted.again);
  });

  it('names every source file that only a replay enters, and no more than ten', () => {
    // Whoever follows a run watches it once it takes long, which a run of either kind does on a busy machine.
    const isFollowing = (file: string): boolean => file.startsWith('adapters/restate/client/');
    const only = [...again.keys()].filter((file) => !once.has(file) && !isFollowing(file));

    expect(list).toEqual(expect.arrayContaining(only));
    expect(list.length).toBeLessThanOrEqual(10);
  });

  it('names only files whose functions a replay calls again', () => {
    const idle = list.filter((file) => moreIn(file) <= (once.get(file) ?? 0) / 2);

    expect(list).not.toEqual([]);
    expect(idle).toEqual([]);
  });

  it('holds four fifths of what a worker does again in a replay', () => {
    const worked = [...again.keys()].filter((file) => file.startsWith('adapters/restate/worker/'));
    const sumOf = (files: readonly string[]): number => files.reduce((sum, file) => sum + moreIn(file), 0);

    expect(sumOf(list)).toBeGreaterThan(sumOf(worked) * 0.8);
  });

  it('is about a replay: no function of a user is called again', () => {
    expect(moreIn('lib/engine/local/callFunction.ts')).toBe(0);
  });
});
