import { stripVTControlCharacters } from 'node:util';

import { clipped, columns } from '../../lib/report/columns';
import type { Output } from './output';
import { paint } from './output';

/** Rows below a head, in aligned columns; on a terminal no line is wider than it. */
export function tableText(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  output: Output,
): string {
  const [title = '', ...lines] = columns([head, ...rows]);
  return [
    paint(clippedLine(title, output.width), 'dim', output),
    ...lines.map((line) => clippedLine(line, output.width)),
  ].join('\n');
}

/** The line in so many columns. What has to be cut loses its colours: half a colour code would paint what follows. */
export function clippedLine(line: string, width: number): string {
  if (width === Infinity) return line;
  const bare = stripVTControlCharacters(line);
  const fitting = clipped(bare, width);
  return fitting === bare ? line : fitting;
}
