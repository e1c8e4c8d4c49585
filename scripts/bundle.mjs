// Builds the JavaScript of the package; tsc has written the types. 200 small files took twice as long to load as one.
//
// CommonJS bundles cannot share parts, and two copies of a class would not know each other's objects. So all that is ours
// below the entries (index, lib, operators) is one file, core.js, and every entry takes from there what it needs of it.
// winston and the like stay packages of their own, loaded when first used.
//
// Node takes these files for `require` and `import` alike. Bundlers take the ES modules of modules.mjs.
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { build } from 'esbuild';

import bundled from './bundled.cjs';
import { modules } from './modules.mjs';
import { buildPage } from './page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const inside = new RegExp(`^(${bundled.join('|')})(/|$)`);
const { exports, bin, peerDependencies, peerDependenciesMeta } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);
const isCore = (file) => /^(index\.ts$|(lib|operators)\/)/.test(file);

// A thread runs in a world of its own: it shares nothing, and must not load all of core.js.
const threads = ['adapters/workers/thread.ts'];

/**
 * @param {string} outdir - Where to, from the root of the project.
 * @param {readonly string[]} exposed - Modules of core.js to be reached besides those that the entries need:
 *   `lib/store/folder/files/nodeFiles` as `require('core.js').lib_store_folder_files_nodeFiles`.
 */
export async function bundle(outdir, exposed = []) {
  const shared = new Set(exposed);
  const entries = entriesOf({ exports, bin });
  const others = entries.filter((entry) => entry !== 'index.ts' && !threads.includes(entry));
  const made = [];
  for (const entry of others) made.push(await bundleOne(outdir, entry, [fromCore(entry, entries, shared)]));
  for (const entry of threads) await bundleOne(outdir, entry, []);
  made.push(await bundleCore(outdir, [...shared].sort()));
  refuseCopies(made);
  await writeIndex(outdir);
  return made;
}

/** The sources of everything that package.json lets others load. */
function entriesOf({ exports, bin = {} }) {
  const paths = [...Object.values(exports).map((entry) => entry.default), ...Object.values(bin)];
  return [...new Set(paths.filter((path) => path?.endsWith('.js')))].map((path) =>
    path.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '.ts'),
  );
}

const options = (outdir, plugins) => ({
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  metafile: true,
  // Names and lines stay, for stack traces; the types have the comments.
  minifyWhitespace: true,
  lineLimit: 120,
  legalComments: 'none',
  outdir,
  plugins: [...plugins, packagesOutside],
});

async function bundleOne(outdir, entry, plugins) {
  const { metafile } = await build({ ...options(outdir, plugins), entryPoints: [entry], outbase: '.' });
  return metafile;
}

async function bundleCore(outdir, modules) {
  const lines = modules.map((path) => `export * as ${nameOf(path)} from './${path}';`);
  const contents = ["export * as index from './index';", ...lines].join('\n');
  const { metafile } = await build({
    ...options(outdir, []),
    stdin: { contents, resolveDir: root, sourcefile: 'core.ts' },
    entryNames: 'core',
  });
  return metafile;
}

/** Node finds the names for `import { name } from 'millrace'` by reading this file, not by running it. */
async function writeIndex(outdir) {
  const { metafile } = await build({
    ...options(outdir, []),
    entryPoints: ['index.ts'],
    format: 'esm',
    write: false,
  });
  const names = Object.values(metafile.outputs).flatMap((output) => output.exports ?? []);
  const annotation = `0 && (module.exports = { ${names.join(', ')} });`;
  writeFileSync(
    join(root, outdir, 'index.js'),
    `'use strict';\nmodule.exports = require('./core.js').index;\n${annotation}\n`,
  );
}

const nameOf = (path) => path.replaceAll(/[^A-Za-z0-9]/g, '_');

const packagesOutside = {
  name: 'packages outside, but those that are bundled',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^.]/ }, ({ path, kind, importer, namespace }) => {
      if (kind === 'entry-point' || inside.test(path) || importer.includes('node_modules')) return undefined;
      const isOptional = peerDependenciesMeta[path]?.optional === true && namespace !== 'peer';
      return isOptional ? { path, namespace: 'peer' } : { path, external: true };
    });
    onLoad({ filter: /.*/, namespace: 'peer' }, ({ path }) => ({
      contents: requiredPeer(path),
      resolveDir: root,
    }));
  },
};

/** Loads a package that not everybody has; without it, an error says what to install. */
function requiredPeer(name) {
  const wanted = `${name}@${peerDependencies[name]}`;
  const missing = `Cannot load this part of millrace: ${name} is not installed; npm install "${wanted}"`;
  return `try {
  module.exports = require('${name}');
} catch (error) {
  if (error.code !== 'MODULE_NOT_FOUND' || !error.message.includes("'${name}'")) throw error;
  throw Object.assign(new Error(${JSON.stringify(missing)}, { cause: error }), { code: error.code });
}`;
}

/** What an entry imports of the core it takes from core.js, and of other entries from their files. */
function fromCore(entry, entries, shared) {
  const toRoot = `${relative(dirname(entry), '.') || '.'}/`;
  return {
    name: 'from core',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, kind, importer, namespace }) => {
        if (namespace !== 'file') return undefined;
        // A file that is loaded by its path, such as that of a thread.
        if (kind === 'require-resolve') return { path, external: true };
        const file = relative(root, `${resolve(dirname(importer), path)}.ts`);
        if (isCore(file) && existsSync(join(root, file)))
          return { path: file.replace(/\.ts$/, ''), namespace: 'core' };
        if (file !== entry && entries.includes(file))
          return { path: `${toRoot}${file.replace(/\.ts$/, '.js')}`, external: true };
        return undefined;
      });
      onResolve({ filter: /^core:$/ }, () => ({ path: `${toRoot}core.js`, external: true }));
      onLoad({ filter: /.*/, namespace: 'core' }, ({ path }) => {
        if (path !== 'index') shared.add(path);
        return { contents: `module.exports = require('core:').${nameOf(path)};`, resolveDir: root };
      });
    },
  };
}

/** Whoever bundles the code of others passes their licences on. */
function writeNotices(outdir, metafiles) {
  const files = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const packages = new Set(
    files.map((file) => /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]),
  );
  packages.delete(undefined);
  const notices = [...packages].sort().map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    if (file === undefined) throw new Error(`Cannot bundle ${name}: it has no file with its licence`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  const head = 'Parts of these packages are inside the files of this one.\n';
  writeFileSync(
    join(root, outdir, 'THIRD-PARTY-NOTICES.txt'),
    [head, ...notices].join(`\n${'-'.repeat(78)}\n\n`),
  );
}

/** Removes the types that no entry leads to; returns the files of the others. */
function reachedTypes() {
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:\bfrom |\bimport\()['"](\.[^'"]+)['"]/g))
      visit(`${resolve(dirname(file), path)}.d.ts`);
  };
  for (const { types } of Object.values(exports)) if (types !== undefined) visit(join(root, types));
  for (const name of readdirSync(join(root, 'dist'), { recursive: true })) {
    const file = join(root, 'dist', name);
    if (name.endsWith('.d.ts') && !reached.has(file)) rmSync(file);
  }
  return [...reached];
}

function refuseCopies(metafiles) {
  const seen = new Set();
  for (const { inputs } of metafiles) {
    for (const file of Object.keys(inputs)) {
      if (/^(core|peer):|^<stdin>|core\.ts$/.test(file)) continue;
      if (seen.has(file))
        throw new Error(`Cannot bundle ${file} twice: its objects would not know each other`);
      seen.add(file);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = await bundle('dist');
  const forBundlers = Object.values(exports).filter((entry) => entry.module !== undefined);
  made.push(...(await modules('dist/esm', entriesOf({ exports: forBundlers }))));
  made.push((await buildPage('dist/inspector/page/built')).metafile);
  writeNotices('dist', made);
  // The specs of the command line need no types: they are bundled without.
  const typed = existsSync(join(root, 'dist/index.d.ts')) ? reachedTypes() : [];
  const leaks = typed.filter((file) =>
    new RegExp(`from ["'](${bundled.join('|')})["'/]`).test(readFileSync(file, 'utf8')),
  );
  if (leaks.length > 0) {
    throw new Error(`Cannot publish types of what is bundled, nobody has those: ${leaks.join(', ')}`);
  }
}
