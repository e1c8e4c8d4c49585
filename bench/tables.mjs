/** The figures of one run as the tables of docs/performance.md, each below its heading. */
import { number } from './number.mjs';

const IN_MEMORY = ['W1', 'W1i', 'W2', 'W3', 'W4', 'W7'];
const VARIANTS = [
  'promises',
  'rxjs',
  'rxjs-ev',
  'millrace',
  'millrace +state',
  'effect',
  'xstate',
  'llamaindex',
  'mastra',
  'langgraph',
];
const ON_DISK = [
  'append',
  'append + fdatasync',
  'millrace process',
  'millrace disk',
  'millrace disk x16',
  'millrace end',
  'mastra LibSQL',
  'langgraph Sqlite',
  'dbos PostgreSQL',
];
const ITEMS = ['rxjs-ev', 'millrace', 'millrace each', 'millrace pipe', 'effect'];
const ONE_STEP = ['no store', 'memoryStore', 'memoryStore x64', 'process', 'process x64', 'disk x64'];
const SIZES = [10, 100, 1_000, 10_000, 100_000];
const SHAPES = { chain: 'chain', fan: 'fan-out', dag: 'layered DAG', each: '`each`, an item of four steps' };

/**
 * @param {(id: string, variant: string, column?: string) => number | undefined} value Median of a column.
 * @param {(id: string) => string} titleOf
 */
export function tables(value, titleOf) {
  const cells = (id, variants) => variants.map((variant) => number(value(id, variant)));
  const named = (id) => `${id} ${titleOf(id)}`;
  const bytes = (id) =>
    ON_DISK.map((variant) => {
      const [size, syncs] = ['bytes/step', 'syncs/step'].map((column) => value(id, variant, column));
      return size === undefined ? '-' : `${number(size)}${syncs === undefined ? '' : `; ${number(syncs)}`}`;
    });
  const grown = Object.entries(SHAPES).flatMap(([shape, text]) =>
    ['promises', 'rxjs-ev', 'millrace', 'millrace +state', 'millrace each'].flatMap((variant) => {
      const values = SIZES.map((size) => value(`W8-${shape}-${size}`, variant));
      if (values.every((each) => each === undefined)) return [];
      const above = values.slice(1);
      const spread = above.includes(undefined) ? '-' : `${number(Math.max(...above) / Math.min(...above))}x`;
      return [[text, variant, ...values.map(number), spread]];
    }),
  );
  const growing = ['alive', 'answers', 'rules'].map((id) => {
    const values = SIZES.slice(1).map((size) =>
      value(id, String(size), id === 'alive' ? 'bytes/step' : undefined),
    );
    return [`${titleOf(id)}, ${id === 'alive' ? 'bytes a step' : 'us of CPU'}`, ...values.map(number)];
  });
  return [
    [
      '## In memory',
      table(
        ['us of CPU', ...VARIANTS],
        IN_MEMORY.map((id) => [named(id), ...cells(id, VARIANTS)]),
      ),
    ],
    ['## Items', table(['us of CPU an item', ...ITEMS], [[named('W4'), ...cells('W4', ITEMS)]])],
    [
      '## On disk',
      table(
        ['us of wall time', ...ON_DISK],
        ['W5', 'W5-50KB', 'W5d'].flatMap((id) => [
          [named(id), ...cells(id, ON_DISK)],
          ['journal bytes a step; syncs a step', ...bytes(id)],
        ]),
      ),
    ],
    [
      '## A run of one step',
      table(['us of CPU a run', ...ONE_STEP], [[titleOf('one-step'), ...cells('one-step', ONE_STEP)]]),
    ],
    [
      '## What grows',
      table(['us of CPU a step', '', ...SIZES.map(String), 'worst / best from 100'], grown),
      table(['', ...SIZES.slice(1).map(String)], growing),
    ],
  ]
    .map((part) => part.filter((text) => text !== undefined))
    .filter((part) => part.length > 1)
    .map((part) => part.join('\n\n'))
    .join('\n\n');
}

/** Rows of which nothing was measured are left out. */
function table(head, all) {
  const rows = all.filter((row) => row.some((cell, column) => column > 0 && /^[\d.,]+$/.test(cell)));
  if (rows.length === 0) return undefined;
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
