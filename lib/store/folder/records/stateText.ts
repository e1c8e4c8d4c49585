import type { RunState } from '../../../model/state';

/** The state as JSON text in pieces, one step a line, every value whole. */
export function* stateText(state: RunState): Generator<string> {
  const { steps, plan, ...rest } = state;
  let separator = '{\n';
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(name)}: ${JSON.stringify(value)}`;
    separator = ',\n';
  }
  yield* listText('plan', plan, JSON.stringify);
  yield* listText('steps', steps, JSON.stringify);
  yield '\n}';
}

/** A named list, one item a line; each item is written by `text`. */
export function* listText<T>(name: string, items: Iterable<T>, text: (item: T) => string): Generator<string> {
  let separator = `,\n${JSON.stringify(name)}: [\n`;
  let isEmpty = true;
  for (const item of items) {
    yield `${separator}${text(item)}`;
    separator = ',\n';
    isEmpty = false;
  }
  yield isEmpty ? `,\n${JSON.stringify(name)}: []` : '\n]';
}
