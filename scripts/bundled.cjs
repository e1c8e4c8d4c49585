// Packages whose code is inside the files that are published; dist/THIRD-PARTY-NOTICES.txt passes their licences on.
// Some ship only as ES modules, which Jest before Node 24.9 cannot require; the others would be installed by everybody for
// what few use.
module.exports = [
  'lowdb',
  'steno',
  // In place of what Node has, for browsers.
  '@noble/hashes',
  'dequal',
  'fflate',
  // HTTP API, inspector and command line.
  'hono',
  '@hono/node-server',
  'commander',
  'preact',
  '@preact/signals-core',
  '@dagrejs/dagre',
];
