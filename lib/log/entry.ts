import type { LogLevel } from '../model/event';

/** One line of the log: these five keys and no others. */
export interface LogEntry {
  /** ISO 8601. */
  readonly timestamp: string;
  /** How serious it is. */
  readonly level: LogLevel;
  /** Who says it; for what a run tells, the path of the step or the name of the run. */
  readonly component: string;
  /** What happened, in words. */
  readonly message: string;
  /** The details: plain JSON, secrets removed; an empty record when there are none. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Details of an entry, or a function that makes them; it is only called when somebody keeps the entry. */
export type LogData = object | (() => object);

/** The five levels, least serious first. */
export const logLevels: readonly LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

const ranks: Readonly<Partial<Record<LogLevel, number>>> & { readonly INFO: number } = {
  DEBUG: 0,
  INFO: 1,
  WARNING: 2,
  ERROR: 3,
  CRITICAL: 4,
};

/** The place of a level in `logLevels`; for anything else that of `INFO`. */
export function rankOf(level: LogLevel): number {
  const rank: number | undefined = ranks[level];
  return rank ?? ranks.INFO;
}

// JSON escapes the control characters below 32. These others also end a line for some reader, move a terminal's cursor, or
// turn the direction of writing, so that a message could pass for something it is not.
const unsafe = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
const allUnsafe = new RegExp(unsafe, 'g');

/** An entry as one physical line of JSON, whatever its texts contain; without the line feed at its end. */
export function lineOf(entry: LogEntry): string {
  const line = JSON.stringify(entry);
  return unsafe.test(line) ? line.replace(allUnsafe, escaped) : line;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
