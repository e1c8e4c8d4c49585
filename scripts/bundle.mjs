// Builds the JavaScript of the package; tsc has written the types. One file for each source would take much longer to load.
//
// CommonJS bundles cannot share parts, and two copies of a class would not know each other's objects. So the parts are cut
// by hand (compile.mjs): core/01.js, core/02.js and so on hold the modules of all entries that have ES modules too, each
// once, and an entry takes from them what it exports. The others are bundles that take from the parts what they need.
// winston and the like stay packages of their own, loaded when first used.
//
// Node takes these files for `require` and `import` alike. Bundlers take the ES modules of modules.mjs.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { build } from 'esbuild';

import bundled from './bundled.cjs';
import { compile, isPart, listed, originsOf, shortened, withoutGranted } from './compile.mjs';
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
 * @param {readonly string[]} exposed - Modules to be reached besides those that the entries export:
 *   those of `lib/store/folder/files/nodeFiles` are in `require('core.js').lib_store_folder_files_nodeFiles`.
 * @returns What esbuild says that the files are made of, what was compiled, and `twice`, the entries that have ES modules too.
 */
export async function bundle(outdir, exposed = []) {
  const twice = entriesOf({ exports: Object.values(exports).filter((entry) => entry.module !== undefined) });
  const compiled = await compile([...twice, ...exposed.map((path) => `${path}.ts`)]);
  writeParts(outdir, compiled);
  for (const entry of twice) writeEntry(outdir, compiled, entry);
  if (exposed.length > 0) {
    const lines = exposed.map((path) => {
      const { name, part } = compiled.modules.get(`${path}.ts`);
      return `exports.${name} = require('./core/${part}.js');`;
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
  return { made, compiled, twice };
}

/** The sources of everything that package.json lets others load. */
function entriesOf({ exports, bin = {} }) {
  const paths = [...Object.values(exports).map((entry) => entry.default), ...Object.values(bin)];
  return [...new Set(paths.filter((path) => path?.endsWith('.js')))].map((path) =>
    path.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '.ts'),
  );
}

/** Writes each part, and the packages that are brought along. */
function writeParts(outdir, { modules, parts, vendors }) {
  mkdirSync(join(root, outdir, 'core'), { recursive: true });
  for (const { part, imports, body, exports: given } of parts) {
    const required = (path) => {
      if (path.startsWith('.')) return `require("${path}")`;
      if (vendors.has(path)) return `require("../${vendors.get(path).file}")`;
      return isOptional(path) ? `(()=>{${requiredPeer(path, 'return')}})()` : `require("${path}")`;
    };
    const heads = withoutGranted(imports).map((each) => imported(each, required(each.path)));
    const text = body
      .replaceAll(/\$later\("([^"]+)"\)/g, (_, path) => {
        const its = modules.get(path)?.part;
        return required(its === undefined ? path : `./${its}.js`);
      })
      .replaceAll(/\$placed\("([^"]+)\.ts"\)/g, (_, path) => `require.resolve("../${path}.js")`);
    writeFileSync(
      join(root, outdir, 'core', `${part}.js`),
      `"use strict";const ${DEFAULT};${heads.join('')}${text}\nmodule.exports={${named(given)}};\n`,
    );
  }
  mkdirSync(join(root, outdir, 'vendor'), { recursive: true });
  for (const { file, imports, body, exports: given } of vendors.values()) {
    const lines = imports.map((each) => imported(each, `require("${each.path}")`));
    writeFileSync(
      join(root, outdir, file),
      `"use strict";const ${DEFAULT};${lines.join('')}${body};\nmodule.exports={${named(given)}};\n`,
    );
  }
}

const DEFAULT = '$default=m=>m&&m.__esModule?m.default:m';

function imported({ whole, local, names }, required) {
  if (whole === undefined) return `const{${renamed(names)}}=${required};`;
  return `const ${local}=${whole === '*' ? required : `$default(${required})`};`;
}

const renamed = (names) => names.map(([name, as]) => (name === as ? as : `${name}:${as}`)).join(',');
const named = (names) => renamed(names.map(([local, as]) => [as, local]));

/** Node finds the names for `import { name } from 'millrace'` by reading this file, not by running it. */
function writeEntry(outdir, { modules }, entry) {
  const file = join(root, outdir, entry.replace(/ts$/, 'js'));
  mkdirSync(dirname(file), { recursive: true });
  const origins = [...originsOf(modules.get(entry), modules)];
  const toCore = `${relative(dirname(entry), '.') || '.'}/core`;
  const lines = origins.map(
    ([from, names]) => `const{${renamed(names)}}=require('${isPart(from) ? `${toCore}/${from}.js` : from}');`,
  );
  const given = origins.flatMap(([, names]) => names.map(([, as]) => as)).sort();
  writeFileSync(file, `'use strict';\n${lines.join('\n')}\nmodule.exports={${given.join(',')}};\n`);
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

/** Packages that one part needs: whoever lacks one of them is told of all. */
const TOGETHER = ['@restatedev/restate-sdk', 'undici'];

/** Loads a package that not everybody has; without it, an error says what to install. */
function requiredPeer(name, given) {
  const needed = TOGETHER.includes(name) ? TOGETHER : [name];
  const wanted = needed.map((one) => `"${one}@${peerDependencies[one]}"`).join(' ');
  const missing = `Cannot load this part of millrace: ${name} is not installed; npm install ${wanted}`;
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
      onLoad({ filter: /.*/, namespace: 'part' }, ({ path }) => ({
        contents: [...originsOf(modules.get(path), modules)]
          .map(
            ([from, names]) =>
              `export{${listed(names)}}from"${isPart(from) ? `${toRoot}/core/${from}.js` : from}";`,
          )
          .join('\n'),
        resolveDir: root,
      }));
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
  const { made, compiled, twice } = await bundle('dist');
  made.push(await modules('dist/esm', compiled, twice));
  made.push((await buildPage('dist/inspector/page/built')).metafile);
  writeNotices('dist', made);
  // The specs of the command line need no types: they are bundled without, or beside those that are rolled up already.
  if (existsSync(join(root, 'dist/index.d.ts')) && !existsSync(join(root, 'dist/types'))) {
    const { rollTypesUp } = await import('./types.mjs');
    const leak = new RegExp(`from ["'](${bundled.join('|')})["'/]`);
    const leaks = (await rollTypesUp('dist')).flatMap((text) => leak.exec(text)?.[1] ?? []);
    if (leaks.length > 0)
      throw new Error(`Cannot publish types of what is bundled, nobody has those: ${leaks.join(', ')}`);
  }
}
