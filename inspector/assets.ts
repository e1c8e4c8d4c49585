import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { InvalidArgumentError } from '../lib/model/failure';

/** The files of the page. */
export type AssetName = 'page.js' | 'page.css' | 'texts.ko.json';

const read = new Map<AssetName, Buffer>();

/** A file of the page, which is built beside this file. @throws InvalidArgumentError when it has not been built. */
export function asset(name: AssetName): Buffer {
  const known = read.get(name);
  if (known !== undefined) return known;
  const file = join(__dirname, 'page', 'built', name);
  try {
    const bytes = readFileSync(file);
    read.set(name, bytes);
    return bytes;
  } catch (error) {
    throw new InvalidArgumentError(
      `Cannot show the page of the inspector: there is no ${file}`,
      'build it with node scripts/page.mjs',
      { cause: error },
    );
  }
}

/** The page itself; everything that it needs comes from beside it. */
export const pageHtml = [
  '<!doctype html>',
  '<html lang="en">',
  '<meta charset="utf-8">',
  '<meta name="viewport" content="width=device-width, initial-scale=1">',
  '<title>millrace</title>',
  '<link rel="icon" href="data:,">',
  '<link rel="stylesheet" href="page.css">',
  '<div id="root"></div>',
  '<script src="page.js" defer></script>',
  '</html>',
  '',
].join('\n');
