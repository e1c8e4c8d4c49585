// Builds the ES modules of the package, one for each part, for bundlers: they take what is used and leave the rest.
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

import { isPart, listed, originsOf } from './compile.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const stead = 'adapters/browser';
// Packages that are of no use without the files of Node.
const onlyNode = new Set(['winston', 'write-file-atomic']);

/**
 * @param {string} outdir - Where to, from the root of the project.
 * @param compiled - What `compile` gives.
 * @param {readonly string[]} entries - The sources that have ES modules of their own.
 */
export async function modules(outdir, compiled, entries) {
  const asked = new Map();
  const write = (path, text) => {
    mkdirSync(dirname(join(root, outdir, path)), { recursive: true });
    writeFileSync(join(root, outdir, path), text);
  };
  for (const part of compiled.parts) write(`${part.part}.js`, written(part, '.', compiled, asked));
  for (const each of compiled.vendors.values()) write(each.file, written(each, '..', compiled, asked));
  for (const entry of entries) {
    const toRoot = relative(dirname(entry), '.') || '.';
    const lines = [...originsOf(compiled.modules.get(entry), compiled.modules)].map(
      ([from, names]) =>
        `export{${listed(names)}}from"${isPart(from) ? `${toRoot}/${from}.js` : asModule(from)}";\n`,
    );
    write(entry.replace(/ts$/, 'js'), lines.join(''));
  }
  const stood = await standIns(outdir, asked, compiled.modules);
  passedOn(outdir, asked);
  write(
    'package.json',
    `${JSON.stringify({ type: 'module', sideEffects: false, browser: insteadOf(asked) }, null, 2)}\n`,
  );
  return stood;
}

/** A part or a package with its imports and exports; notes what is asked of Node and of others. */
function written({ imports, body, exports: given }, toRoot, { modules: compiled, vendors }, asked) {
  const placed = (path, names) => {
    if (path.startsWith('.')) return path;
    if (vendors.has(path)) return `${toRoot}/${vendors.get(path).file}`;
    if (ofNode(path) === undefined && isPure(path)) return asModule(path);
    return `${toRoot}/${askOthers(path, asked, names)}`;
  };
  const lines = imports.map(({ path, whole, local, names }) => {
    const clause = { '*': `*as ${local} `, default: ` ${local} ` }[whole] ?? `{${listed(names)}}`;
    const ofWhole = whole === '*' && ofNode(path) !== undefined ? membersOf(local, body) : [whole];
    const wanted = whole === undefined ? names.map(([name]) => name) : ofWhole;
    return `import${clause}from"${placed(path, wanted)}";`;
  });
  // What CommonJS requires when it is first used, a bundler has to see at the top.
  const later = [];
  const text = body
    .replaceAll(/\$later\("([^"]+)"\)/g, (_, path) => {
      const name = `required${String(later.length)}`;
      const its = compiled.get(path)?.part;
      const from = its === undefined ? placed(path, ['default']) : `./${its}.js`;
      later.push(`import${its === undefined ? '' : '*as'} ${name} from"${from}";`);
      return name;
    })
    // Files that are loaded by their path lie among the CommonJS files. Bundlers know this form, and bring the file along.
    .replaceAll(/\$placed\("([^"]+)\.ts"\)/g, (_, path) => {
      later.push(`import{fileURLToPath as addressToPath}from"${placed('node:url', ['fileURLToPath'])}";`);
      return `addressToPath(new URL("../${path}.js",import.meta.url))`;
    });
  return `${lines.join('')}${later.join('')}${text}\nexport{${listed(given)}};\n`;
}

/** What is used of a module that is imported whole. */
function membersOf(local, body) {
  const uses = [...body.matchAll(new RegExp(`(?<![\\w$.])${local}(?![\\w$])(?:\\.(\\w+))?`, 'g'))];
  return uses.map(([text, name]) => {
    if (name === undefined)
      throw new Error(`Cannot tell what of a module of Node is used: ${text} is passed on`);
    return name;
  });
}

// Side by side with the CommonJS files of fp-ts lie ES modules, of which bundlers take only what is used.
const asModule = (path) => path.replace(/^fp-ts\/lib\/(.*)$/, 'fp-ts/es6/$1.js');

/** Whether a package says that its files do nothing but export. Any other is asked for by a file that says so. */
function isPure(path) {
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(path)[0];
  const { sideEffects } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
  return sideEffects === false;
}

const ofNode = (path) =>
  onlyNode.has(path) || builtinModules.includes(path) ? path : /^node:(.*)$/.exec(path)?.[1];
const fileOf = (path) => path.replace(/\.js$/, '').replaceAll('/', '-');

/** Where what is asked of Node or of a package is found, from the folder of the modules; `*` stands for a whole module. */
function askOthers(path, asked, names) {
  const name = ofNode(path) ?? path;
  if (!asked.has(name)) asked.set(name, new Set());
  for (const each of names) asked.get(name).add(each);
  return `node/${fileOf(name)}.js`;
}

/** Writes what browsers get instead of each module of Node. What these need of the package is in its parts. */
async function standIns(outdir, asked, compiled) {
  const ofParts = {
    name: 'of parts',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.\// }, ({ path, importer }) => {
        const its = compiled.get(`${relative(root, resolve(dirname(importer), path))}.ts`);
        return its && { path: `../${its.part}.js`, external: true };
      });
    },
  };
  const folder = join(outdir, 'browser');
  const names = ofNodeIn(asked).map((name) => [name, `${fileOf(name)}.ts`]);
  const written = new Set(readdirSync(join(root, stead)));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['missing.ts', ...names.map(([, file]) => file).filter((file) => written.has(file))].map(
      (file) => `${stead}/${file}`,
    ),
    outbase: stead,
    outdir: folder,
    chunkNames: 'shared-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    minify: true,
    legalComments: 'none',
    metafile: true,
    plugins: [ofParts],
  });
  for (const [name, file] of names) {
    const path = join(folder, file.replace(/ts$/, 'js'));
    const there = metafile.outputs[path]?.exports ?? [];
    const text = written.has(file) ? readFileSync(join(root, path), 'utf8') : '';
    const missing = [...asked.get(name)].filter((key) => !there.includes(key));
    writeFileSync(join(root, path), `${text}${missing.length === 0 ? '' : saying(name, missing)}`);
  }
  return metafile;
}

/** Functions that say, when they are called, that a browser has no such thing. */
function saying(name, missing) {
  const lines = missing.map(
    (key, n) => `const no${n} = /* @__PURE__ */ no('${key}', '${name}'); export { no${n} as ${key} };`,
  );
  return `import { missing as no } from './missing.js';\n${lines.join('\n')}\n`;
}

/** What stands for a module of Node or for a package: files of our own, because not every bundler takes a name there. */
function passedOn(outdir, asked) {
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

const ofNodeIn = (asked) => [...asked.keys()].filter((name) => ofNode(name) !== undefined);

function insteadOf(asked) {
  const files = ofNodeIn(asked).sort().map(fileOf);
  return Object.fromEntries(files.map((file) => [`./node/${file}.js`, `./browser/${file}.js`]));
}
