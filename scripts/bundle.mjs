// Builds the JavaScript of the package; tsc has written the types. 200 small files took twice as long to load as one.
//
// CommonJS bundles cannot share parts, and two copies of a class would not know each other's objects. So the parts are made
// by hand (compile.mjs): core/01.js, core/02.js and so on hold the modules of all entries that have ES modules too, each
// once, and an entry takes one of them. The others are bundles that take from the parts what they need of them.
// winston and the like stay packages of their own, loaded when first used.
//
// Node takes these files for `require` and `import` alike. Bundlers take the ES modules of modules.mjs.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { build } from 'esbuild';

import bundled from './bundled.cjs';
import { compile, withoutGranted, namesOf, shortened } from './compile.mjs';
import { modules } from './modules.mjs';
import { buildPage } from './page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const inside = new RegExp(`^(${bundled.join('|')})(/|$)`);
const { exports, bin, peerDependencies, peerDependenciesMeta } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);
const isOptional = (name) => peerDependenciesMeta[name]?.optional === true;

// A thread runs in a world of its own: it shares nothing, and must not load what the others share.
const threads = ['adapters/workers/thread.ts'];

/**
 * @param {string} outdir - Where to, from the root of the project.
 * @param {readonly string[]} exposed - Modules to be reached besides those that the entries give away:
 *   `lib/store/folder/files/nodeFiles` as `require('core.js').lib_store_folder_files_nodeFiles`.
 * @returns What esbuild says that the files are made of, and the modules of the parts.
 */
export async function bundle(outdir, exposed = []) {
  const twice = entriesOf({ exports: Object.values(exports).filter((entry) => entry.module !== undefined) });
  const compiled = await compile([...twice, ...exposed.map((path) => `${path}.ts`)]);
  writeParts(outdir, compiled);
  for (const entry of twice) writeEntry(outdir, compiled, entry);
  if (exposed.length > 0) {
    const lines = exposed.map((path) => {
      const { name, part } = compiled.modules.get(`${path}.ts`);
      return `exports.${name} = require('./core/${part}.js').${name};`;
    });
    writeFileSync(join(root, outdir, 'core.js'), `'use strict';\n${lines.join('\n')}\n`);
  }
  const made = [];
  const others = entriesOf({ exports, bin }).filter((entry) => !compiled.modules.has(entry));
  for (const entry of others) {
    const plugins = threads.includes(entry) ? [] : [fromParts(entry, others, compiled)];
    const metafile = await bundleOne(outdir, [entry], { plugins: [...plugins, packagesOutside] });
    if (!threads.includes(entry)) made.push(metafile);
  }
  made.push(...[...compiled.vendors.values()].map(({ metafile }) => metafile));
  refuseCopies(made);
  return { made, compiled };
}

/** The sources of everything that package.json lets others load. */
function entriesOf({ exports, bin = {} }) {
  const paths = [...Object.values(exports).map((entry) => entry.default), ...Object.values(bin)];
  return [...new Set(paths.filter((path) => path?.endsWith('.js')))].map((path) =>
    path.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '.ts'),
  );
}

/** Writes each part: its modules one behind the other, in blocks of their own. */
function writeParts(outdir, { modules, parts, vendors }) {
  mkdirSync(join(root, outdir, 'core'), { recursive: true });
  parts.forEach(({ modules: own }) => {
    const needed = new Set();
    const of = (file) => {
      const { part, name } = modules.get(file);
      needed.add(part);
      return `$${part}.${name}`;
    };
    const blocks = own.map((module) => `{${block(module, modules, of, vendors)}}`);
    const { part } = own[0];
    needed.delete(part);
    const others = [...needed].sort().map((each) => `$${each}=require("./${each}.js")`);
    const heads = [`$${part}=exports`, ...others, DEFAULT];
    writeFileSync(
      join(root, outdir, 'core', `${part}.js`),
      `"use strict";const ${heads.join(',\n')};\n${blocks.join('\n')}\n`,
    );
  });
  mkdirSync(join(root, outdir, 'vendor'), { recursive: true });
  for (const { file, imports, body, exports: given } of vendors.values()) {
    const lines = imports.map((each) => imported(each, `require("${each.path}")`));
    writeFileSync(
      join(root, outdir, file),
      `"use strict";const ${DEFAULT};${lines.join('')}${body};\nmodule.exports={${given.map(([local, as]) => `${as}:${local}`).join(',')}};\n`,
    );
  }
}

const DEFAULT = '$default=m=>m&&m.__esModule?m.default:m';

function imported({ whole, local, names }, required) {
  if (whole === undefined) return `const{${renamed(names)}}=${required};`;
  return `const ${local}=${whole === '*' ? required : `$default(${required})`};`;
}

function block(module, modules, of, vendors) {
  const required = (path) => {
    if (path.startsWith('.')) return of(module.to(path));
    if (vendors.has(path)) return `require("../${vendors.get(path).file}")`;
    return isOptional(path) ? `(()=>{${requiredPeer(path, 'return')}})()` : `require("${path}")`;
  };
  const imports = withoutGranted(module.imports).map((each) => imported(each, required(each.path)));
  const forwards = module.forwards.map(({ path, names }) =>
    names === undefined
      ? `...${of(module.to(path))}`
      : names.map(([name, as]) => `${as}:${required(path)}.${name}`).join(','),
  );
  const given = module.exports.map(([local, as]) => (local === as ? as : `${as}:${local}`));
  const body = module.body
    .replaceAll(/\brequire\("(\.[^"]+)"\)/g, (_, path) => {
      const { part, name } = modules.get(module.to(path));
      return `require("./${part}.js").${name}`;
    })
    .replaceAll(/\brequire\.resolve\("(\.[^"]+)"\)/g, (_, path) => {
      const file = relative(root, resolve(root, dirname(module.file), path));
      return `require.resolve("../${file}.js")`;
    });
  return `${imports.join('')}${body};\n$${module.part}.${module.name}={${[...forwards, ...given].filter((each) => each !== '').join(',')}};`;
}

const renamed = (names) => names.map(([name, as]) => (name === as ? as : `${name}:${as}`)).join(',');

/** Node finds the names for `import { name } from 'millrace'` by reading this file, not by running it. */
function writeEntry(outdir, { modules }, entry) {
  const module = modules.get(entry);
  const file = join(root, outdir, entry.replace(/ts$/, 'js'));
  mkdirSync(dirname(file), { recursive: true });
  const toRoot = relative(dirname(entry), '.') || '.';
  writeFileSync(
    file,
    `'use strict';
module.exports = require('${toRoot}/core/${module.part}.js').${module.name};
0 && (module.exports = { ${namesOf(module, modules).join(', ')} });\n`,
  );
}

async function bundleOne(outdir, entryPoints, options) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints,
    outbase: '.',
    outdir,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    metafile: true,
    write: false,
    ...options,
  });
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    const isScript = text.startsWith('#!');
    // What only speaks of `export default`, publint takes for an ES module unless something says that it is none.
    const end = isScript ? '\nmodule.exports;\n' : '';
    writeFileSync(path, (await shortened(text)) + end, { mode: isScript ? 0o755 : 0o644 });
  }
  return metafile;
}

const packagesOutside = {
  name: 'packages outside, but those that are bundled',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^.]/ }, ({ path, kind, importer, namespace }) => {
      if (kind === 'entry-point' || inside.test(path) || importer.includes('node_modules')) return undefined;
      return isOptional(path) && namespace !== 'peer'
        ? { path, namespace: 'peer' }
        : { path, external: true };
    });
    onLoad({ filter: /.*/, namespace: 'peer' }, ({ path }) => ({
      contents: requiredPeer(path, 'module.exports ='),
      resolveDir: root,
    }));
  },
};

/** Loads a package that not everybody has; without it, an error says what to install. */
function requiredPeer(name, given) {
  const wanted = `${name}@${peerDependencies[name]}`;
  const missing = `Cannot load this part of millrace: ${name} is not installed; npm install "${wanted}"`;
  return `try {
  ${given} require('${name}');
} catch (error) {
  if (error.code !== 'MODULE_NOT_FOUND' || !error.message.includes("'${name}'")) throw error;
  throw Object.assign(new Error(${JSON.stringify(missing)}, { cause: error }), { code: error.code });
}`;
}

/** What a bundle imports of the modules of the parts it takes from there, and of other bundles from their files. */
function fromParts(entry, others, { modules }) {
  const toRoot = relative(dirname(entry), '.') || '.';
  return {
    name: 'from parts',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, importer, namespace }) => {
        if (namespace === 'part') return { path, external: true };
        if (namespace !== 'file') return undefined;
        const file = relative(root, `${resolve(dirname(importer), path)}.ts`);
        if (modules.has(file)) return { path: file, namespace: 'part' };
        if (file !== entry && others.includes(file))
          return { path: `${toRoot}/${file.replace(/\.ts$/, '.js')}`, external: true };
        return undefined;
      });
      onLoad({ filter: /.*/, namespace: 'part' }, ({ path }) => {
        const { part, name } = modules.get(path);
        return {
          contents: `module.exports = require('${toRoot}/core/${part}.js').${name};`,
          resolveDir: root,
        };
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
      if (/^(part|peer):/.test(file)) continue;
      if (seen.has(file))
        throw new Error(`Cannot bundle ${file} twice: its objects would not know each other`);
      seen.add(file);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { made, compiled } = await bundle('dist');
  made.push(await modules('dist/esm', compiled));
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
