import { stripVTControlCharacters } from 'node:util';

import type { StepSkipped } from '../model/event';
import type StringWidth from 'string-width';

import { hideSecrets } from '../model/secrets/secretTexts';

/**
 * How many columns of a terminal a text takes. A Korean syllable takes two, also when it is decomposed into letters as in file
 * names of macOS; a colour code takes none.
 */
export function widthOf(text: string): number {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when there is something to show
  const stringWidth = require('string-width') as typeof StringWidth;
  return stringWidth(text.normalize('NFC'));
}

/** The text on one line, without control codes for the cursor or colours, and without anything that looks like a credential. */
export function printable(text: string): string {
  return hideSecrets(text)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ')
    .trim();
}

/** The text filled up with spaces to this many columns. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** The text, or as much of it as fits into this many columns, with `…` at its end. */
export function clipped(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let room = width - 1;
  for (const character of text.normalize('NFC')) {
    room -= widthOf(character);
    if (room < 0) break;
    kept += character;
  }
  return width < 1 ? '' : `${kept}…`;
}

/** How many rows a line takes in a terminal of this many columns: a syllable of two columns is not split at the edge. */
export function wrappedRows(line: string, width: number): number {
  if (widthOf(line) <= width) return 1;
  let rows = 1;
  let column = 0;
  for (const character of stripVTControlCharacters(line).normalize('NFC')) {
    const columns = widthOf(character);
    if (column > 0 && column + columns > width) {
      rows += 1;
      column = 0;
    }
    column += columns;
  }
  return rows;
}

/** Rows as lines with aligned columns, two spaces apart; the last column is not filled up. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, widthOf(cell));
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => padded(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Seconds as a person says them: `120 ms`, `2.5 s`, `3 min 05 s`, `2 h 07 min`. */
export function durationText(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3_600)} h ${two(Math.floor((whole % 3_600) / 60))} min`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}

/** Why a step was skipped, in words. */
export const skipReasons: Readonly<Record<StepSkipped['reason'], string>> = {
  when: 'its condition was false',
  lost: 'another one won',
  upstream: 'what it needs has failed',
  abandoned: 'nobody needs it any more',
};
