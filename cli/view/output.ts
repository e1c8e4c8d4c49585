import { stripVTControlCharacters } from 'node:util';

import type { Lang, Words } from './words';
import { wordsOf } from './words';

/** Where a command writes to, and how. */
export interface Output {
  /** The language that was asked for. */
  readonly lang: Lang;
  /** Texts in that language. */
  readonly words: Words;
  /** Whether standard output is JSON and nothing else. */
  readonly isJson: boolean;
  /** Whether a person looks at standard output. */
  readonly isTerminal: boolean;
  readonly hasColor: boolean;
  /** Columns that a line may take; Infinity where nobody looks. */
  readonly width: number;
  /** A line, or several, on standard output. Not with `--json`. */
  readonly print: (text: string) => void;
  /** One JSON value on a line of its own on standard output. Only with `--json`. */
  readonly json: (value: unknown) => void;
  /** What is said beside the result, on standard error. */
  readonly tell: (text: string) => void;
}

/** What the output is made from. */
export interface OutputOptions {
  readonly lang: Lang;
  readonly isJson: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Written & Pick<NodeJS.WriteStream, 'columns'>;
  readonly stderr: Written;
}

/** What is written to, and whether a person looks at it. */
interface Written extends Pick<NodeJS.WriteStream, 'isTTY'> {
  readonly write: (text: string) => unknown;
}

/** Writes to the streams of a process. */
export function processOutput({ lang, isJson, env, stdout, stderr }: OutputOptions): Output {
  const isTerminal = stdout.isTTY;
  return {
    lang,
    words: wordsOf(lang),
    isJson,
    isTerminal,
    hasColor: isTerminal && !isJson && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    // Some terminals say 0.
    width: isTerminal ? stdout.columns || 80 : Infinity,
    print: (text) => {
      stdout.write(`${text}\n`);
    },
    json: (value) => {
      stdout.write(`${JSON.stringify(value)}\n`);
    },
    tell: (text) => {
      // Colours are those of standard output, which may be another place.
      stderr.write(`${stderr.isTTY ? text : stripVTControlCharacters(text)}\n`);
    },
  };
}

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/** A colour or a weight of a text. */
export type Paint = keyof typeof codes;

/** The text in a colour, where colours are shown. */
export function paint(
  text: string,
  color: Paint | undefined,
  { hasColor }: Pick<Output, 'hasColor'>,
): string {
  if (!hasColor || color === undefined || text === '') return text;
  const [on, off] = codes[color];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
