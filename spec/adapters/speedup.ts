/*
 * How much faster two threads are than one, for a CPU-bound each. npm run bench:workers
 *
 * The rounds take turns and the best of each counts, because other work on the machine only ever makes a round slower. What
 * the machine can do at all is measured the same way: the same work in one process, and in two at once.
 */
import { fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

import { inWorker, threadPool } from '../../adapters/workers';
import { each, execute } from '../../index';
import { primes } from './support/heavy';

const SIZE = Number(process.env['SIZE'] ?? 150_000);
const COUNT = Number(process.env['COUNT'] ?? 32);
const ROUNDS = Number(process.env['ROUNDS'] ?? 7);
const FILE = require.resolve('./support/heavy');
const ITEMS = Array.from({ length: COUNT }, () => SIZE);

type Seconds = Record<1 | 2, number[]>;

async function main(): Promise<void> {
  const pools = { 1: threadPool(1), 2: threadPool(2) };
  const wall: Seconds = { 1: [], 2: [] };
  const busiest: Seconds = { 1: [], 2: [] };
  const processes: Seconds = { 1: [], 2: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const threads of round % 2 === 0 ? ([1, 2] as const) : ([2, 1] as const)) {
      const heavy = inWorker<number, number>(FILE, 'primes', { pool: pools[threads] });
      const before = cpuOfThreads();
      const began = performance.now();
      await execute(each('all', heavy, { concurrency: threads }), ITEMS);
      const seconds = (performance.now() - began) / 1000;
      const used = [...cpuOfThreads()].map(([thread, cpu]) => cpu - (before.get(thread) ?? 0));
      const inProcesses = await together(threads);
      // The first round loads what the threads need.
      if (round === 0) continue;
      wall[threads].push(seconds);
      busiest[threads].push(Math.max(...used));
      processes[threads].push(inProcesses);
    }
  }
  tell('each over inWorker, by the wall clock', wall);
  tell('the same, by CPU of the busiest thread', busiest);
  tell('what the machine can do: processes without Millrace, by the wall clock', processes);
  await Promise.all(Object.values(pools).map((pool) => pool.destroy()));
}

/** Seconds that it takes so many processes to do the same work together, without the time to start them. */
async function together(count: 1 | 2): Promise<number> {
  const children = Array.from({ length: count }, () =>
    fork(__filename, [String(COUNT / count)], { execArgv: ['-r', 'ts-node/register/transpile-only'] }),
  );
  const message = (child: (typeof children)[number]) =>
    new Promise((resolve) => child.once('message', resolve));
  await Promise.all(children.map(message));
  const began = performance.now();
  const done = children.map(message);
  for (const child of children) child.send('go');
  await Promise.all(done);
  return (performance.now() - began) / 1000;
}

function tell(how: string, seconds: Seconds): void {
  const [one, two] = [Math.min(...seconds[1]), Math.min(...seconds[2])];
  const all = ([1, 2] as const).map((n) => seconds[n].map((s) => s.toFixed(2)).join(' ')).join(' | ');
  console.log(
    `${how}: best of ${ROUNDS} ${one.toFixed(2)} s with one, ${two.toFixed(2)} s with two, ` +
      `${(one / two).toFixed(2)} times as fast (${all})`,
  );
}

/** Seconds of CPU of every thread of this process; empty where there is no /proc. */
function cpuOfThreads(): ReadonlyMap<string, number> {
  const folder = '/proc/self/task';
  return new Map(
    readdirSync(folder).map((thread) => {
      const fields = (readFileSync(`${folder}/${thread}/stat`, 'utf8').split(') ')[1] ?? '').split(' ');
      return [thread, (Number(fields[11]) + Number(fields[12])) / 100];
    }),
  );
}

function child(items: number): void {
  process.once('message', () => {
    for (let i = 0; i < items; i += 1) primes(SIZE);
    process.send?.('done', () => process.exit());
  });
  process.send?.('ready');
}

const [items] = process.argv.slice(2);
if (process.send !== undefined && items !== undefined) child(Number(items));
else void main();
