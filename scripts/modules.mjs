// Builds the ES modules of the package, one for each source file, for bundlers: they take what is used and leave the rest.
// Node itself takes the CommonJS files for `import` and `require` alike, so that a process has one copy of every class.
//
// What the modules ask of Node they take from files of dist/esm/node. To a bundler for browsers the `browser` field of
// dist/esm/package.json gives what adapters/browser has in their stead, and where there is nothing, functions that say so
// when they are called.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { builtinModules } from 'node:module';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const stead = 'adapters/browser';
// Packages that are of no use without the files of Node.
const onlyNode = new Set(['winston', 'write-file-atomic']);

/**
 * @param {string} outdir - Where to, from the root of the project.
 * @param compiled - What `compile` gives.
 */
export async function modules(outdir, { modules: compiled, vendors }) {
  const asked = new Map();
  for (const module of [...compiled.values(), ...vendors.values()]) {
    const path = join(root, outdir, module.esm);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, written(module, compiled, asked, vendors));
  }
  const stood = await standIns(outdir, asked);
  nodeItself(outdir, asked);
  writeFileSync(
    join(root, outdir, 'package.json'),
    `${JSON.stringify({ type: 'module', sideEffects: false, browser: insteadOf(asked) }, null, 2)}\n`,
  );
  return stood;
}

/** A module with its imports and exports; notes what is asked of Node. */
function written(module, compiled, asked, vendors) {
  const folder = dirname(module.esm);
  const to = (file) => {
    const path = relative(folder, file);
    return path.startsWith('.') ? path : `./${path}`;
  };
  const placed = (path, names) => {
    if (path.startsWith('.')) return to(compiled.get(module.to(path)).esm);
    if (ofNode(path) !== undefined) return to(askNode(path, asked, names));
    if (vendors.has(path)) return to(vendors.get(path).esm);
    // Side by side with the CommonJS files lie ES modules, of which bundlers take only what is used.
    return path.replace(/^fp-ts\/lib\/(.*)$/, 'fp-ts/es6/$1.js');
  };
  const lines = module.imports.map(({ path, whole, local, names }) => {
    const clause = { '*': `*as ${local} `, default: ` ${local} ` }[whole] ?? `{${listed(names)}}`;
    return `import${clause}from"${placed(path, whole === undefined ? names.map(([name]) => name) : [whole])}";`;
  });
  const forwards = module.forwards.map(
    ({ path, names }) =>
      `export${names === undefined ? '*' : `{${listed(names)}}`}from"${placed(path, names?.map(([name]) => name) ?? ['*'])}";`,
  );
  // What CommonJS requires when it is first used, a bundler has to see at the top.
  const later = [];
  const body = module.body
    .replaceAll(/\brequire\("([^"]+)"\)/g, (_, path) => {
      const name = `required${String(later.length)}`;
      later.push(`import${path.startsWith('.') ? '*as' : ''} ${name} from"${placed(path, ['default'])}";`);
      return name;
    })
    // Files that are loaded by their path lie among the CommonJS files. Bundlers know this form, and bring the file along.
    .replaceAll(/\brequire\.resolve\("(\.[^"]+)"\)/g, (_, path) => {
      later.push(`import{fileURLToPath as addressToPath}from"${placed('node:url', ['fileURLToPath'])}";`);
      const file = module.to(path).replace(/ts$/, 'js');
      return `addressToPath(new URL("${relative(join('esm', folder), file)}",import.meta.url))`;
    });
  const given = module.exports.length === 0 ? '' : `export{${listed(module.exports)}};`;
  return `${lines.join('')}${later.join('')}${forwards.join('')}${body};\n${given}\n`;
}

const listed = (names) => names.map(([name, as]) => (name === as ? as : `${name} as ${as}`)).join(',');
const ofNode = (path) =>
  onlyNode.has(path) || builtinModules.includes(path) ? path : /^node:(.*)$/.exec(path)?.[1];
const fileOf = (path) => path.replace(/\.js$/, '').replaceAll('/', '-');

/** Where what is asked of Node is found, from the folder of the modules; `*` stands for a whole module. */
function askNode(path, asked, names) {
  const name = ofNode(path);
  if (!asked.has(name)) asked.set(name, new Set());
  for (const each of names) asked.get(name).add(each);
  return `node/${fileOf(name)}.js`;
}

/** Writes what browsers get in the stead of each module of Node. */
async function standIns(outdir, asked) {
  const folder = join(outdir, 'browser');
  const names = [...asked.keys()].map((name) => [name, `${fileOf(name)}.ts`]);
  const written = new Set(readdirSync(join(root, stead)));
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['missing.ts', ...names.map(([, file]) => file).filter((file) => written.has(file))].map(
      (file) => `${stead}/${file}`,
    ),
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
  return `import { missing as no } from './missing.js';\n${lines.join('\n')}\n`;
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
