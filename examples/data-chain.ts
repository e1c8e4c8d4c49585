/*
 * A data chain: input, validate, transform, output.
 * The penguins of the Palmer Archipelago; some rows miss a value. They are reported, not lost.
 *
 *   npx ts-node examples/data-chain.ts [file.json]
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { tap } from 'rxjs';

import { E, t } from '../fp';
import { agent, chain, explain, run, runSummary } from '../index';
import type { OutputOf } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const Penguin = t.type({
  Species: t.string,
  'Body Mass (g)': t.number,
  'Flipper Length (mm)': t.number,
  Sex: t.keyof({ MALE: null, FEMALE: null }),
});

const input = agent('input', async (file: string) => JSON.parse(await readFile(file, 'utf8')) as unknown[]);

// What `input` accepts is checked before the function is called: a file that holds no list fails here, by name.
const validate = agent(
  'validate',
  (rows: readonly unknown[]) => {
    const valid: t.TypeOf<typeof Penguin>[] = [];
    const rejected: { readonly row: number; readonly problem: string }[] = [];
    rows.forEach((candidate, row) => {
      const decoded = Penguin.decode(candidate);
      if (E.isLeft(decoded)) rejected.push({ row, problem: explain(decoded.left).join('; ') });
      else valid.push(decoded.right);
    });
    return { valid, rejected };
  },
  { input: t.readonlyArray(t.unknown) },
);

const transform = agent('transform', ({ valid, rejected }: OutputOf<typeof validate>) => {
  const groups = new Map<string, number[]>();
  for (const penguin of valid) {
    const kind = `${penguin.Species}, ${penguin.Sex.toLowerCase()}`;
    groups.set(kind, [...(groups.get(kind) ?? []), penguin['Body Mass (g)']]);
  }
  const table = [...groups].map(([kind, masses]) => ({ kind, count: masses.length, meanMass: mean(masses) }));
  return { table: table.sort((a, b) => b.meanMass - a.meanMass), rejected };
});

const output = agent('output', ({ table, rejected }: OutputOf<typeof transform>) =>
  [
    'kind                count  mean mass',
    ...table.map(
      ({ kind, count, meanMass }) =>
        `${kind.padEnd(20)}${String(count).padStart(5)}${meanMass.toFixed(0).padStart(9)} g`,
    ),
    '',
    `${rejected.length} rows rejected:`,
    ...rejected.map(({ row, problem }) => `  row ${row}: ${problem}`),
  ].join('\n'),
);

const penguins = chain('data processing', input, validate, transform, output);

const file = process.argv[2] ?? join(__dirname, 'data', 'penguins.json');

run(penguins, file)
  .pipe(tap(({ event }) => 'path' in event && console.log(event.type, event.path)))
  .subscribe({
    next: ({ event, state }) => {
      if (event.type !== 'run.completed') return;
      console.log(`\n${runSummary(state)}\n\n${String(event.output)}`);
    },
    error: (error: unknown) => {
      console.error(`\n${String(error)}`);
      process.exitCode = 1;
    },
  });

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
