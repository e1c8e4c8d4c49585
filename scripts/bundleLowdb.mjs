// lowdb ships only as ES modules, and Jest before Node 24.9 cannot require those: a user's own tests would fail.
// So every built file that loads lowdb is built once more with lowdb (5 kB) inside, and all else left outside.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';

const inside = /^(lowdb|steno)(\/|$)/;

const built = readdirSync('dist', { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const loads = (file) => /["'](lowdb|steno)(\/[^"']*)?["']/.test(readFileSync(file, 'utf8'));

const leaks = built.filter((file) => file.endsWith('.d.ts') && loads(file));
if (leaks.length > 0) {
  throw new Error(`Cannot publish types of lowdb, a CommonJS user cannot read them: ${leaks.join(', ')}`);
}

// From the TypeScript, not from dist: only then does `import { name } from 'millrace'` see the names.
const sources = built
  .filter((file) => file.endsWith('.js') && loads(file))
  .map((file) => relative('dist', file).replace(/\.js$/, '.ts'));

await build({
  entryPoints: sources,
  outdir: 'dist',
  outbase: '.',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  sourcemap: true,
  plugins: [
    {
      name: 'only lowdb inside',
      setup({ onResolve }) {
        onResolve({ filter: /.*/ }, ({ path, kind, importer }) =>
          kind === 'entry-point' || inside.test(path) || importer.includes('node_modules')
            ? undefined
            : { path, external: true },
        );
      },
    },
  ],
});
