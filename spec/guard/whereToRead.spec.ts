import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');

/** The files of each table below "Where to read" in DESIGN.md, by the heading above it. */
function readingLists(): ReadonlyMap<string, readonly string[]> {
  const [, section = ''] = readFileSync(join(root, 'DESIGN.md'), 'utf8').split('\n### Where to read\n');
  const [own = ''] = section.split(/\n##{1,2} /);
  return new Map(
    own
      .split('\n#### ')
      .slice(1)
      .map((part) => [
        part.slice(0, part.indexOf('\n')),
        [...part.matchAll(/^\| `([^`]+)` \|/gm)].map(([, file = '']) => file),
      ]),
  );
}

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

  it('has one for a replay on Restate, of at most ten files', () => {
    expect(lists.get('A replay on Restate')?.length).toBeLessThanOrEqual(10);
  });
});
