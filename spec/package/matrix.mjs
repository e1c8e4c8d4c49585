/* global AbortController, fetch, setTimeout */
// The packed package in the tools that people use, each in a folder of its own: npm run test:package [-- --only node,jest] [--quick]
// --quick: one row a tool. Prints a table; ends with 1 when a row fails that the tool itself could do.
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { parseArgs, promisify } from 'node:util';

import bundled from '../../scripts/bundled.cjs';
import { both, commonJs, esModule, EXPECTED, exported, typed } from './consumer.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'millrace-package-'));
const call = promisify(execFile);
const RXJS = 'rxjs@7.8.2';
const { peerDependencies: peers } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const LOWEST_RXJS = `rxjs@${peers.rxjs.slice(1)}`;
/** How long a tool may take: a machine that is slow and has other work takes minutes for what takes seconds here. */
const PATIENCE_MS = 1_200_000;
/** What the snippets import of others, or what that needs, as it is tested here. */
const OF_OTHERS = [
  ...['@opentelemetry/api', '@opentelemetry/sdk-trace-base', '@restatedev/restate-sdk'],
  ...['express', 'hono', 'piscina', 'prom-client', 'undici'],
];

const tarball = await pack();
const rows = [
  ...nodes(),
  ...types(),
  ...peersOf(),
  ...managers(),
  ...documented(),
  ...runners(),
  ...bundlers(),
  ...runtimes(),
  ...frameworks(),
  ...browsers(),
];
const chosen = rows.filter(
  ({ tool, isMain }) =>
    (options.only === undefined || options.only.split(',').includes(tool)) && (!options.quick || isMain),
);
const results = await triedTwoAtOnce(chosen);
console.table(results.map(({ tool, form, result, seconds }) => ({ tool, form, result, seconds })));
if (!options.keep) rmSync(home, { recursive: true, force: true });
process.exitCode = results.some(({ isRed }) => isRed) ? 1 : 0;

async function pack() {
  await sh('npm', ['run', 'build'], root);
  const { stdout } = await sh(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--pack-destination', home],
    root,
  );
  return join(home, JSON.parse(stdout)[0].filename);
}

/** In the order of the rows. Half of its time a row waits for the registry. */
async function triedTwoAtOnce(all) {
  const results = [];
  const waiting = [...all.entries()];
  const tryTheRest = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      results[next[0]] = await tried(next[1]);
  };
  await Promise.all([tryTheRest(), tryTheRest()]);
  return results;
}

/** Runs a row in a fresh folder. */
async function tried({ tool, form, go, cannot }) {
  const began = Date.now();
  const folder = join(home, `${tool}-${form}`.replaceAll(/[^A-Za-z0-9.-]+/g, '-'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }\n');
  let result = 'ok';
  let isRed = false;
  try {
    const printed = await go(folder);
    if (printed !== undefined && !printed.includes(EXPECTED))
      throw new Error(`printed ${printed.slice(-300)}`);
    if (cannot !== undefined) result = `ok, though ${cannot}`;
  } catch (error) {
    const why = `${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`.trim();
    isRed = cannot === undefined;
    result = isRed ? 'FAILED' : `the tool cannot: ${cannot}`;
    if (isRed) console.error(`\n${tool}, ${form} (${folder}):\n${why.slice(0, 3_000)}\n`);
  }
  const seconds = Number(((Date.now() - began) / 1_000).toFixed(1));
  console.error(`${tool}, ${form}: ${result} after ${String(seconds)} s`);
  return { tool, form, result, seconds, isRed };
}

function sh(command, args, cwd, env = {}) {
  return call(command, args, {
    cwd,
    env: { ...process.env, CI: 'true', NO_COLOR: '1', NODE_OPTIONS: '', ...env },
    maxBuffer: 64 << 20,
    timeout: PATIENCE_MS,
  });
}

async function install(folder, ...packages) {
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
  const rxjs = packages.includes(LOWEST_RXJS) ? [] : [RXJS];
  await sh('npm', ['install', ...quiet, tarball, ...rxjs, ...packages], folder);
}

function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), typeof text === 'string' ? text : JSON.stringify(text, null, 2));
  }
}

async function printedBy(command, args, folder, env) {
  return (await sh(command, args, folder, env)).stdout;
}

function nodes() {
  return ['20.19.0', '22.13.0', '24', '26'].map((version) => ({
    tool: 'node',
    form: `${version}, require and import`,
    isMain: version === '20.19.0',
    async go(folder) {
      const name = `node-${process.platform}-${process.arch}`;
      await install(folder, `${name}@${version}`);
      write(folder, { 'c.cjs': commonJs, 'm.mjs': esModule, 'both.mjs': both });
      const binary = join(folder, 'node_modules', name, 'bin/node');
      for (const file of ['c.cjs', 'm.mjs', 'both.mjs']) {
        const { stdout, stderr } = await sh(binary, [file], folder);
        if (!stdout.includes(EXPECTED) || stderr !== '') throw new Error(`${file}: ${stdout}${stderr}`);
      }
    },
  }));
}

function types() {
  const versions = ['5.4', '5.9', '6.0', '7.0'];
  const resolutions = [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ];
  const row = (version, form, isMain, packages, compilerOptions) => ({
    tool: 'typescript',
    form: `${version}, ${form}`,
    isMain,
    async go(folder) {
      await install(folder, `typescript@~${version}.0`, ...packages);
      for (const type of ['commonjs', 'module']) {
        write(folder, {
          [`${type}/package.json`]: { type },
          [`${type}/app.ts`]: typed,
          [`${type}/tsconfig.json`]: {
            compilerOptions: {
              target: 'es2022',
              lib: ['es2023'],
              strict: true,
              skipLibCheck: false,
              exactOptionalPropertyTypes: true,
              noEmit: true,
              types: ['node'],
              ...compilerOptions,
            },
            include: ['app.ts'],
          },
        });
        await sh('npx', ['tsc', '-p', type], folder);
      }
    },
  });
  const ofNode = ['@types/node@20'];
  return [
    ...versions.flatMap((version) =>
      resolutions.map(([module, moduleResolution]) => {
        const isMain = version === '6.0' && module === 'nodenext';
        const form = `${moduleResolution}, CommonJS and ESM`;
        return row(version, form, isMain, ofNode, { module, moduleResolution });
      }),
    ),
    // Knows no `exports`: `typesVersions` leads it.
    row('5.9', 'node10', true, ofNode, { module: 'commonjs', moduleResolution: 'node10' }),
    // As for a browser. What serves (`millrace/http`, `inspector`, `workers`) is for Node, and needs its types.
    row('6.0', 'without @types/node', true, [], { module: 'nodenext', lib: ['es2023', 'dom'], types: [] }),
  ];
}

/** RxJS as old as the package allows, and none of the packages that not everybody needs. */
function peersOf() {
  return [
    {
      tool: 'rxjs',
      form: `${LOWEST_RXJS.slice(5)}, the lowest there may be`,
      isMain: true,
      async go(folder) {
        await install(folder, LOWEST_RXJS, 'typescript@~6.0.0', '@types/node@20');
        write(folder, { 'c.cjs': commonJs, 'm.mjs': esModule, 'app.ts': typed });
        const module = ['--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
        await sh('npx', ['tsc', '--noEmit', '--strict', ...module, 'app.ts'], folder);
        await printedBy('node', ['c.cjs'], folder);
        return printedBy('node', ['m.mjs'], folder);
      },
    },
    {
      tool: 'peers',
      form: 'an entry says which package it needs',
      isMain: true,
      async go(folder) {
        await install(folder);
        for (const [entry, ...needed] of [
          ['restate', '@restatedev/restate-sdk', 'undici'],
          ['workers', 'piscina'],
        ]) {
          const file = `${entry}.mjs`;
          write(folder, { [file]: `import 'millrace/${entry}';` });
          const { stderr } = await sh('node', [file], folder).catch((error) => error);
          const told = `is not installed; npm install ${needed.map((peer) => `"${peer}@${peers[peer]}"`).join(' ')}`;
          if (!stderr?.includes(told)) throw new Error(`millrace/${entry} does not say: ${told}\n${stderr}`);
        }
        // These are given the package that they need.
        write(folder, {
          'others.mjs':
            "await import('millrace/prometheus'); await import('millrace/open-telemetry'); await import('millrace/ai');",
        });
        await sh('node', ['others.mjs'], folder);
      },
    },
  ];
}

function managers() {
  const files = { 'c.cjs': commonJs, 'm.mjs': esModule };
  return [
    {
      tool: 'npm',
      form: 'no package that is never loaded, no install script',
      isMain: true,
      async go(folder) {
        await install(folder);
        write(folder, files);
        const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
        const texts = textsOf(join(folder, 'node_modules/millrace/dist'));
        const isLoaded = (name) => texts.some((text) => text.includes(`require("${name}`));
        const { dependencies } = packages['node_modules/millrace'];
        for (const name of [...bundled, ...Object.keys(dependencies).filter((each) => !isLoaded(each))])
          if (packages[`node_modules/${name}`] !== undefined)
            throw new Error(`${name} is installed, and never loaded`);
        const scripted = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript);
        if (scripted.length > 0)
          throw new Error(`install scripts: ${scripted.map(([name]) => name).join(', ')}`);
        return printedBy('node', ['c.cjs'], folder);
      },
    },
    {
      tool: 'pnpm',
      form: '10, require and import',
      isMain: true,
      async go(folder) {
        const pnpm = ['--yes', 'pnpm@10', '--ignore-workspace'];
        await sh('npx', [...pnpm, 'add', tarball, RXJS], folder);
        write(folder, { ...files, 'both.mjs': both });
        await printedBy('node', ['both.mjs'], folder);
        return printedBy('node', ['m.mjs'], folder);
      },
    },
    {
      tool: 'yarn',
      form: "4, Plug'n'Play",
      isMain: true,
      async go(folder) {
        write(folder, {
          ...files,
          'yarn.lock': '',
          '.yarnrc.yml': 'nodeLinker: pnp\nenableScripts: false\nenableImmutableInstalls: false\n',
        });
        const yarn = ['--yes', '-p', '@yarnpkg/cli-dist@4', 'yarn'];
        await sh('npx', [...yarn, 'add', `millrace@file:${tarball}`, RXJS], folder);
        return printedBy('npx', [...yarn, 'node', 'c.cjs'], folder);
      },
    },
  ];
}

/** What the JavaScript in a folder says. */
function textsOf(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

/** Every snippet of the pages whose output they show, as it is installed. */
function documented() {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const others = OF_OTHERS.map((name) => `${name}@${devDependencies[name]}`);
  const rows = [
    ['npm', 'cjs'],
    ['npm', 'mjs'],
    ['pnpm', 'cjs'],
    ['pnpm', 'mjs'],
  ];
  return rows.map(([manager, extension]) => ({
    tool: 'snippets',
    form: `${manager}, ${extension}`,
    isMain: manager === 'npm' && extension === 'mjs',
    async go(folder) {
      if (manager === 'npm') await install(folder, ...others);
      else
        await sh('npx', ['--yes', 'pnpm@10', '--ignore-workspace', 'add', tarball, RXJS, ...others], folder);
      await sh('npx', ['ts-node', '-T', 'spec/package/snippets.ts', folder, extension], root);
    },
  }));
}

/** A test in which time stands still until it is told to go on. */
function faked(begin, end) {
  return `
  ${begin}
  const { agent, execute, memoryStore, sleep, chain } = require('millrace');
  const waits = chain('waits', agent('begin', (n) => n + 1), sleep('nap', 60_000));
  const answer = execute(waits, 1, { store: memoryStore() });
  ${end}
`;
}

function runners() {
  const jestTest = `
test('runs, fails, goes on', async () => { ${commonJs.replace('main().then((line) => console.log(line));', `expect(await main()).toBe('${EXPECTED}');`)} });
test('sleeps in virtual time', async () => { ${faked('jest.useFakeTimers();', 'await jest.advanceTimersByTimeAsync(61_000); expect((await answer).output).toBe(2);')} });`;
  const jest = (version) => ({
    tool: 'jest',
    form: version,
    isMain: version === '30',
    async go(folder) {
      await install(folder, `jest@${version}`);
      write(folder, { 'app.test.js': jestTest });
      await sh('npx', ['jest', '--ci', '--testTimeout=120000'], folder);
    },
  });
  return [
    jest('29'),
    jest('30'),
    {
      tool: 'vitest',
      form: 'latest for this Node',
      isMain: true,
      async go(folder) {
        await install(folder, 'vitest@4');
        write(folder, {
          'story.mjs': exported,
          'app.test.mjs': `
import { expect, test, vi } from 'vitest';
import { agent, chain, execute, memoryStore, sleep } from 'millrace';
import { main } from './story.mjs';
test('runs, fails, goes on', async () => { expect(await main()).toBe('${EXPECTED}'); });
test('sleeps in virtual time', async () => {
  vi.useFakeTimers();
  const waits = chain('waits', agent('begin', (n) => n + 1), sleep('nap', 60_000));
  const answer = execute(waits, 1, { store: memoryStore() });
  await vi.advanceTimersByTimeAsync(61_000);
  expect((await answer).output).toBe(2);
});`,
        });
        await sh('npx', ['vitest', 'run', '--testTimeout=120000'], folder);
      },
    },
    {
      tool: 'mocha',
      form: '11, CommonJS',
      isMain: true,
      async go(folder) {
        await install(folder, 'mocha@11', 'sinon@21');
        write(folder, {
          'app.spec.cjs': `
const assert = require('node:assert');
const sinon = require('sinon');
it('runs, fails, goes on', async () => { ${commonJs.replace('main().then((line) => console.log(line));', `assert.equal(await main(), '${EXPECTED}');`)} });
it('sleeps in virtual time', async () => { ${faked('const clock = sinon.useFakeTimers();', 'await clock.tickAsync(61_000); assert.equal((await answer).output, 2); clock.restore();')} });`,
        });
        await sh('npx', ['mocha', '--timeout=120000', 'app.spec.cjs'], folder);
      },
    },
    {
      tool: 'node:test',
      form: 'with mock timers',
      isMain: true,
      async go(folder) {
        await install(folder);
        write(folder, {
          'app.test.mjs': `
import assert from 'node:assert';
import { test } from 'node:test';
import { agent, chain, execute, memoryStore, sleep } from 'millrace';
test('sleeps in virtual time', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const waits = chain('waits', agent('begin', (n) => n + 1), sleep('nap', 60_000));
  const answer = execute(waits, 1, { store: memoryStore() });
  for (let n = 0; n < 20; n += 1) await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(61_000);
  assert.equal((await answer).output, 2);
});`,
        });
        await sh('node', ['--test', 'app.test.mjs'], folder);
      },
    },
  ];
}

function bundlers() {
  const run = (folder, file) => printedBy('node', [file], folder);
  return [
    {
      tool: 'esbuild',
      form: 'CommonJS, ESM, minified and split',
      isMain: true,
      async go(folder) {
        await install(folder, 'esbuild');
        write(folder, { 'app.mjs': esModule });
        for (const [format, out] of [
          ['cjs', 'out.cjs'],
          ['esm', 'out.mjs'],
        ]) {
          const args = [
            'esbuild',
            'app.mjs',
            '--bundle',
            '--platform=node',
            '--minify',
            `--format=${format}`,
            `--outfile=${out}`,
          ];
          await sh('npx', args, folder);
          if (!(await run(folder, out)).includes(EXPECTED)) throw new Error(`${out} printed something else`);
        }
      },
    },
    {
      tool: 'rollup',
      form: 'ESM',
      isMain: true,
      async go(folder) {
        // winston reads its package.json.
        await install(
          folder,
          'rollup',
          ...['node-resolve', 'commonjs', 'json'].map((name) => `@rollup/plugin-${name}`),
        );
        write(folder, {
          'app.mjs': esModule,
          'rollup.config.mjs': `
import resolve from '@rollup/plugin-node-resolve';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
export default { input: 'app.mjs', output: { file: 'out.mjs', format: 'es', inlineDynamicImports: true }, plugins: [resolve({ preferBuiltins: true }), commonjs(), json()] };`,
        });
        await sh('npx', ['rollup', '-c'], folder);
        return run(folder, 'out.mjs');
      },
    },
    {
      tool: 'webpack',
      form: 'for Node',
      isMain: true,
      async go(folder) {
        await install(folder, 'webpack@5', 'webpack-cli@6');
        write(folder, {
          'app.mjs': esModule,
          'webpack.config.cjs':
            "module.exports = { mode: 'production', target: 'node', entry: './app.mjs', output: { path: __dirname, filename: 'out.cjs' } };",
        });
        await sh('npx', ['webpack'], folder);
        return run(folder, 'out.cjs');
      },
    },
    {
      tool: 'vite',
      form: 'server build',
      isMain: true,
      async go(folder) {
        await install(folder, 'vite@7');
        write(folder, {
          'app.mjs': esModule,
          'vite.config.mjs':
            "export default { ssr: { noExternal: true }, build: { ssr: 'app.mjs', outDir: 'out', rollupOptions: { output: { entryFileNames: 'out.mjs' } } } };",
        });
        await sh('npx', ['vite', 'build'], folder);
        return run(folder, 'out/out.mjs');
      },
    },
  ];
}

function runtimes() {
  const runtime = (tool, name, args) => ({
    tool,
    form: 'import and require',
    isMain: true,
    async go(folder) {
      await install(folder);
      write(folder, { 'm.mjs': esModule, 'c.cjs': commonJs });
      // Its own install script only picks the binary.
      await sh('npm', ['install', '--no-audit', '--no-fund', '--no-save', name], folder);
      const first = await printedBy('npx', [tool, ...args, 'm.mjs'], folder);
      if (!first.includes(EXPECTED)) return first;
      return printedBy('npx', [tool, ...args, 'c.cjs'], folder);
    },
  });
  return [runtime('bun', 'bun', ['run']), runtime('deno', 'deno', ['run', '-A'])];
}

function frameworks() {
  return [
    {
      tool: 'next',
      form: 'route handler, built and served',
      isMain: true,
      async go(folder) {
        await install(folder, 'next@15', 'react@19', 'react-dom@19');
        write(folder, {
          'app/layout.jsx':
            'export default function Layout({ children }) { return <html><body>{children}</body></html>; }',
          'app/page.jsx': 'export default function Page() { return <p>home</p>; }',
          'lib/story.mjs': exported,
          'app/api/route.js':
            "import { main } from '../../lib/story.mjs';\nexport const dynamic = 'force-dynamic';\nexport async function GET() { return new Response(await main()); }",
        });
        await sh('npx', ['next', 'build'], folder, { NEXT_TELEMETRY_DISABLED: '1' });
        return served(folder, ['next', 'start', '-H', '127.0.0.1', '-p'], '/api');
      },
    },
    {
      tool: 'nest',
      form: '11, @Sse() of the events of a run',
      isMain: true,
      async go(folder) {
        const nest = [
          '@nestjs/common@11',
          '@nestjs/core@11',
          '@nestjs/platform-express@11',
          'reflect-metadata@0.2',
          'typescript@5.9',
          'tsx',
        ];
        await install(folder, ...nest);
        write(folder, {
          'tsconfig.json': {
            compilerOptions: { experimentalDecorators: true, module: 'commonjs', target: 'es2022' },
          },
          'app.ts': `
import 'reflect-metadata';
import { Controller, Module, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { agent, run } from 'millrace';
import { map } from 'rxjs';
class Api { events() { return run(agent('hello', () => 'there'), undefined).pipe(map(({ event }) => ({ data: event }))); } }
Sse('events')(Api.prototype, 'events', Object.getOwnPropertyDescriptor(Api.prototype, 'events')!);
Controller()(Api);
class App {}
Module({ controllers: [Api] })(App);
async function main() {
  const app = await NestFactory.create(App, { logger: false });
  await app.listen(Number(process.argv[2]), '127.0.0.1');
  const text = await (await fetch(\`http://127.0.0.1:\${process.argv[2]}/events\`)).text();
  await app.close();
  console.log(text.includes('run.started') && text.includes('run.completed') ? '${EXPECTED}' : text);
}
void main();`,
        });
        return printedBy('npx', ['tsx', 'app.ts', String(await freePort())], folder);
      },
    },
  ];
}

/** Begins a server with a port as its last argument, asks it once, and ends it. */
async function served(folder, command, path) {
  const port = await freePort();
  const ended = new AbortController();
  const server = execFile(
    'npx',
    [...command, String(port)],
    { cwd: folder, signal: ended.signal, detached: true },
    () => undefined,
  );
  try {
    for (let tries = 0; tries < 480; tries += 1) {
      const answer = await fetch(`http://127.0.0.1:${String(port)}${path}`).catch(() => undefined);
      if (answer?.ok) return await answer.text();
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error('the server did not answer within four minutes');
  } finally {
    try {
      process.kill(-server.pid);
    } catch {
      ended.abort();
    }
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Built by each bundler for browsers, with nothing but its usual settings, and run in Chromium: in the page and in a worker. */
function browsers() {
  const builds = {
    esbuild: {
      packages: ['esbuild'],
      commands: [['esbuild', 'app.mjs', '--bundle', '--minify', '--format=esm', '--outfile=out/app.js']],
    },
    webpack: {
      packages: ['webpack@5', 'webpack-cli@6'],
      files: {
        'webpack.config.cjs':
          "module.exports = { mode: 'production', entry: './app.mjs', output: { path: __dirname + '/out', filename: 'app.js' } };",
      },
      commands: [['webpack']],
    },
    rollup: {
      // immer asks for process.env.NODE_ENV, which rollup leaves as it is.
      packages: [
        'rollup',
        ...['node-resolve', 'commonjs', 'replace'].map((name) => `@rollup/plugin-${name}`),
      ],
      files: {
        'rollup.config.mjs': `
import resolve from '@rollup/plugin-node-resolve';
import commonjs from '@rollup/plugin-commonjs';
import replace from '@rollup/plugin-replace';
export default { input: 'app.mjs', output: { file: 'out/app.js', format: 'es' }, plugins: [resolve({ browser: true }), commonjs(), replace({ 'process.env.NODE_ENV': '"production"', preventAssignment: true })] };`,
      },
      commands: [['rollup', '-c']],
    },
    vite: {
      packages: ['vite@7'],
      files: {
        'vite.config.mjs':
          "export default { define: { 'process.env.NODE_ENV': '\"production\"' }, build: { outDir: 'out', lib: { entry: 'app.mjs', formats: ['es'], fileName: () => 'app.js' } } };",
      },
      commands: [['vite', 'build']],
    },
  };
  return Object.entries(builds).map(([tool, { packages, files = {}, commands }]) => ({
    tool: 'chromium',
    form: `${tool}, page and web worker`,
    isMain: tool === 'esbuild',
    async go(folder) {
      await install(folder, ...packages);
      write(folder, {
        ...files,
        'app.mjs': `
import { lowdbStore } from 'millrace';
import { InvalidArgumentError } from 'millrace/errors';
${exported.replace('export { main };', '')}
async function absent() {
  const refused = await Promise.resolve('runs').then(lowdbStore).catch((error) => error);
  if (!(refused instanceof InvalidArgumentError)) throw refused;
}
absent().then(main).then((line) => { if (typeof document === 'undefined') postMessage(line); else document.title = line; });`,
      });
      for (const [command, ...args] of commands) await sh('npx', [command, ...args], folder);
      // Behind the build: some empty the folder first.
      write(folder, {
        'out/page.html': '<!doctype html><script type="module" src="app.js"></script>',
        'out/worker.html': `<!doctype html><script type="module">
          new Worker('app.js', { type: 'module' }).onmessage = ({ data }) => { document.title = data; };
        </script>`,
      });
      return inChromium(join(folder, 'out'), ['page.html', 'worker.html']);
    },
  }));
}

async function inChromium(folder, pages) {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
    (path) => existsSync(path),
  );
  if (executablePath === undefined)
    throw new Error('no Chromium: apt-get update && apt-get install chromium');
  const { chromium } = await import('playwright-core');
  const mime = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer((request, response) => {
    const file = join(folder, request.url.slice(1));
    response.writeHead(existsSync(file) ? 200 : 404, { 'content-type': mime[extname(file)] ?? 'text/plain' });
    response.end(existsSync(file) ? readFileSync(file) : '');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'], timeout: 120_000 });
  try {
    for (const name of pages) {
      const page = await browser.newPage();
      page.setDefaultTimeout(120_000);
      const problems = [];
      page.on('pageerror', (error) => problems.push(error.message));
      page.on('console', (message) => problems.push(message.text()));
      await page.goto(`http://127.0.0.1:${String(server.address().port)}/${name}`);
      await page
        .waitForFunction('document.title.length > 0', undefined, { timeout: 120_000 })
        .catch(() => undefined);
      const title = await page.title();
      if (!title.includes(EXPECTED)) throw new Error(`${name}: ${title} ${problems.join('\n')}`);
    }
    return EXPECTED;
  } finally {
    await browser.close();
    server.close();
  }
}
