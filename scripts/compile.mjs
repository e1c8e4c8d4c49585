// Compiles the sources that are published twice, as CommonJS and as ES modules: the text of a part is the same in both,
// only its head and its end say otherwise what it imports and exports.
//
// The sources are cut into parts that load those before them alone; within a part, modules share one scope. What npm packs is
// one gzip stream, in order of the names of the files, and gzip finds again what it has seen up to 32 kB before: so a part is
// smaller than that, and its two forms have one name. The second then costs a fourteenth of the first.
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { builtinModules } from 'node:module';
import { build, transform } from 'esbuild';
import { minify } from 'terser';
import ts from 'typescript';

import bundled from './bundled.cjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const inside = new RegExp(`^(${bundled.join('|')})(/|$)`);
// Bytes of JavaScript in a part: with its heads and ends it stays below what gzip looks back.
const WINDOW = 29_500;
// A thread runs in a world of its own, and is loaded by its path.
const ownWorlds = new Set(['adapters/workers/thread.ts']);

/**
 * @param {readonly string[]} roots - Sources whose imports are followed; what a root alone reaches is in parts of its own.
 * @returns Modules by their sources, each with `part`, the number of the part that has it, and the parts, in order.
 */
export async function compile(roots) {
  const modules = new Map();
  const groups = [];
  const waiting = [...roots];
  for (let from = waiting.shift(); from !== undefined; from = waiting.shift()) {
    let group;
    for (const file of await inOrder(from, modules, waiting)) {
      const module = modules.get(file);
      if (module.exports.length === 0) {
        if (module.body.trim() !== '')
          throw new Error(`Cannot publish ${file}: it exports nothing, so nobody would load it`);
        // What it passes on is taken from where that is.
        continue;
      }
      if (group === undefined || group.size + module.size > WINDOW)
        groups.push((group = { size: 0, modules: [] }));
      group.size += module.size;
      group.modules.push(module);
      module.part = String(groups.length).padStart(2, '0');
    }
  }
  const parts = [];
  for (const { modules: own } of groups) parts.push(await merged(own, modules));
  const asked = new Map();
  for (const { path, names } of parts.flatMap(({ imports }) => imports))
    if (inside.test(path))
      asked.set(path, new Set([...(asked.get(path) ?? []), ...names.map(([name]) => name)]));
  const vendors = new Map();
  for (const [path, names] of asked) vendors.set(path, await vendor(path, [...names]));
  return { modules, parts, vendors };
}

/** What is taken of a package that is brought along, with all that it needs of other packages. */
async function vendor(path, names) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    stdin: {
      contents: `export{${names.join(',')}}from"${path}";`,
      resolveDir: root,
      // Named like a part: refuseCopies passes over it.
      sourcefile: `part:${path}`,
    },
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
  return { ...taken(await shortened(outputFiles[0].text), file), metafile };
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
  const module = taken(code, file);
  if (module.isDefault) throw new Error(`Cannot publish ${file} in two forms: it has a default`);
  return {
    ...module,
    size: (await shortened(module.body)).length,
    name: file.replace(/\.ts$/, '').replaceAll(/[^A-Za-z0-9]/g, '_'),
    to: (path) => `${relative(root, resolve(root, dirname(file), path))}.ts`,
    later: [...module.body.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, path]) => path),
  };
}

/** JavaScript, its imports and exports taken off. */
function taken(code, file) {
  /** `forwards` is what is exported as it was imported; without `names` it is all. */
  const module = { file, imports: [], forwards: [], exports: [], body: '', isDefault: false };
  const parsed = ts.createSourceFile(file, code, ts.ScriptTarget.ES2022, false, ts.ScriptKind.JS);
  for (const statement of parsed.statements) readStatement(statement, parsed, module);
  const imported = new Map(
    module.imports.flatMap(({ path, names = [] }) => names.map(([name, local]) => [local, { path, name }])),
  );
  for (const [local, as] of module.exports) {
    const from = imported.get(local);
    if (from !== undefined) module.forwards.push({ path: from.path, names: [[from.name, as]] });
  }
  module.exports = module.exports.filter(([local]) => !imported.has(local));
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
  module.isDefault ||= ts.isExportAssignment(statement) || text.startsWith('export*as');
}

/**
 * The modules of a part as one, which imports each name once.
 *
 * @returns What `taken` gives, and `part`, its number. What is required when it is first used is `$later("lib/source.ts")`
 *   or `$later("package")` in its body, and the path of a source `$placed("lib/source.ts")`.
 */
async function merged(own, modules) {
  const [{ part }] = own;
  const { outputFiles } = await build({
    absWorkingDir: root,
    stdin: {
      contents: own
        .map(({ file, exports }) => `export{${listed(exports.map(([, as]) => [as, as]))}}from"./${file}";`)
        .join(''),
      resolveDir: root,
    },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    minifyWhitespace: true,
    minifySyntax: true,
    charset: 'utf8',
    plugins: [fromOthers(own, modules)],
    write: false,
  });
  const made = taken(await shortened(asWritten(outputFiles[0].text)), `${part}.js`);
  // esbuild leaves imports of which nothing is used.
  const words = new Set(made.body.match(/[\w$]+/g));
  const imports = made.imports
    .map((each) => ({ ...each, names: each.names?.filter(([, local]) => words.has(local)) }))
    .filter(({ whole, names }) => whole !== undefined || names.length > 0);
  return { ...made, imports, part };
}

/** What is imported of other parts and of packages goes through one module for each of them, so that each name is imported once. */
function fromOthers(own, modules) {
  const { part } = own[0];
  const heads = new Map();
  for (const { path, names = [], whole, local } of own.flatMap(({ imports }) => imports)) {
    if (path.startsWith('.')) continue;
    if (!heads.has(path)) heads.set(path, { names: new Set(), wholes: new Map() });
    for (const [name] of names) heads.get(path).names.add(name);
    if (whole !== undefined) heads.get(path).wholes.set(whole, local);
  }
  return {
    name: 'from others',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /.*/ }, ({ path, importer, namespace }) => {
        if (namespace === 'head') return { path, external: true };
        if (namespace === 'other') return { path, namespace: 'part' };
        if (namespace === 'part') return { path: `./${path}.js`, external: true };
        if (!path.startsWith('.')) return { path, namespace: 'head' };
        const from = importer === '<stdin>' ? root : dirname(importer);
        const file = relative(root, resolve(from, path)).replace(/(\.ts)?$/, '.ts');
        const { part: itsPart } = modules.get(file);
        return itsPart === part ? { path: join(root, file) } : { path: file, namespace: 'other' };
      });
      onLoad({ filter: /.*/, namespace: 'file' }, ({ path }) => {
        const file = relative(root, path);
        return { contents: withHeads(modules.get(file)), loader: 'js' };
      });
      onLoad({ filter: /.*/, namespace: 'other' }, ({ path }) => ({
        contents: [...originsOf(modules.get(path), modules)]
          .map(([from, names]) => `export{${listed(names)}}from"${from}";`)
          .join(''),
      }));
      onLoad({ filter: /.*/, namespace: 'part' }, ({ path }) => {
        const there = [...modules.values()].filter((each) => each.part === path);
        const names = there.flatMap(({ exports }) => exports.map(([, as]) => as));
        return { contents: `export{${names.join(',')}}from"${path}";` };
      });
      onLoad({ filter: /.*/, namespace: 'head' }, ({ path }) => {
        const { names, wholes } = heads.get(path);
        const given = [...wholes].map(
          ([whole, local]) =>
            `import ${whole === '*' ? '*as ' : ''}${local} from"${path}";export{${local} as ${WHOLE[whole]}};`,
        );
        return { contents: `${given.join('')}export{${[...names].join(',')}}from"${path}";` };
      });
    },
  };
}

const WHOLE = { '*': '$all', default: '$default' };

/** A module that imports what is whole by a name, as `fromOthers` gives it, and names what it may load later by its source. */
function withHeads({ imports, forwards, exports, body, to }) {
  const heads = imports.map(({ path, whole, local, names }) =>
    whole === undefined
      ? `import{${listed(names)}}from"${path}";`
      : `import{${WHOLE[whole]} as ${local}}from"${path}";`,
  );
  const passed = forwards.map(
    ({ path, names }) => `export${names === undefined ? '*' : `{${listed(names)}}`}from"${path}";`,
  );
  const text = body.replaceAll(
    /\brequire(\.resolve)?\("([^"]+)"\)/g,
    (_, isPlace, path) =>
      `${isPlace === undefined ? '$later' : '$placed'}("${path.startsWith('.') ? to(path) : path}")`,
  );
  return `${heads.join('')}${passed.join('')}${text};export{${listed(exports)}};`;
}

/**
 * Puts back what esbuild makes of declarations that it moves into one scope: `var Name=class _Name{}` is a class again. What
 * is computed there is marked as free of effects, so that bundlers leave out what nobody uses.
 */
function asWritten(text) {
  const parsed = ts.createSourceFile('part.js', text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
  const written = (node) => text.slice(node.getStart(parsed), node.end);
  const declared = ({ name, initializer }) => {
    if (!ts.isIdentifier(name))
      throw new Error(
        `Cannot publish "${written(name)}": bundlers keep what is taken apart outside of functions`,
      );
    if (initializer === undefined) return `var ${name.text};`;
    const value = written(initializer);
    if (ts.isClassExpression(initializer)) return classOf(name.text, initializer.name?.text, value);
    if (!hasEffects(initializer)) return `var ${name.text}=${value};`;
    return `var ${name.text}=/* @__PURE__ */(()=>(${value}))();`;
  };
  return parsed.statements
    .flatMap((statement) =>
      ts.isVariableStatement(statement)
        ? statement.declarationList.declarations.map(declared)
        : [written(statement)],
    )
    .join('\n');
}

/** @param inner - The name by which the class calls itself. */
function classOf(name, inner, text) {
  if (inner === undefined) return `class ${name}${text.slice('class'.length)}`;
  const called = new RegExp(`(?<![\\w$.])${inner.replaceAll('$', '\\$')}(?![\\w$])`, 'g');
  return text.replaceAll(called, name);
}

/** Whether bundlers would assume that computing a value has effects. */
function hasEffects(node) {
  if (ts.isFunctionLike(node)) return false;
  const does =
    ts.isCallExpression(node) ||
    ts.isNewExpression(node) ||
    ts.isPropertyAccessExpression(node) ||
    ts.isElementAccessExpression(node) ||
    ts.isSpreadElement(node) ||
    ts.isSpreadAssignment(node);
  return does || (ts.forEachChild(node, (child) => hasEffects(child) || undefined) ?? false);
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

export const listed = (names) => names.map(([name, as]) => (name === as ? as : `${name} as ${as}`)).join(',');

/** Whether a name of `originsOf` is that of a part, not of a package. */
export const isPart = (from) => /^\d+$/.test(from);

/**
 * What a module exports, by the part or the package that has it: pairs of the name there and the name under which it is exported.
 */
export function originsOf(module, modules) {
  const origins = new Map();
  const add = (from, pair) => origins.set(from, [...(origins.get(from) ?? []), pair]);
  for (const [, as] of module.exports) add(module.part, [as, as]);
  for (const { path, names } of module.forwards) {
    if (!path.startsWith('.')) {
      for (const pair of names) add(path, pair);
      continue;
    }
    for (const [from, pairs] of originsOf(modules.get(module.to(path)), modules))
      for (const [name, given] of pairs) {
        if (names === undefined) add(from, [name, given]);
        for (const [asked, as] of names ?? []) if (asked === given) add(from, [name, as]);
      }
  }
  return origins;
}
