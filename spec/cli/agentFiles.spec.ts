import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { millrace, millraceJson, project } from './support/typed';

const root = join(__dirname, '../..');

/** More than Node can strip: an enum, and an import without an extension. */
const SIZES = `
import { agent, workflow } from 'millrace';
import type { Wire } from 'millrace';
import { half } from './half';
enum Size { Small = 1, Large }
const count = agent('count', (n: number): number => n * Size.Large);
export const sizes = workflow('sizes', (input: Wire<number>, step) => step('half', half, step('count', count, input)));
`;
const HALF = `
import { agent } from 'millrace';
export const half = agent('half', (n: number): number => n / 2);
`;
/** What Node can strip by itself. */
const PLAIN = `
import { agent } from 'millrace';
export const twice = agent('twice', (n: number): number => n * 2);
`;

const { platform, arch } = process;
const nodePackage = `node-${platform === 'win32' ? 'win' : platform}-${arch}`;

/** Another version of Node, as `npm run on-node` gets it; undefined where none can be had. */
function nodeOf(version: number): string | undefined {
  const folder = join(tmpdir(), `millrace-${nodePackage}-${version}`);
  const binary = join(folder, 'node_modules', nodePackage, 'bin/node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const spec = `${nodePackage}@${version}`;
    spawnSync('npm', ['install', '--ignore-scripts', '--no-save', '--prefix', folder, spec], {
      timeout: 250_000,
    });
  }
  if (existsSync(binary)) return binary;
  if (process.env['CI'] !== undefined) throw new Error(`Cannot get Node ${version}`);
  console.warn(`skipped: Node ${version} cannot be had`);
  return undefined;
}

describe('files with agents', () => {
  let cwd: string;
  let remove: () => void;

  beforeEach(() => {
    ({ folder: cwd, remove } = project());
    writeFileSync(join(cwd, 'sizes.ts'), SIZES);
    writeFileSync(join(cwd, 'half.ts'), HALF);
    writeFileSync(join(cwd, 'plain.ts'), PLAIN);
    writeFileSync(join(cwd, 'package.json'), '{}');
  });
  afterEach(() => {
    remove();
  });
  const install = (...names: string[]): void => {
    for (const name of names)
      symlinkSync(join(root, 'node_modules', name), join(cwd, 'node_modules', name), 'dir');
  };
  const sized = (...more: string[]) =>
    millrace(['run', 'sizes', '5', '--agents', './sizes.ts', ...more], { cwd });

  it.each([['tsx'], ['jiti'], ['ts-node', 'typescript']])(
    'in TypeScript with an enum are loaded by %s of the project',
    (...names) => {
      install(...names);

      expect(sized()).toMatchObject({ stdout: '5\n', exit: 0 });
    },
  );

  it.each([['tsx'], ['jiti']])('in TypeScript that are ES modules are loaded by %s', (name) => {
    install(name);
    writeFileSync(join(cwd, 'package.json'), '{"type":"module"}');

    expect(sized()).toMatchObject({ stdout: '5\n', exit: 0 });
  });

  it.each([
    ['{ "compilerOptions": { "module": "nodenext", "target": "es2022" } }'],
    ['{ "compilerOptions": { "module": "esnext", "moduleResolution": "bundler", "strict": true } }'],
  ])('are loaded by ts-node beside the tsconfig %s', (tsconfig) => {
    install('ts-node', 'typescript');
    writeFileSync(join(cwd, 'tsconfig.json'), tsconfig);

    expect(sized()).toMatchObject({ stdout: '5\n', exit: 0 });
  });

  it('stand in the stack of an error by their names, also where tsx hands Node their whole text', () => {
    install('tsx');
    writeFileSync(
      join(cwd, 'bad.ts'),
      `import { agent } from 'millrace';
       export const bad = agent('bad', (n: number): number => { throw new Error('card refused ' + n); });`,
    );
    millrace(['run', 'bad', '5', '--agents', './bad.ts', '--id', 'b'], { cwd });

    const { stdout } = millrace(['show', 'b', '--step', 'bad'], { cwd });
    expect(stdout).toContain(`\n  at ${join(cwd, 'bad.ts')}\n`);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThan(130);
  });

  it('are not blamed where ts-node does not start with the TypeScript that is there: exit 69 with what to install', () => {
    install('ts-node');
    const compiler = join(cwd, 'node_modules/typescript');
    mkdirSync(compiler);
    // All that TypeScript 7 exports under its name.
    writeFileSync(
      join(compiler, 'package.json'),
      '{ "version": "7.0.2", "exports": { ".": "./version.cjs", "./package.json": "./package.json" } }',
    );
    writeFileSync(join(compiler, 'version.cjs'), `exports.version = '7.0.2';`);

    const { stderr, exit } = sized();
    expect(exit).toBe(69);
    expect(stderr).toMatch(
      /its loader ts-node 10\.\S+ does not start with TypeScript 7\.0\.2: .*\n {2}the file may be right: install another loader, npm i -D tsx\n$/,
    );
    install('tsx');
    expect(sized()).toMatchObject({ stdout: '5\n', exit: 0 });
  });

  it('in TypeScript need one of them on Node 20: exit 69 with the line to install', () => {
    const { stdout, stderr, exit } = sized();

    expect({ stdout, exit }).toEqual({ stdout: '', exit: 69 });
    expect(stderr).toContain('install one: npm i -D jiti');
  });

  it.each([22, 24])('that Node %i reads by itself need nothing', (version) => {
    const node = nodeOf(version);
    if (node === undefined) return;

    expect(millrace(['run', 'twice', '4', '--agents', './plain.ts'], { cwd, node })).toMatchObject({
      stdout: '8\n',
      exit: 0,
    });
    expect(millrace(['run', 'sizes', '4', '--agents', './sizes.ts'], { cwd, node }).exit).toBe(69);
    install('jiti');
    expect(millrace(['run', 'sizes', '4', '--agents', './sizes.ts'], { cwd, node })).toMatchObject({
      stdout: '4\n',
      exit: 0,
    });
  });

  it('in JavaScript are loaded as they are, as ES modules or CommonJS', () => {
    writeFileSync(
      join(cwd, 'a.mjs'),
      `import { agent } from 'millrace'; export const a = agent('a', () => 'esm');`,
    );
    writeFileSync(
      join(cwd, 'b.cjs'),
      `const { agent } = require('millrace'); exports.b = agent('b', () => 'cjs');`,
    );

    const agents = ['--agents', './a.mjs', '--agents', './b.cjs'];
    expect(millrace(['run', 'a', ...agents], { cwd }).stdout).toBe('"esm"\n');
    expect(millrace(['run', 'b', ...agents], { cwd }).stdout).toBe('"cjs"\n');
  });

  it('are named by the configuration of a folder above, which may hold agents itself', () => {
    writeFileSync(
      join(cwd, 'a.mjs'),
      `import { agent } from 'millrace'; export const a = agent('a', () => 'named');`,
    );
    writeFileSync(
      join(cwd, 'millrace.config.mjs'),
      `import { agent } from 'millrace';
       export default { store: './runs', agents: ['./a.mjs', agent('b', () => 'held')] };`,
    );
    mkdirSync(join(cwd, 'deep/er'), { recursive: true });
    const below = { cwd: join(cwd, 'deep/er') };

    expect(millrace(['run', 'a'], below).stdout).toBe('"named"\n');
    expect(millrace(['run', 'b'], below).stdout).toBe('"held"\n');
    expect(existsSync(join(cwd, 'runs/history.json'))).toBe(true);
    writeFileSync(join(cwd, 'millrace.config.mjs'), 'export default 5');
    expect(millraceJson(['list'], below)).toMatchObject({
      exit: 64,
      json: { error: { code: 'CONFIG_UNREADABLE' } },
    });
  });

  it.each([
    ['throws', `throw new Error('no database')`, 'AGENTS_UNREADABLE', /no database/],
    ['is no JavaScript', 'export const = 5', 'AGENTS_UNREADABLE', /Cannot load/],
    ['exports none', 'export const five = 5', 'AGENTS_NEEDED', /exports no agent/],
    [
      'has two of one name',
      `import { agent } from 'millrace'; export const a = agent('a', () => 1); export const b = agent('a', () => 2);`,
      'USAGE',
      /two agents named "a"/,
    ],
  ])('are refused when one %s', (_what, text, code, message) => {
    writeFileSync(join(cwd, 'bad.mjs'), text);

    const { json, exit } = millraceJson(['run', 'a', '--agents', './bad.mjs'], { cwd });
    expect({ exit, code: json.error.code }).toEqual({ exit: code === 'USAGE' ? 64 : 69, code });
    expect(json.error.message).toMatch(message);
  });
});
