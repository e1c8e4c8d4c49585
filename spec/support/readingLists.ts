import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');

/** The files of each table below "Where to read" in DESIGN.md, by the heading above it. */
export function readingLists(): ReadonlyMap<string, readonly string[]> {
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
