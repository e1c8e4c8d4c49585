import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { readingLists } from '../support/readingLists';
import { enteredByQuestions } from './support/questions';

const root = join(__dirname, '..', '..');

describe('the reading lists of DESIGN.md', () => {
  const lists = readingLists();
  let entered: Readonly<Record<string, readonly string[]>>;

  beforeAll(async () => {
    entered = await enteredByQuestions();
  }, 300_000);

  it.each([
    ['A retry', 'retry', 8],
    ['A resume', 'resume', 10],
    ['One item of `each`', 'item', 8],
    ['A journal record that is read back', 'journal', 7],
  ])(
    '%s: names every source file that only it enters, and no more than a reader can hold',
    (heading, scenario, most) => {
      const list = lists.get(heading) ?? [];
      const only = entered[scenario] ?? [];

      expect(only.length).toBeGreaterThan(0);
      expect(list.length).toBeLessThanOrEqual(most);
      expect(list).toEqual(expect.arrayContaining([...only]));
    },
  );

  it('name files that are there', () => {
    const missing = [...lists.values()].flat().filter((file) => !existsSync(join(root, file)));

    expect(missing).toEqual([]);
  });
});
