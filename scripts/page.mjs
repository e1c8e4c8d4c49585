// Builds the page of the inspector: one script and one style sheet, which its server and its HTML exports hand out.
//
//   node scripts/page.mjs  builds it beside its sources, where the specs and ts-node find it
import { fileURLToPath, URL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { minify as terser } from 'terser';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = ['chrome123', 'firefox121', 'safari17.5'];

/**
 * @param {string} outdir - Where to, from the root of the project.
 * @returns What esbuild says it is made of.
 */
export async function buildPage(outdir) {
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: { page: 'inspector/page/main.tsx' },
    outdir,
    bundle: true,
    format: 'iife',
    target,
    minify: true,
    legalComments: 'none',
    charset: 'utf8',
    metafile: true,
    write: false,
    // Shorter than what `react-jsx` makes.
    tsconfigRaw: { compilerOptions: { jsx: 'react' } },
    jsxFactory: 'h',
    jsxFragment: 'Fragment',
    inject: [join(root, 'scripts/jsx.mjs')],
    // See there.
    alias: { immer: join(root, 'inspector/page/shallowImmer.ts') },
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  // What esbuild leaves is 3 % more. Reading a signal is what tells that it is shown: no getter is pure.
  const { code } = await terser(outputFiles[0].text, {
    ecma: 2022,
    // A constant in front of what it is compared with packs worse, and so does a comma for a semicolon.
    compress: {
      passes: 3,
      lhs_constants: false,
      sequences: false,
      unsafe_arrows: true,
      unsafe_methods: true,
      pure_getters: false,
    },
  });
  mkdirSync(join(root, outdir), { recursive: true });
  writeFileSync(join(root, outdir, 'page.js'), code);
  await build({
    absWorkingDir: root,
    entryPoints: ['inspector/page/page.css'],
    outdir,
    minify: true,
    target,
  });
  const { outputFiles: words } = await build({
    absWorkingDir: root,
    entryPoints: ['inspector/page/korean.ts'],
    bundle: true,
    format: 'esm',
    write: false,
  });
  const { korean } = await import(`data:text/javascript,${encodeURIComponent(words[0].text)}`);
  writeFileSync(join(root, outdir, 'texts.ko.json'), JSON.stringify(korean));
  const size = ['page.js', 'page.css']
    .map((file) => gzipSync(readFileSync(join(root, outdir, file)), { level: 9 }).length)
    .reduce((sum, each) => sum + each, 0);
  return { metafile, size };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { size } = await buildPage('inspector/page/built');
  console.log(`inspector/page/built: ${size} bytes packed`);
}
