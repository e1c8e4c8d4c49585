// Runs a tool of this project on another version of Node, whose binary comes from npm and stays outside the project.
//
//   npm run on-node -- 22 jest spec/lib spec/operators
//   npm run on-node -- 24 jest --config jest.engine.config.js
//   npm run on-node -- 22 ./bench/coming-from/measure.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const [version = '', tool = '', ...args] = process.argv.slice(2);
if (!/^\d+(\.\d+){0,2}$/.test(version) || tool === '') {
  console.error('How to use it: npm run on-node -- <version of Node> <tool or ./script> [arguments]');
  process.exit(2);
}

const { platform, arch } = process;
const name = `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
const folder = join(tmpdir(), `millrace-${name}-${version}`);
const binary = join(folder, 'node_modules', name, 'bin', platform === 'win32' ? 'node.exe' : 'node');
if (!existsSync(binary)) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const spec = `${name}@${version}`;
  // The package is the binary and nothing else, so no script of it has to run.
  const { status } = spawnSync(
    'npm',
    ['install', '--ignore-scripts', '--no-save', '--prefix', folder, spec],
    {
      stdio: 'inherit',
      shell: platform === 'win32',
    },
  );
  if (status !== 0) process.exit(status ?? 1);
}

const script = tool.startsWith('.') ? tool : scriptOf(tool);
console.log(`Node ${spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
const { status } = spawnSync(binary, [script, ...args], { stdio: 'inherit' });
process.exit(status ?? 1);

/** What a package of this project runs. */
function scriptOf(name) {
  const require = createRequire(import.meta.url);
  const { bin } = require(`${name}/package.json`);
  const folder = dirname(require.resolve(`${name}/package.json`));
  return join(folder, typeof bin === 'string' ? bin : Object.values(bin)[0]);
}
