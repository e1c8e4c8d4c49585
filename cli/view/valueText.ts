import { hideSecrets } from '../../lib/model/secrets/secretTexts';
import type { Output } from './output';

/** Characters of a value that are shown unless all of it is asked for. */
const PREVIEW = 2_000;

/** A value as indented JSON without what looks like a secret, cut unless it is wanted whole. */
export function valueText(value: unknown, isFull: boolean, { words }: Output): string {
  const text = hideSecrets(value === undefined ? 'undefined' : JSON.stringify(value, null, 2)).replace(
    // Everything that moves the cursor or paints, but for line feeds.
    /[^\P{Cc}\n]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    ' ',
  );
  if (isFull || text.length <= PREVIEW) return text;
  return `${text.slice(0, PREVIEW)}\n${words.cut(text.length)}`;
}

/** The lines of a text, moved to the right. */
export function indented(text: string, by = '  '): string {
  return text
    .split('\n')
    .map((line) => `${by}${line}`)
    .join('\n');
}
