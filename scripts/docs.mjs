// Writes the reference of every name, the guides and a search that works offline into site/: npm run docs
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';

import { Application } from 'typedoc';

const root = fileURLToPath(new URL('..', import.meta.url));
const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const sources = Object.entries(entries)
  .filter(([, { types }]) => types !== undefined)
  .map(([name, { types }]) => [
    name.replace('.', 'millrace'),
    types.replace('./dist/', '').replace('.d.ts', '.ts'),
  ]);
const entryPoints = sources.map(([, source]) => join(root, source));

const app = await Application.bootstrapWithPlugins({ options: root, entryPoints });
const project = await app.convert();
if (project === undefined || app.logger.hasErrors()) process.exit(1);
// By the names under which they are imported.
const names = new Map(sources.map(([name, source]) => [source.replace(/(\/index)?\.ts$/, ''), name]));
for (const module of project.children ?? []) module.name = names.get(module.name) ?? module.name;
await app.generateOutputs(project);
process.exitCode = app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0;
