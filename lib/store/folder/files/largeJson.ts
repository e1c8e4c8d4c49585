/**
 * Reads the JSON text of a state that is longer than a string may be (512 MiB): the steps, which stand one a line, are read
 * one by one.
 *
 * @throws SyntaxError, RangeError when the text is not as `stateText` writes it.
 */
export function largeJson(bytes: Buffer): unknown {
  const from = bytes.indexOf(OPEN) + OPEN.length;
  const to = bytes.indexOf(CLOSE, from - 1);
  if (from < OPEN.length || to === -1) throw new RangeError('no list of steps');
  const steps: unknown[] = [];
  for (let start = from; start < to;) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = bytes[newline - 1] === COMMA ? newline - 1 : newline;
    steps.push(JSON.parse(bytes.toString('utf8', start, end)));
    start = newline + 1;
  }
  const rest = `${bytes.toString('utf8', 0, from)}${bytes.toString('utf8', to)}`;
  const content = JSON.parse(rest) as Readonly<Record<string, unknown>>;
  const state = Object.values(content).find(
    (field): field is { steps: unknown[] } =>
      typeof field === 'object' && field !== null && Object.hasOwn(field, 'steps'),
  );
  if (state === undefined) throw new RangeError('no state with steps');
  state.steps = steps;
  return content;
}

const OPEN = Buffer.from('\n"steps": [\n');
const CLOSE = Buffer.from('\n]\n');
const NEWLINE = 0x0a;
const COMMA = 0x2c;
