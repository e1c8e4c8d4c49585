import type { LogEntry } from './entry';

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
