const bundled = require('./scripts/bundled.cjs');

// DESIGN.md, "Folders": what each folder may import besides itself and packages.
// If an import is refused, move the shared type down; do not widen the table.
const table = {
  'lib/model': [],
  'lib/errors': ['lib/model'],
  'lib/streams': ['lib/model', 'lib/errors'],
  'lib/codec': ['lib/model', 'lib/errors'],
  'lib/definition': ['lib/model', 'lib/errors', 'lib/streams', 'lib/codec'],
  'lib/log': ['lib/model', 'lib/errors'],
  'lib/metrics': ['lib/model', 'lib/errors'],
  'lib/store': ['lib/model', 'lib/errors', 'lib/streams', 'lib/codec'],
  'lib/engine': ['lib/model', 'lib/errors', 'lib/streams', 'lib/codec', 'lib/definition', 'lib/store'],
  'lib/history': ['lib/model', 'lib/errors', 'lib/codec'],
  'lib/report': ['lib/model', 'lib/log', 'lib/metrics', 'lib/history'],
  operators: ['lib'],
  adapters: ['lib', 'operators'],
  inspector: ['lib', 'operators', 'adapters'],
  testing: ['lib', 'operators'],
  'index.ts': ['lib', 'operators'],
  'errors.ts': ['lib'],
  'storePort.ts': ['lib'],
  'metrics.ts': ['lib'],
  'history.ts': ['lib'],
  'fp.ts': [],
  cli: ['lib', 'operators', 'adapters', 'inspector'],
  // The fake model stands in for one that needs a key.
  examples: ['index.ts', 'fp.ts', 'adapters', 'testing'],
};

const entries = ['index.ts', 'errors.ts', 'storePort.ts', 'metrics.ts', 'history.ts', 'fp.ts'];
const ours = [...entries, 'lib', 'operators', 'adapters', 'inspector', 'testing', 'cli', 'examples', 'spec'];
const published = '^([^/]+\\.ts$|(lib|operators|adapters|inspector|testing|cli)/)';

/** A pattern for everything under these folders (or exactly these files). */
const within = (...paths) => `^(${paths.map((path) => path.replace('.', '\\.')).join('|')})(/|$)`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...Object.entries(table).map(([folder, allowed]) => ({
      name: `${folder} imports ${allowed.join(', ') || 'nothing of ours'}`,
      severity: 'error',
      from: { path: within(folder) },
      to: { path: within(...ours), pathNot: within(folder, ...allowed) },
    })),
    {
      name: 'every folder has its row in the table',
      severity: 'error',
      from: { path: within(...ours), pathNot: within('spec', ...Object.keys(table)) },
      to: { path: within(...ours) },
    },
    {
      name: 'no cycles, types included',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'import the file, not an index',
      severity: 'error',
      from: { path: published },
      to: { path: '^(lib|operators)/(index|.+/index)[.]ts$' },
    },
    {
      name: 'what is internal to operators stays inside operators',
      severity: 'error',
      from: { path: within(...ours), pathNot: within('operators', 'spec') },
      to: { path: '^operators/[^/]+/internal/' },
    },
    {
      name: 'every import resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'what is published needs declared packages, or brings them along',
      severity: 'error',
      from: { path: published },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['npm-peer', 'npm-optional', 'type-only'],
        pathNot: `^node_modules/(${bundled.join('|')})/`,
      },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    // lowdb has only an "import" entry.
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
    doNotFollow: { path: 'node_modules' },
    // What is held against the packages of others needs those installed.
    exclude: { path: ['^(dist|bench|docs|coverage|scripts|spec/sdks)/', '^[^/]+[.](js|cjs|mjs)$'] },
  },
};
