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
    minifyInternalExports: false,
  });
  clear(join(root, outdir));
  return output.map(({ name, isEntry, fileName, code }) => {
    const text = (isEntry ? restored(code, written.get(name)) : code).replaceAll(/^(?: {4})+/gm, (blanks) =>
      '\t'.repeat(blanks.length / 4),
    );
    const path = join(root, outdir, fileName);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return text;
  });
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
