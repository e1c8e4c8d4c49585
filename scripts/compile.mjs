// Compiles the sources that are published twice, as CommonJS and as ES modules: the text of a module is the same in both,
// only its head and its end say otherwise what it imports and exports.
//
// They are cut into parts that load those before them alone. What npm packs is one gzip stream, in order of the names of
// the files, and gzip finds again what it has seen up to 32 kB before: so a part is smaller than that, and the ES modules of a part
// lie behind its CommonJS file. The second form then costs a tenth of the first.
import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { builtinModules } from 'node:module';
import { build, transform } from 'esbuild';
import { minify } from 'terser';
import ts from 'typescript';

import bundled from './bundled.cjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const inside = new RegExp(`^(${bundled.join('|')})(/|$)`);
const WINDOW = 31_000;
/** What a file adds to what is packed, besides its text. */
const FRAME = 900;
// A thread runs in a world of its own, and is loaded by its path.
const ownWorlds = new Set(['adapters/workers/thread.ts']);

/**
 * @param {readonly string[]} roots - Sources whose imports are followed; what a root alone reaches is in parts of its own.
 * @returns Modules by their sources, each behind those it imports, with `part`, the number of its part.
 */
export async function compile(roots) {
  const modules = new Map();
  const parts = [];
  const waiting = [...roots];
  for (let from = waiting.shift(); from !== undefined; from = waiting.shift()) {
    let part;
    for (const file of await inOrder(from, modules, waiting)) {
      const module = modules.get(file);
      const size = module.body.length + FRAME;
      if (part === undefined || part.size + size > WINDOW) parts.push((part = { size: 0, modules: [] }));
      part.size += size;
      part.modules.push(module);
      module.part = String(parts.length).padStart(2, '0');
      const place = `${module.part}-${String(part.modules.length).padStart(2, '0')}`;
      module.esm = roots.includes(file) ? file.replace(/ts$/, 'js') : `${place}-${basename(file, '.ts')}.js`;
    }
  }
  const vendors = new Map();
  const paths = [...modules.values()].flatMap(({ imports }) => imports.map(({ path }) => path));
  for (const path of paths.filter((each) => inside.test(each)))
    if (!vendors.has(path)) vendors.set(path, await vendor(path));
  return { modules, parts, vendors };
}

/** A package that is brought along, with all that it needs of other packages. */
async function vendor(path) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [path],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'module'],
    external: ['node:*', ...builtinModules],
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    metafile: true,
    write: false,
  });
  const file = `vendor/${path.replace(/\.js$/, '').replaceAll('/', '-')}.js`;
  return { ...(await taken(outputFiles[0].text, file)), esm: file, metafile };
}

/** The sources that one reaches and that are not known yet, each behind what it imports; what it may load later has to wait. */
async function inOrder(from, modules, waiting) {
  const order = [];
  const visit = async (file, above) => {
    if (above.includes(file))
      throw new Error(`Cannot cut into parts: ${file} imports itself, by ${above.join(', ')}`);
    if (modules.has(file) || ownWorlds.has(file)) return;
    const module = await compiled(file);
    for (const { path } of [...module.imports, ...module.forwards])
      if (path.startsWith('.')) await visit(module.to(path), [...above, file]);
    waiting.push(...module.later.filter((path) => path.startsWith('.')).map(module.to));
    modules.set(file, module);
    order.push(file);
  };
  await visit(from, []);
  return order;
}

/** A source as JavaScript, its imports and exports taken off. */
async function compiled(file) {
  const source = readFileSync(join(root, file), 'utf8');
  const { code } = await transform(takenForGranted(source) + source, {
    loader: 'ts',
    format: 'esm',
    target: 'es2022',
    minifyWhitespace: true,
    minifySyntax: true,
    sourcefile: file,
  });
  const module = await taken(code, file);
  if (module.hasVar || module.isDefault)
    throw new Error(`Cannot publish ${file} in two forms: it has a var, or a default`);
  return {
    ...module,
    name: nameOf(file.replace(/\.ts$/, '')),
    to: (path) => `${relative(root, resolve(root, dirname(file), path))}.ts`,
    later: [...module.body.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, path]) => path),
  };
}

/** JavaScript, its imports and exports taken off. */
async function taken(text, file) {
  const code = await shortened(text);
  /** `forwards` is what is exported as it was imported; without `names` it is all. */
  const module = { file, imports: [], forwards: [], exports: [], body: '', hasVar: false, isDefault: false };
  const parsed = ts.createSourceFile(file, code, ts.ScriptTarget.ES2022, false, ts.ScriptKind.JS);
  for (const statement of parsed.statements) readStatement(statement, parsed, module);
  return module;
}

function readStatement(statement, parsed, module) {
  const text = statement.getText(parsed);
  const path = statement.moduleSpecifier?.text;
  const pairs = (bindings) =>
    bindings?.elements?.map(({ propertyName, name }) => [(propertyName ?? name).text, name.text]);
  if (ts.isImportDeclaration(statement)) {
    const { name, namedBindings } = statement.importClause;
    if (name !== undefined) module.imports.push({ path, whole: 'default', local: name.text });
    if (namedBindings === undefined) return;
    if (ts.isNamespaceImport(namedBindings))
      module.imports.push({ path, whole: '*', local: namedBindings.name.text });
    else module.imports.push({ path, names: pairs(namedBindings) });
  } else if (ts.isExportDeclaration(statement)) {
    if (path === undefined) module.exports.push(...pairs(statement.exportClause));
    else module.forwards.push({ path, names: pairs(statement.exportClause) });
  } else if (text.startsWith('export ')) {
    const declared = statement.declarationList?.declarations ?? [statement];
    module.exports.push(...declared.map(({ name }) => [name.text, name.text]));
    module.body += text.slice('export '.length);
  } else module.body += text;
  module.hasVar ||=
    ts.isVariableStatement(statement) && !(statement.declarationList.flags & ts.NodeFlags.BlockScoped);
  module.isDefault ||= ts.isExportAssignment(statement) || text.startsWith('export*as');
}

/** Names of functions, methods and classes stay, and lines are short, for stack traces; names of other variables go. */
export async function shortened(text) {
  const { code } = await minify(withPrivateMethods(text), {
    ecma: 2022,
    compress: false,
    mangle: { keep_fnames: true, keep_classnames: true },
    format: { comments: false, preserve_annotations: true, max_line_len: 120 },
  });
  return code.replaceAll(PRIVATE, '#');
}

const PRIVATE = '$private$';

/** terser renames whatever begins with `#`: methods are given another beginning meanwhile. */
function withPrivateMethods(text) {
  if (!/#\w+\(/.test(text)) return text;
  const parsed = ts.createSourceFile('private.js', text, ts.ScriptTarget.ES2022, false, ts.ScriptKind.JS);
  const methods = new Set();
  const uses = [];
  const visit = (node) => {
    if (ts.isPrivateIdentifier(node)) uses.push(node);
    if ((ts.isMethodDeclaration(node) || ts.isAccessor(node)) && ts.isPrivateIdentifier(node.name))
      methods.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(parsed);
  return uses
    .filter((node) => methods.has(node.text))
    .sort((a, b) => b.pos - a.pos)
    .reduce(
      (rest, node) =>
        `${rest.slice(0, node.getStart(parsed))} ${PRIVATE}${node.text.slice(1)}${rest.slice(node.end)}`,
      text,
    );
}

/** Imports what a source takes for granted where Node is; an import that nobody uses is left out of what is made of it. */
function takenForGranted(text) {
  const given = {
    process: "import process from 'node:process'; ",
    Buffer: "import { Buffer } from 'node:buffer'; ",
  };
  return Object.entries(given)
    .filter(([name]) => new RegExp(`\\b${name}\\b`).test(text))
    .map(([, line]) => line)
    .join('');
}

/** The same imports where they have to be made by `require`: what Node gives everybody stays out. */
export const withoutGranted = (imports) =>
  imports
    .filter(({ local }) => local !== 'process')
    .map((each) =>
      each.path === 'node:buffer'
        ? { ...each, names: each.names.filter(([name]) => name !== 'Buffer') }
        : each,
    );

const nameOf = (path) => path.replaceAll(/[^A-Za-z0-9]/g, '_');

/** The names that a module gives away. */
export function namesOf(module, modules) {
  const forwarded = module.forwards.flatMap(
    ({ path, names }) => names?.map(([, name]) => name) ?? namesOf(modules.get(module.to(path)), modules),
  );
  return [...new Set([...module.exports.map(([, name]) => name), ...forwarded])].sort();
}
