/** The words of a command so that a shell reads them as they are. */
export function shellText(words: readonly string[]): string {
  return words.map(quotedWord).join(' ');
}

/**
 * A command so that a shell, and `millrace`, read it as it is. Operands stand last, behind `--`, where one of them begins with `-`, as the
 * id of a run or a step may: it would be taken for an option.
 *
 * @param options - With their values, as they are typed.
 */
export function commandText(command: readonly string[], operands: readonly string[], options = ''): string {
  const isPlain = operands.every((operand) => !operand.startsWith('-'));
  const [begin, end] = isPlain ? [[...command, ...operands], []] : [command, ['--', ...operands]];
  return [shellText(begin), options, shellText(end)].filter((part) => part !== '').join(' ');
}

function quotedWord(word: string): string {
  if (/^[\p{L}\p{N}_@%+=:,./…-]+$/u.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
