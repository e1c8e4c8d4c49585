// npm run coming-from [-- --only millrace,langgraph] [--print]
//
// Runs the same agent as each of these programs makes it, undisturbed and killed with SIGKILL at five moments. Writes what was done
// again into results.json, and tables of it into docs/coming-from.md. The packages of the others are installed here when they are not
// yet. --print measures nothing and prints the tables.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { startModel } from './model.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    print: { type: 'boolean', default: false },
    // Measures this program alone and prints what came of it: nothing is installed or written.
    program: { type: 'string' },
  },
});
const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const LIMIT_MS = 240_000;
const MOST_LIVES = 6;

const PROGRAMS = {
  Millrace: ['millrace.ts'],
  'AI SDK': ['ai-sdk.ts'],
  'LangGraph.js': ['langgraph.ts'],
  Mastra: ['mastra.ts'],
  Temporal: ['temporal/workflow.ts', 'temporal/activities.ts', 'temporal/main.ts'],
};

/** When the process is killed: how long after this has happened. What is written down behind it is written by then. */
const MOMENTS = {
  never: { isDue: () => false, afterMs: 0 },
  'two tools run, one is done': { isDue: ({ effects }) => effects.includes('end lookUp A'), afterMs: 700 },
  'the model answers again': { isDue: ({ rounds }) => rounds.includes(2), afterMs: 0 },
  'a person is asked': { isDue: ({ output }) => output.includes('waiting'), afterMs: 3_000 },
  'the approved tool runs': { isDue: ({ effects }) => effects.includes('begin refund'), afterMs: 0 },
  'the last answer streams': { isDue: ({ output }) => output.includes('token "You '), afterMs: 0 },
};

/** How often each thing is begun when nobody disturbs. */
const ONCE = {
  'model 1': 1,
  'model 2': 1,
  'model 3': 1,
  'lookUp A': 1,
  'lookUp B': 1,
  refund: 1,
  approval: 1,
};

const results = join(here, 'results.json');
if (options.program !== undefined) console.log(JSON.stringify(await measured(options.program)));
else {
  if (!options.print) await measureAll();
  const all = JSON.parse(readFileSync(results, 'utf8'));
  const tables = [...linesTable(), '', ...repeatedTable(all.programs), '', `Measured ${all.measured}.`].join(
    '\n',
  );
  if (options.print) console.log(tables);
  else writeTables(tables);
}

async function measureAll() {
  install();
  const all = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : { programs: {} };
  for (const [name, [file]] of Object.entries(PROGRAMS)) {
    // The server of Temporal cannot be had offline.
    if (name === 'Temporal' || !(options.only?.split(',').includes(file.replace('.ts', '')) ?? true))
      continue;
    all.programs[name] = await measured(join(here, file));
    const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
    const versions = ['ai', 'langchain', '@langchain/langgraph', '@mastra/core'].map(
      (of) => `${of} ${dependencies[of]}`,
    );
    all.measured = `on ${new Date().toISOString().slice(0, 10)} with Node ${process.versions.node}, ${versions.join(', ')}`;
    writeFileSync(results, JSON.stringify(all));
    execFileSync(process.execPath, [
      join(root, 'node_modules/prettier/bin/prettier.cjs'),
      '--write',
      results,
    ]);
  }
}

/** What came of each death. */
async function measured(program) {
  const outcomes = {};
  for (const moment of Object.keys(MOMENTS)) {
    outcomes[moment] = await lived(program, moment);
    console.error(JSON.stringify({ program, moment, ...outcomes[moment] }));
  }
  return outcomes;
}

function install() {
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  const npm = (cwd, ...args) =>
    execFileSync('npm', args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (!existsSync(join(here, 'node_modules'))) npm(here, 'ci', '--ignore-scripts');
  npm(root, 'run', 'build');
  if (!existsSync(join(here, 'node_modules/millrace')))
    symlinkSync(root, join(here, 'node_modules/millrace'), 'dir');
}

/** One run from its question to its answer, with one death. */
async function lived(program, moment) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-coming-from-'));
  const model = await startModel();
  const effects = () =>
    existsSync(join(folder, 'effects')) ? readFileSync(join(folder, 'effects'), 'utf8') : '';
  let isKilled = moment === 'never';
  let approvals = 0;
  let ended = {};
  let word = '';
  try {
    for (
      let life = 1;
      life <= MOST_LIVES && ended.answer === undefined && ended.problem === undefined;
      life += 1
    ) {
      if (word === 'yes') approvals += 1;
      const isDue = (output) =>
        !isKilled && MOMENTS[moment].isDue({ output, effects: effects(), rounds: model.rounds });
      ended = await live([program, folder, model.url, word], isDue, MOMENTS[moment].afterMs);
      // Who starts it again after a death knows of no question, and of no answer given before.
      word = ended.isAsking && !ended.wasKilled ? 'yes' : '';
      isKilled ||= ended.wasKilled;
    }
    const begun = [
      ...model.rounds.map((round) => `model ${round}`),
      ...[...effects().matchAll(/^begin (.*)$/gm)].map(([, what]) => what),
      ...Array(approvals).fill('approval'),
    ];
    const { answer, problem = answer === undefined ? 'it never ends' : undefined, streamedMs } = ended;
    return { again: repeated(begun), refused: model.refused.length, answer, problem, streamedMs };
  } finally {
    model.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Starts the program, and kills it so long after that is due. */
async function live(args, isDue, afterMs) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors, streamedAt, answeredAt] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
    if (output.includes('token "You ')) streamedAt ??= performance.now();
    if (output.includes('answer ')) answeredAt ??= performance.now();
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const closed = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  let [wasKilled, isOver] = [false, false];
  void closed.then(() => (isOver = true));
  const limit = performance.now() + LIMIT_MS;
  let dueAt;
  while (!isOver) {
    if (isDue(output)) dueAt ??= performance.now();
    wasKilled = performance.now() - dueAt >= afterMs;
    if (wasKilled || performance.now() > limit) child.kill('SIGKILL');
    await pause(5);
  }
  const { code, signal } = await closed;
  // What was already over when it was to be killed died of nothing, and knows no more than if it had.
  wasKilled ||= isDue(output);
  const answer = /^answer (.*)$/m.exec(output)?.[1];
  const isAsking = output.includes('waiting');
  const isLost = !wasKilled && !isAsking && answer === undefined;
  const reason = errors.split('\n').findLast((line) => /^\w*Error\b/.test(line));
  const problem = isLost ? (reason ?? `it ended with ${signal ?? code}`) : undefined;
  return { wasKilled, isAsking, answer, problem, streamedMs: Math.round(answeredAt - streamedAt) };
}

/** What was begun more often than needed: `refund`, `lookUp A x2`. */
function repeated(begun) {
  return Object.entries(ONCE).flatMap(([what, needed]) => {
    const more = begun.filter((one) => one === what).length - needed;
    return more <= 0 ? [] : [more === 1 ? what : `${what} x${more}`];
  });
}

function repeatedTable(programs) {
  const names = Object.keys(PROGRAMS).filter((name) => name in programs);
  const rows = Object.keys(MOMENTS).map((moment) => {
    const cells = names.map((name) => {
      const { again, problem } = programs[name][moment];
      const what = again.length === 0 ? 'nothing' : again.join(', ');
      return problem === undefined ? what : `${what}; then fails: ${problem}`;
    });
    return `| ${moment} | ${cells.join(' | ')} |`;
  });
  return [`| killed while | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`, ...rows];
}

function linesTable() {
  const rows = Object.entries(PROGRAMS).map(([name, files]) => {
    const text = files.map((file) => readFileSync(join(here, file), 'utf8')).join('\n');
    const lines = text.split('\n').filter((line) => !/^\s*(\/\/.*|\/?\*.*)?$/.test(line));
    return `| ${name} | ${files.map((file) => `\`${file}\``).join(', ')} | ${lines.length} |`;
  });
  return ['| | program | lines |', '|---|---|---|', ...rows];
}

function writeTables(tables) {
  const page = join(root, 'docs/coming-from.md');
  const [begin, end] = ['<!-- measured:begin -->', '<!-- measured:end -->'];
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from)
    throw new Error(`Cannot write the tables into ${page}: it has no ${begin} before ${end}`);
  writeFileSync(page, `${text.slice(0, from)}${begin}\n\n${tables}\n\n${text.slice(to)}`);
}
