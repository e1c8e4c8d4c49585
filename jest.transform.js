const { createHash } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { extname } = require('node:path');

const { transformSync, version } = require('esbuild');

/*
 * Files as esbuild compiles them, in a small part of the time that the compiler of TypeScript needs: in a fresh clone each of the
 * workers compiles most of what there is. Types are checked by `npm run types`.
 */
const compiler = createHash('sha256').update(readFileSync(module.filename)).update(version).digest('hex');

/** @type {import('@jest/transform').SyncTransformer} */
module.exports = {
  getCacheKey: (source, path) =>
    createHash('sha256').update(compiler).update(path).update('\0').update(source).digest('hex'),
  process(source, path) {
    const { code, map } = transformSync(source, {
      sourcefile: path,
      loader: extname(path) === '.ts' ? 'ts' : 'js',
      format: 'cjs',
      target: 'es2023',
      // Modules of Jest do not know `import()` in what is CommonJS.
      supported: { 'dynamic-import': false },
      sourcemap: 'external',
      sourcesContent: false,
      banner: '"use strict";',
    });
    return { code: withPlainExports(code), map };
  },
};

// __export(name_exports, {
//   backoff: () => backoff,
// });
// module.exports = __toCommonJS(name_exports);
const GETTERS =
  /^__export\((\w+), \{\n((?: {2}[\w$]+: \(\) => [\w$.]+,?\n)+)\}\);\nmodule\.exports = __toCommonJS\(\1\);$/m;

/**
 * esbuild lets importers ask a function for each thing that they use. Here they find the thing itself, put there at the end of the
 * module, as the compiler of TypeScript does it: loading takes less, the thing can be spied on, and no such function is taken for
 * one of ours where calls are counted. Lines stay where they are.
 */
function withPlainExports(code) {
  const [getters, , list] = GETTERS.exec(code) ?? [];
  if (getters === undefined || code.includes('\n__reExport(')) return withPlainImports(code);
  const exported = list.replace(/^ {2}([\w$]+): \(\) => ([\w$.]+),?$/gm, 'exports.$1 = $2;');
  const body = code.replace(getters, getters.replace(/[^\n]/g, ''));
  return withPlainImports(
    `${body}\nObject.defineProperty(exports, '__esModule', { value: true });\n${exported}`,
  );
}

/** Of what was an ES module, `import * as` gives the module and no copy of such functions. */
function withPlainImports(code) {
  const plain = code.replaceAll(' = __toESM(require(', ' = importedAll(require(');
  if (plain === code) return code;
  return `${plain}\nfunction importedAll(module) { return module?.__esModule === true ? module : __toESM(module); }`;
}
