// Builds the ES modules of the package, one for each source file, for bundlers: they take what is used and leave the rest.
// Node itself takes the CommonJS files for `import` and `require` alike, so that a process has one copy of every class.
//
// What the modules ask of Node they take from files of dist/esm/node. To a bundler for browsers the `browser` field of
// dist/esm/package.json gives what adapters/browser has in their stead, and where there is nothing, functions that say so
// when they are called.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { builtinModules } from 'node:module';
import { build } from 'esbuild';

import bundled from './bundled.cjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const stead = 'adapters/browser';
// A thread is loaded by its path, as CommonJS.
const ownWorlds = new Set(['adapters/workers/thread.ts']);
const inside = new RegExp(`^(${bundled.join('|')})(/|$)`);
// Packages that are of no use without the files of Node.
const onlyNode = new Set(['winston', 'write-file-atomic']);

/**
 * @param {string} outdir - Where to, from the root of the project.
 * @param {readonly string[]} entries - Sources that others may import.
 */
export async function modules(outdir, entries) {
  const asked = new Map();
  const vendors = new Set();
  const sources = reachedFrom([...entries, `${stead}/missing.ts`]);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: sources,
    outbase: '.',
    outdir,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    minify: true,
    metafile: true,
    plugins: [oneByOne(asked, vendors)],
  });
  const packed = await packVendors(outdir, vendors, asked);
  const stood = await standIns(outdir, asked);
  nodeItself(outdir, asked);
  writeFileSync(
    join(root, outdir, 'package.json'),
    `${JSON.stringify({ type: 'module', sideEffects: false, browser: insteadOf(asked) }, null, 2)}\n`,
  );
  return [metafile, packed, stood];
}

/** Every source file that these import, types left out. */
function reachedFrom(entries) {
  const found = new Set();
  const visit = (file) => {
    if (found.has(file) || ownWorlds.has(file)) return;
    found.add(file);
    for (const path of importedBy(readFileSync(join(root, file), 'utf8')))
      visit(`${relative(root, resolve(root, dirname(file), path))}.ts`);
  };
  entries.forEach(visit);
  return [...found];
}

function importedBy(text) {
  const from = text.matchAll(/^(?:import|export)(?! type)[^;]*? from '(\.[^']+)';/gms);
  const required = text.matchAll(/require\('(\.[^']+)'\)/g);
  return [...from, ...required].map(([, path]) => path);
}

/** Leaves every import where it is, and notes what is asked of Node, and which packages have to be brought along. */
function oneByOne(asked, vendors) {
  return {
    name: 'one by one',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /.*/ }, ({ path, kind, importer }) => {
        if (kind === 'entry-point') return undefined;
        const up = relative(dirname(relative(root, importer)), '.') || '.';
        if (ofNode(path) !== undefined) return askNode(path, asked, up);
        if (path.startsWith('.')) return { ...outside, path: `${path}.js` };
        if (inside.test(path)) {
          vendors.add(path);
          return { ...outside, path: `${up}/vendor/${fileOf(path)}.js` };
        }
        // Side by side with the CommonJS files lie ES modules, of which bundlers take only what is used.
        return { ...outside, path: path.replace(/^fp-ts\/lib\/(.*)$/, 'fp-ts/es6/$1.js') };
      });
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        const addressed = byAddress(text, relative(root, path));
        const needed = addressed === text ? '' : "import { fileURLToPath as addressToPath } from 'node:url';";
        const contents = importedAtOnce(needed + takenForGranted(addressed) + addressed);
        noteNames(contents, asked);
        return { loader: 'ts', contents };
      });
    },
  };
}

const outside = { external: true, sideEffects: false };
const ofNode = (path) =>
  onlyNode.has(path) || builtinModules.includes(path) ? path : /^node:(.*)$/.exec(path)?.[1];
const fileOf = (path) => path.replace(/\.js$/, '').replaceAll('/', '-');

function askNode(path, asked, up) {
  if (!asked.has(ofNode(path))) asked.set(ofNode(path), new Set());
  return { ...outside, path: `${up}/node/${fileOf(ofNode(path))}.js` };
}

/** Imports what a source takes for granted where Node is; an import that nobody uses is left out of what is made of it. */
function takenForGranted(text) {
  const given = {
    process: "import process from 'node:process'; ",
    Buffer: "import { Buffer } from 'node:buffer'; ",
  };
  return Object.entries(given)
    .map(([name, line]) =>
      new RegExp(`^import [^;]*\\b${name}\\b[^;]*;`, 'm').test(text) ||
      !new RegExp(`\\b${name}\\b`).test(text)
        ? ''
        : line,
    )
    .join('');
}

/** Which names a source takes from modules of Node; `*` where it takes a whole one. */
function noteNames(text, asked) {
  for (const [, clause, path] of text.matchAll(/\bimport (?!type )([^;'"]*?) from '([^']+)'/g)) {
    const name = ofNode(path);
    if (name === undefined) continue;
    const names = asked.get(name) ?? new Set();
    asked.set(name, names);
    if (clause.startsWith('*')) names.add('*');
    else if (!clause.startsWith('{')) names.add('default');
    for (const [, given] of clause.matchAll(/[{,]\s*(?!type )([\w$]+)/g)) names.add(given);
  }
}

/** Packages that are brought along: what they share is in files of its own. */
async function packVendors(outdir, vendors, asked) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...vendors].map((path) => ({ in: path, out: fileOf(path) })),
    outdir: join(outdir, 'vendor'),
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'module'],
    minify: true,
    legalComments: 'none',
    metafile: true,
    plugins: [
      {
        name: 'what is asked of Node',
        setup({ onResolve }) {
          onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
            if (kind === 'entry-point' || ofNode(path) === undefined) return undefined;
            const found = askNode(path, asked, '..');
            asked.get(ofNode(path)).add('*').add('default');
            return found;
          });
        },
      },
    ],
  });
  return metafile;
}

/** What CommonJS requires when it is first used, a bundler has to see at the top. */
function importedAtOnce(text) {
  const imports = [];
  const rest = text.replaceAll(/\brequire\('([^']+)'\)/g, (_, path) => {
    const name = `required${String(imports.length)}`;
    imports.push(`import ${path.startsWith('.') ? '* as ' : ''}${name} from '${path}';`);
    return name;
  });
  return `${imports.join(' ')}${rest}`;
}

/** Files that are loaded by their path lie among the CommonJS files. Bundlers know this form, and bring the file along. */
function byAddress(text, file) {
  return text.replaceAll(/\brequire\.resolve\('(\.[^']+)'\)/g, (_, path) => {
    const up = relative(dirname(join('dist/esm', file)), join('dist', dirname(file), path));
    return `addressToPath(new URL('${up}.js', import.meta.url))`;
  });
}

/** Writes what browsers get in the stead of each module of Node. */
async function standIns(outdir, asked) {
  const folder = join(outdir, 'browser');
  const names = [...asked.keys()].map((name) => [name, `${fileOf(name)}.ts`]);
  const written = new Set(readdirSync(join(root, stead)));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: names.filter(([, file]) => written.has(file)).map(([, file]) => `${stead}/${file}`),
    outbase: stead,
    outdir: folder,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    minify: true,
    legalComments: 'none',
    metafile: true,
  });
  for (const [name, file] of names) {
    const path = join(folder, file.replace(/ts$/, 'js'));
    const there = metafile.outputs[path]?.exports ?? [];
    const text = written.has(file) ? readFileSync(join(root, path), 'utf8') : '';
    const given = new Set(['default', ...Object.keys(await import(name))]);
    const missing = [...given].filter((key) => /^[A-Za-z_$][\w$]*$/.test(key) && !there.includes(key));
    writeFileSync(join(root, path), `${text}${missing.length === 0 ? '' : saying(name, missing)}`);
  }
  return metafile;
}

/** Functions that say, when they are called, that a browser has no such thing. */
function saying(name, missing) {
  const lines = missing.map(
    (key, n) => `const no${n} = /* @__PURE__ */ no('${key}', '${name}'); export { no${n} as ${key} };`,
  );
  return `import { missing as no } from '../adapters/browser/missing.js';\n${lines.join('\n')}\n`;
}

/** What stands for a module of Node where there is Node: files of our own, because not every bundler takes a name there. */
function nodeItself(outdir, asked) {
  mkdirSync(join(root, outdir, 'node'), { recursive: true });
  for (const [name, names] of asked) {
    const from = `'${builtinModules.includes(name) ? `node:${name}` : name}'`;
    const given = [...names].filter((each) => each !== '*').sort();
    // Only what is asked for: a later version of Node may have dropped another name.
    const text = names.has('*') || given.length === 0 ? `export * from ${from};\n` : '';
    const listed = given.length === 0 ? '' : `export { ${given.join(', ')} } from ${from};\n`;
    writeFileSync(join(root, outdir, 'node', `${fileOf(name)}.js`), text + listed);
  }
}

function insteadOf(asked) {
  const files = [...asked.keys()].sort().map(fileOf);
  return Object.fromEntries(files.map((file) => [`./node/${file}.js`, `./browser/${file}.js`]));
}
