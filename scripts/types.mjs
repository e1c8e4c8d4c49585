// Rolls up the types of the package, after tsc has written one file for each source. An entry gets what it exports and what that
// refers to, dist/types has once what entries share, and what nobody can reach is left out.
import { mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const root = fileURLToPath(new URL('..', import.meta.url));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Writes the types of the entries in the place of those that tsc has written into `outdir`; returns their texts. */
export async function rollTypesUp(outdir) {
  const names = Object.values(exports)
    .flatMap(({ types }) => types ?? [])
    .map((path) => path.replace('./dist/', '').replace(/\.d\.ts$/, ''));
  const written = new Map(
    names.map((name) => [name, readFileSync(join(root, outdir, `${name}.d.ts`), 'utf8')]),
  );
  const rolled = await rollup({
    input: Object.fromEntries(names.map((name) => [name, join(root, outdir, `${name}.d.ts`)])),
    external: (path) => !path.startsWith('.') && !path.startsWith('/'),
    plugins: [dts()],
    onwarn(warning) {
      // Types that no entry names, such as the parts of a signature, may stay without a name.
      if (!/private shared type exports/.test(warning.message)) throw new Error(warning.message);
    },
  });
  const { output } = await rolled.generate({
    format: 'es',
    entryFileNames: '[name].d.ts',
    chunkFileNames: ({ name }) => `types/${name.replace(/\.d$/, '')}.d.ts`,
    // One file for all that the main entry leads to, not one for each set of entries: their imports and exports of each other were
    // 2 kB. What it does not lead to may need types of Node.
    manualChunks(id, { getModuleInfo }) {
      const entries = entriesOf(id, getModuleInfo);
      return entries.length > 1 && entries.includes(join(root, outdir, 'index.d.ts')) ? 'shared' : undefined;
    },
    minifyInternalExports: false,
  });
  clear(join(root, outdir));
  const given = new Set(
    output.flatMap(({ isEntry, code }) =>
      isEntry ? exportsOf(code).flatMap((each) => each.split(' as ')) : [],
    ),
  );
  return output.map(({ name, isEntry, fileName, code }) => {
    const text = shortened(isEntry ? restored(code, written.get(name)) : code, given);
    const path = join(root, outdir, fileName);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return text;
  });
}

/** The entries that lead to a file. */
function entriesOf(id, getModuleInfo) {
  const above = new Set([id]);
  for (const file of above) for (const each of getModuleInfo(file).importers) above.add(each);
  return [...above].filter((file) => getModuleInfo(file).isEntry);
}

/** The types of an entry with what rolling up loses: what the entry says of itself, and which classes it exports as types only. */
function restored(code, written) {
  const [about = ''] =
    /^\/\*\*(?:(?!\*\/)[^])*@packageDocumentation(?:(?!\*\/)[^])*\*\/\n/.exec(written) ?? [];
  const onlyTypes = new Set(
    [...written.matchAll(/^export type \{([^}]*)\}/gm)].flatMap(([, list]) => namesIn(list).map(exported)),
  );
  const types = code.replaceAll(/^export \{([^}]*)\}/gm, (_, list) => {
    const names = namesIn(list).map((name) => (onlyTypes.has(exported(name)) ? `type ${name}` : name));
    return `export { ${names.join(', ')} }`;
  });
  return `${about}${types}`;
}

const exportsOf = (code) =>
  [...code.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) => namesIn(list));

/**
 * The same with tabs, and with docstrings whose paragraphs are one line each: editors break lines where they have to. What nobody
 * can name keeps the docstrings of its members, which editors show, and not its own.
 */
function shortened(text, given) {
  return text
    .replaceAll(
      /^\/\*\*(?:(?!\*\/)[^])*\*\/\n((?:declare )?(?:abstract )?(?:class|interface|type|function|const) (\w+))/gm,
      (whole, declaration, name) => (given.has(name) ? whole : declaration),
    )
    .replaceAll(/^(?: {4})+/gm, (blanks) => '\t'.repeat(blanks.length / 4))
    .replaceAll(/^(\t*)\/\*\*((?:(?!\*\/)[^])*)\*\//gm, (_, indent, inside) => {
      const lines = unbroken(inside.split('\n').map((line) => line.replace(/^\s*\* ?/, '').trimEnd()));
      return `${indent}/** ${lines.map((line, n) => (n === 0 ? line : `${indent} * ${line}`.trimEnd())).join('\n')} */`;
    });
}

/** Lines of a docstring, those of a paragraph as one; examples, code and tables stay as they are. */
function unbroken(lines) {
  const whole = [];
  let isVerbatim = false;
  let isFenced = false;
  for (const line of lines) {
    if (/^@\w/.test(line)) isVerbatim = line.startsWith('@example');
    const last = whole.at(-1) ?? '';
    const isOwn = /^(@\w|[-*|#>]|\d+\.|\s*```|$)/.test(line) || /^([|#]|\s*```|$)/.test(last);
    if (isVerbatim || isFenced || isOwn) whole.push(line);
    else whole[whole.length - 1] = `${last} ${line.trim()}`;
    if (/^\s*```/.test(line)) isFenced = !isFenced;
  }
  while (whole[0] === '') whole.shift();
  while (whole.at(-1) === '') whole.pop();
  return whole.map((line, index) => (index === 0 ? line.trim() : line));
}

const namesIn = (list) =>
  list
    .split(',')
    .map((name) => name.trim().replace(/^type /, ''))
    .filter((name) => name !== '');
const exported = (name) => name.replace(/^.* as /, '');

/** Removes the types in a folder, and the folders that had nothing else. */
function clear(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) clear(path);
    else if (entry.name.endsWith('.d.ts')) rmSync(path);
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}
