import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * The long forms of the tests of what is promised: npm run torture -- [--seed <number>] [--scale <share>] [--only <name>]
 *
 * A scale of 0.01 kills and draws a hundredth as often, to see that the tests themselves work.
 */

/** The value after an argument of the command line. */
function option(name: string): string | undefined {
  const index = process.argv.indexOf(`--${name}`);
  return index === -1 ? undefined : process.argv[index + 1];
}

const seed = Number(option('seed') ?? Math.floor(Math.random() * 2 ** 31));
const scale = Number(option('scale') ?? 1);
if (!Number.isSafeInteger(seed) || !(scale > 0))
  throw new TypeError('--seed is an integer, --scale is above 0');
const scaled = (count: number): number => Math.max(1, Math.round(count * scale));

interface Row {
  readonly name: string;
  readonly tests: string;
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

const kills = scaled(1_500);
const dags = scaled(10_000);
const rows: readonly Row[] = [
  { name: 'kill', tests: '1', file: 'process/killed', env: { KILLS: String(kills) } },
  { name: 'crash', tests: '2, 3, 4', file: 'lib/store/crash', env: {} },
  { name: 'damage', tests: '5, 6, 7', file: 'lib/store/damage', env: {} },
  { name: 'dags', tests: '8', file: 'operators/randomDags', env: { DAGS: String(dags) } },
  { name: 'lock', tests: '11', file: 'lib/store/lock', env: {} },
  { name: 'bugs', tests: '23', file: 'lib/store/seededBugs', env: {} },
].filter(({ name }) => (option('only') ?? name) === name);

interface Result {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
}

console.log(`seed ${seed}, scale ${scale}`);
const figures = rows.map(({ name, tests, file, env }) => {
  const report = join(tmpdir(), `millrace-torture-${process.pid}-${name}.json`);
  const begun = performance.now();
  const jest = [
    require.resolve('jest/bin/jest'),
    '--runInBand',
    '--silent',
    '--json',
    '--outputFile',
    report,
  ];
  const { stderr } = spawnSync(process.execPath, [...jest, `spec/${file}.spec.ts`], {
    encoding: 'utf8',
    env: { ...process.env, ...env, MILLRACE_TORTURE: '1', SEED: String(seed) },
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: 1 << 28,
  });
  let result: Result = { numPassedTests: 0, numFailedTests: 1 };
  try {
    result = JSON.parse(readFileSync(report, 'utf8')) as Result;
  } catch {
    // Jest did not get as far as a report: that counts as a violation.
  }
  rmSync(report, { force: true });
  if (result.numFailedTests > 0) console.log(stderr);
  const amount = Object.entries(env).map(([key, value]) => `${value} ${key.toLowerCase()} a test`);
  return {
    part: name,
    'tests of promises.md': tests,
    amount: amount.join() || 'all points',
    passed: result.numPassedTests,
    violations: result.numFailedTests,
    seconds: Math.round((performance.now() - begun) / 100) / 10,
  };
});
console.table(figures);
const violations = figures.reduce((sum, figure) => sum + figure.violations, 0);
console.log(`${violations} violations; again with --seed ${seed}`);
process.exitCode = violations === 0 ? 0 : 1;
