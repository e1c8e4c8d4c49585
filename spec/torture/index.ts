import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Part } from './parts';
import { parts } from './parts';
import type { Figures } from './writeTable';
import { writeTable } from './writeTable';

/*
 * The long forms of the tests of what is promised:
 *
 *   npm run torture -- [--seed <number>] [--scale <share>] [--only <part>,<part>] [--write]
 *
 * A scale of 0.01 kills and draws a hundredth as often, to see that the tests themselves work; one of 2 twice as often. A part is
 * named whole or up to a hyphen: `--only kill` means kill-chain, kill-dag and kill-each. Two parts go on at a time.
 * `--write` puts the table into docs/reliability.md, in the place of the one there.
 */

const AT_ONCE = 2;

/** The value after an argument of the command line. */
function option(name: string): string | undefined {
  const index = process.argv.indexOf(`--${name}`);
  return index === -1 ? undefined : process.argv[index + 1];
}

const seed = Number(option('seed') ?? Math.floor(Math.random() * 2 ** 31));
const scale = Number(option('scale') ?? 1);
if (!Number.isSafeInteger(seed) || !(scale > 0))
  throw new TypeError('--seed is an integer, --scale is above 0');
const wanted = option('only')?.split(',');
const isWanted = ({ name }: Part): boolean =>
  wanted === undefined || wanted.some((only) => name === only || name.startsWith(`${only}-`));
const queue = parts.filter(isWanted).sort((a, b) => b.seconds - a.seconds);
if (queue.length === 0) throw new TypeError(`--only is one of ${parts.map(({ name }) => name).join(', ')}`);
/** A part that takes this long hangs: several times what the longest one takes where others use the machine too. */
const PATIENCE_MS = 60_000 + Math.max(1, scale) * 90 * 60_000;

const since = (begun: number): number => Math.round((performance.now() - begun) / 100) / 10;

/** Runs one part in a process of its own. */
async function carryOut({ name, tests, specs, only }: Part): Promise<Figures> {
  const file = (kind: string): string =>
    join(tmpdir(), `millrace-torture-${String(process.pid)}-${name}.${kind}`);
  const begun = performance.now();
  const args = ['--runInBand', '--silent', '--json', '--outputFile', file('json')];
  if (only !== undefined) args.push('--testNamePattern', only);
  args.push(...specs.map((spec) => `spec/${spec}\\.spec\\.ts$`));
  const child = spawn(process.execPath, [require.resolve('jest/bin/jest'), ...args], {
    env: {
      ...process.env,
      MILLRACE_TORTURE: String(scale),
      MILLRACE_TALLY: file('tally'),
      SEED: String(seed),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const signal = await new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('close', (_code, by) => {
      resolve(by);
    }),
  );
  const result = readResult(file('json'));
  const violations = result.numFailedTests + result.numRuntimeErrorTestSuites;
  const figures: Figures = {
    part: name,
    tests,
    'what was done': readTally(file('tally')) ?? 'all',
    passed: result.numPassedTests,
    violations,
    seconds: since(begun),
  };
  const how = violations === 0 ? 'held' : signal === null ? 'BROKEN' : `ended by ${signal}, not done,`;
  console.log(`${name}: ${how} after ${String(figures.seconds)} s`);
  if (violations > 0) console.log(shortened(said));
  for (const kind of ['json', 'tally']) rmSync(file(kind), { force: true });
  return figures;
}

interface Result {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

/** What Jest reports; when it did not get that far, or ran nothing, that counts as a violation. */
function readResult(file: string): Result {
  const nothing = { numPassedTests: 0, numFailedTests: 0, numRuntimeErrorTestSuites: 1 };
  try {
    const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
    return result.numPassedTests + result.numFailedTests === 0 ? nothing : result;
  } catch {
    return nothing;
  }
}

/** Without the many frames of one call of itself that a deep stack has. */
function shortened(text: string): string {
  const lines = text.split('\n');
  return lines.filter((line, index) => !/^\s+at /.test(line) || line !== lines[index - 1]).join('\n');
}

/** How much was done, as the specs told it: the sum of each kind. */
function readTally(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const sums = new Map<string, number>();
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const [what, count] = JSON.parse(line) as readonly [string, number];
    sums.set(what, (sums.get(what) ?? 0) + count);
  }
  return [...sums].map(([what, count]) => `${count.toLocaleString('en')} ${what}`).join(', ');
}

async function main(): Promise<void> {
  console.log(`seed ${String(seed)}, scale ${String(scale)}, Node ${process.version}`);
  const begun = performance.now();
  const figures: Figures[] = [];
  const lane = async (): Promise<void> => {
    for (let part = queue.shift(); part !== undefined; part = queue.shift())
      figures.push(await carryOut(part));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const order = parts.map(({ name }) => name);
  console.table(figures.sort((a, b) => order.indexOf(a.part) - order.indexOf(b.part)));
  const violations = figures.reduce((sum, figure) => sum + figure.violations, 0);
  console.log(
    `${String(violations)} violations in ${String(since(begun))} s; again with --seed ${String(seed)} --scale ${String(scale)}`,
  );
  if (process.argv.includes('--write')) writeTable(figures, { seed, scale, seconds: since(begun) });
  process.exitCode = violations === 0 ? 0 : 1;
}

void main();
