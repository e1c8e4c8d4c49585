// Runs an example without waiting for ts-node, which reads and checks every source first: node scripts/example.mjs examples/agent.ts
// The types of the examples are checked by `npm run types`.
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { compileFunction } from 'node:vm';
import { build } from 'esbuild';

const [, , path, ...rest] = process.argv;
const file = resolve(path);
const { outputFiles } = await build({
  entryPoints: [file],
  bundle: true,
  platform: 'node',
  target: 'node20',
  packages: 'external',
  write: false,
});
process.argv = [process.argv[0], file, ...rest];
const module = { exports: {} };
const names = ['require', 'module', 'exports', '__filename', '__dirname'];
const run = compileFunction(outputFiles[0].text, names, { filename: file });
run(createRequire(file), module, module.exports, file, dirname(file));
