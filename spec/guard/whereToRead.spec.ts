import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { readingLists } from '../support/readingLists';

const root = join(__dirname, '..', '..');

describe('the reading lists of DESIGN.md', () => {
  const lists = readingLists();
  let entered: Readonly<Record<string, readonly string[]>>;

  beforeAll(() => {
    const child = spawnSync(
      process.execPath,
      ['-r', 'ts-node/register/transpile-only', 'spec/guard/children/whereToRead.ts'],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    entered = JSON.parse(child.stdout) as typeof entered;
  }, 60_000);

  it.each([
    ['A retry', 'retry', 8],
    ['A resume', 'resume', 10],
    ['One item of `each`', 'item', 8],
    ['A journal record that is read back', 'journal', 7],
  ])(
    '%s: names every source file that only it enters, and no more than a reader can hold',
    (heading, scenario, most) => {
      const list = lists.get(heading) ?? [];

      expect(list.length).toBeGreaterThan(0);
      expect(list.length).toBeLessThanOrEqual(most);
      expect(list).toEqual(expect.arrayContaining([...(entered[scenario] ?? ['missing'])]));
    },
  );

  it('name files that are there', () => {
    const missing = [...lists.values()].flat().filter((file) => !existsSync(join(root, file)));

    expect(missing).toEqual([]);
  });
});
