// npm run bench -- [--only W1,W8-chain] [--variants millrace,rxjs-ev] [--rounds 3] [--no-build] [--print] [--quick]
// A complete run is kept in bench/results.json and becomes the figures of docs/performance.md. --print measures nothing and prints
// the latest one again. --quick measures what a step and an item cost beside hand-written RxJS, without any peer, in a minute, and
// ends with 1 when that is more than four times its goal.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

import { goals } from './goals.mjs';
import { number } from './number.mjs';
import { writePage } from './page.mjs';
import { tables } from './tables.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    variants: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    'no-build': { type: 'boolean', default: false },
    print: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
if (options.quick)
  Object.assign(options, {
    only: 'W1,W2,W3,W4,W7',
    variants: 'rxjs-ev,millrace,millrace each,millrace pipe',
  });
/** What others may do to the figures of a machine that is not quiet: no goal of `--quick` is missed by less. */
const QUICK_SLACK = 4;
/** Above so many cores that others have used, or that waited for a core at the start, the figures are marked as those of a busy machine. */
const BUSY = 0.5;
const LIMIT_MS = 240_000;
const SLOW = new Set(['mastra', 'langgraph', 'llamaindex', 'xstate', 'dbos']);
const here = new URL('.', import.meta.url).pathname;

if (!options.quick && !existsSync(`${here}/node_modules`)) {
  console.error('The peers are packages of their own: first npm ci --prefix bench');
  process.exit(1);
}
if (!options['no-build'] && !options.print) await build();
const latest = options.print ? JSON.parse(readFileSync(`${here}/results.json`, 'utf8')) : undefined;
const started = latest === undefined ? new Date() : new Date(latest.started);
const waitingAtStart = loadavg()[0];
const coresBefore = usedCores();
let ownCpuUs = 0;
const workloads = await chosenWorkloads();
const results =
  latest === undefined
    ? await measureAll(workloads, Number(options.rounds))
    : new Map(Object.entries(latest.results));
if (options.quick) await measureAgain();
printAll();

/** Puts Millrace, as its own `npm run build` makes it, next to the peers, so that all share one RxJS. */
async function build() {
  const { bundle } = await import('../scripts/bundle.mjs');
  rmSync(`${here}/.millrace`, { recursive: true, force: true });
  await bundle('bench/.millrace', ['lib/store/folder/files/nodeFiles']);
}

async function chosenWorkloads() {
  const wanted = options.only?.split(',');
  const names = options.variants?.split(',');
  const all = [];
  for (const file of readdirSync(`${here}/workloads`).sort()) {
    for (const workload of (await import(`./workloads/${file}`)).workloads) {
      if (
        wanted !== undefined &&
        !wanted.some((id) => workload.id === id || workload.id.startsWith(`${id}-`))
      )
        continue;
      const variants = Object.keys(workload.variants).filter(
        (name) => names === undefined || names.includes(name),
      );
      all.push({ ...workload, file, variants });
    }
  }
  return all;
}

/** Round by round, so that whatever else the machine does falls on all alike; what was `measured` before is gone on with. */
async function measureAll(all, rounds, measured = new Map()) {
  for (let round = 1; round <= rounds; round += 1) {
    for (const workload of all) {
      for (const variant of workload.variants) {
        const key = `${workload.id} ${variant}`;
        const runs = measured.get(key) ?? [];
        measured.set(key, runs);
        // What has failed once, or took minutes, is not tried again.
        if (round > (workload.rounds ?? rounds) || runs.at(-1)?.problem !== undefined) continue;
        // Twenty to a thousand times slower: one round tells enough.
        if (round > 1 && (SLOW.has(variant.split(' ')[0]) || workload.once?.includes(variant))) continue;
        const begun = Date.now();
        if (process.stderr.isTTY) process.stderr.write(`round ${round}/${rounds} ${key} ...`);
        const { allCpuUs = 0, ...run } = await measureOne(workload.file, workload.id, variant);
        ownCpuUs += allCpuUs;
        runs.push(run);
        // A line each, also into a file: what is cut short leaves what it has measured.
        process.stderr.write(
          `${process.stderr.isTTY ? '\r\x1b[2K' : ''}round ${round}/${rounds} ${key}: ${figuresOf(run)} (${Math.round((Date.now() - begun) / 1000)} s)\n`,
        );
      }
    }
  }
  return measured;
}

/** What missed its goal, or went wrong: others may have used the machine all the while. With patience this time. */
async function measureAgain() {
  const missed = reachedGoals().filter(({ reached }) => reached === 'no');
  const again = workloads.filter(
    ({ id, variants }) =>
      missed.some(({ goal }) => /^[\w-]+/.exec(goal)?.[0] === id) ||
      variants.some((variant) => isBroken(results.get(`${id} ${variant}`))),
  );
  if (again.length === 0) return;
  for (const [key, runs] of results)
    results.set(
      key,
      runs.filter(({ problem }) => problem === undefined),
    );
  process.env['BENCH_PATIENCE'] = '4';
  await measureAll(again, Number(options.rounds), results);
}

function isBroken(runs = []) {
  return runs.some(({ problem }) => problem !== undefined);
}

function figuresOf({ problem, cpuUs, wallUs, runs: _, ...extra }) {
  if (problem !== undefined) return problem;
  const figures = { 'CPU us': cpuUs, 'wall us': wallUs, ...extra };
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${number(value)}`)
    .join(', ');
}

function measureOne(file, id, variant) {
  return new Promise((resolve) => {
    const flags = ['--expose-gc', '--max-old-space-size=8192', '--no-warnings'];
    const child = spawn(process.execPath, [...flags, `${here}/worker.mjs`, file, id, variant], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    let errors = '';
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, LIMIT_MS);
    child.stdout.on('data', (chunk) => (text += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.on('close', () => {
      clearTimeout(late);
      const found = /@@(.*)/.exec(text);
      const problem = isLate
        ? `no result in ${LIMIT_MS / 1000} s`
        : (errors.trim().split('\n')[0] ?? '').slice(0, 90);
      resolve(found === null ? { problem } : JSON.parse(found[1]));
    });
  });
}

function printAll() {
  const titleOf = (id) => workloads.find((workload) => workload.id === id)?.title ?? '';
  const what = latest?.machine ?? machine();
  console.log(what);
  printRows();
  const figures = tables(value, titleOf);
  console.log(`\n${figures}`);
  const reached = reachedGoals();
  const isPart = options.only !== undefined || options.variants !== undefined;
  const shown = reached.filter((row) => !isPart || row.reached !== 'not measured');
  const goalsTable = ['| goal | figure | reached |', '|---|---|---|']
    .concat(shown.map((row) => `| ${row.goal} | ${row.figure} | ${row.reached} |`))
    .join('\n');
  console.log(`\nGoals${options.quick ? `, missed above ${QUICK_SLACK} times` : ''}\n\n${goalsTable}`);
  if (options.quick && ([...results.values()].some(isBroken) || shown.some((row) => row.reached === 'no')))
    process.exitCode = 1;
  if (latest !== undefined) return;
  console.log(`\n${Math.round((Date.now() - started) / 60_000)} minutes`);
  // A part of it would not be the figures of one run.
  if (isPart) return;
  writeFileSync(
    `${here}/results.json`,
    JSON.stringify({ machine: what, started, goals: reached, results: Object.fromEntries(results) }, null, 1),
  );
  writePage(`${what}\n\n${figures}\n\n## Goals\n\n${goalsTable}`);
}

function reachedGoals() {
  return goals({ value, ratio: options.quick ? ratioOfBest : ratio }, options.quick ? QUICK_SLACK : 1);
}

function printRows() {
  const head = ['variant', 'CPU us', 'wall us', 'ratio', 'of best', 'best', 'worst', ''];
  const rows = [];
  for (const workload of workloads) {
    const baseline = workload.baseline ?? 'rxjs-ev';
    rows.push([`${workload.id}: ${workload.title}, per ${workload.unit}`]);
    for (const variant of workload.variants) rows.push(rowOf(workload, variant, baseline));
  }
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row.length === 1 ? 0 : (row[column] ?? '').length))),
  );
  const line = (row) =>
    row.length === 1
      ? `\n${row[0]}`
      : row
          .map((cell, column) =>
            column === 0 || column === 7 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
          )
          .join('  ');
  console.log(line(head));
  for (const row of rows) console.log(line(row).trimEnd());
}

/** The ratio is the median of the ratios of the rounds: both sides of each were measured side by side. */
function rowOf(workload, variant, baseline) {
  const runs = results.get(`${workload.id} ${variant}`) ?? [];
  if (runs.length === 0) return [variant, '-', '-', '-', '-', '-', '-', 'not measured'];
  const problem = runs.find((run) => run.problem !== undefined)?.problem;
  if (problem !== undefined) return [variant, '-', '-', '-', '-', '-', '-', problem];
  const base = results.get(`${workload.id} ${baseline}`) ?? [];
  const by = workload.by ?? 'cpuUs';
  const ratios = runs.flatMap((run, round) =>
    base[round]?.[by] === undefined ? [] : [run[by] / base[round][by]],
  );
  const best = Math.min(...runs.map((run) => run[by]));
  const { cpuUs: _c, wallUs: _w, runs: _r, ...extra } = runs.at(-1);
  return [
    variant,
    number(median(runs.map(({ cpuUs }) => cpuUs))),
    number(median(runs.map(({ wallUs }) => wallUs))),
    ratios.length === 0 ? '' : `${number(median(ratios))}x`,
    ratios.length === 0 ? '' : `${number(best / Math.min(...base.map((run) => run[by])))}x`,
    number(best),
    number(Math.max(...runs.map((run) => run[by]))),
    Object.entries(extra)
      .map(([name]) => `${name} ${number(median(runs.map((run) => run[name])))}`)
      .join(', '),
  ];
}

function byOf(id) {
  return workloads.find((workload) => workload.id === id)?.by ?? 'cpuUs';
}

function value(id, variant, column = byOf(id)) {
  const runs = (results.get(`${id} ${variant}`) ?? []).filter((run) => run[column] !== undefined);
  return runs.length === 0 ? undefined : median(runs.map((run) => run[column]));
}

function ratio(id, variant, baseline) {
  const by = byOf(id);
  const base = results.get(`${id} ${baseline}`) ?? [];
  const ratios = (results.get(`${id} ${variant}`) ?? []).flatMap((run, round) =>
    run[by] === undefined || base[round]?.[by] === undefined ? [] : [run[by] / base[round][by]],
  );
  return ratios.length === 0 ? undefined : median(ratios);
}

/** Of the best rounds: what others on the machine do to a round falls on one side only, and makes it worse. */
function ratioOfBest(id, variant, baseline) {
  const by = byOf(id);
  const best = (name) => Math.min(...(results.get(`${id} ${name}`) ?? []).map((run) => run[by] ?? Infinity));
  const [ours, theirs] = [best(variant), best(baseline)];
  return ours === Infinity || theirs === Infinity ? undefined : ours / theirs;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Seconds of all cores, by all processes, since the machine began. */
function usedCores() {
  return (
    cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0) / 1_000
  );
}

/** What else the machine did: cores that others used, on average over the run. */
function others() {
  const seconds = (Date.now() - started) / 1_000;
  return Math.max(0, (usedCores() - coresBefore - ownCpuUs / 1e6 - process.cpuUsage().user / 1e6) / seconds);
}

/** When, on what and beside what else it was measured. */
function machine() {
  const { dependencies } = JSON.parse(readFileSync(`${here}/package.json`, 'utf8'));
  const versions = Object.entries(dependencies).map(([name, version]) => `${name} ${version}`);
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const commit = execFileSync('git', ['log', '-1', '--format=%h'], { cwd: here }).toString().trim();
  const busy = waitingAtStart > BUSY || others() > BUSY ? ' **The machine was busy.**' : '';
  return `${started.toISOString()}, Node ${process.versions.node}, ${cpus().length} x ${cpus()[0].model.trim()}, ${memory}, Millrace at ${commit}.
Load at the start ${waitingAtStart.toFixed(1)}, others used ${others().toFixed(1)} cores.${busy}
Beside it: ${versions.join(', ')}.
CPU and wall time in microseconds per unit, medians of ${options.rounds} interleaved rounds, each in a process of its own; a ratio is
to rxjs-ev (hand-written RxJS with events) where nothing else is said; "of best" compares the best rounds of both.`;
}
