import stringWidth from 'string-width';

/** A terminal that knows as much of the control codes as `progress` uses. */
export class Terminal {
  readonly isTTY = true;
  columns: number;
  readonly rows: number;
  writes = 0;
  isCursorVisible = true;
  hadColor = false;
  /** Lines that were scrolled out of sight: what tmux does when the whole screen is erased. */
  readonly history: string[] = [];
  #lines: string[] = [''];
  #row = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  readonly write = (text: string): boolean => {
    this.writes += 1;
    // eslint-disable-next-line no-control-regex -- that is what terminals read
    for (const [part] of text.matchAll(/\u001b\[[?]?\d*[A-Za-z]|\n|\r|[^\u001b\n\r]+/g)) this.#take(part);
    return true;
  };

  /** The window becomes narrower, which wraps lines that are too long, or wider, which leaves them as they are. */
  resize(columns: number): void {
    const before = this.#lines.slice(0, this.#row).flatMap((line) => wrapped(line, columns));
    const rest = this.#lines.slice(this.#row).flatMap((line) => wrapped(line, columns));
    this.columns = columns;
    this.#lines = [...before, ...rest];
    this.#row = before.length;
  }

  /** What is to be seen, without empty lines at the end. */
  lines(): string[] {
    const lines = this.#lines.map((line) => line.trimEnd());
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1);
  }

  #take(part: string): void {
    if (part === '\n') {
      this.#row += 1;
      this.#lines[this.#row] ??= '';
    } else if (part === '\r') return;
    else if (!part.startsWith('\u001b')) this.#lines[this.#row] = `${this.#lines[this.#row] ?? ''}${part}`;
    else if (part.endsWith('A')) this.#row = Math.max(0, this.#row - Number(part.slice(2, -1)));
    else if (part.endsWith('J')) {
      if (this.#row === 0) this.history.push(...this.lines());
      this.#lines = [...this.#lines.slice(0, this.#row), ''];
    } else if (part.endsWith('K')) this.#lines[this.#row] = '';
    else if (part.endsWith('m')) this.hadColor = true;
    else if (part.endsWith('h') || part.endsWith('l')) this.isCursorVisible = part.endsWith('h');
    else throw new Error(`an unknown code: ${JSON.stringify(part)}`);
  }
}

function wrapped(line: string, columns: number): string[] {
  const rows: string[] = [];
  let row = '';
  for (const char of line.trimEnd()) {
    if (stringWidth(row + char) > columns) {
      rows.push(row);
      row = '';
    }
    row += char;
  }
  return [...rows, row];
}
