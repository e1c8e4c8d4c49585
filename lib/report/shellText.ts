/** The words of a command so that a shell reads them as they are. */
export function shellText(words: readonly string[]): string {
  return words.map(quotedWord).join(' ');
}

function quotedWord(word: string): string {
  if (/^[\p{L}\p{N}_@%+=:,./…-]+$/u.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
