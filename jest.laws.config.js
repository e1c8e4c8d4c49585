const base = require('./jest.config');

// The properties at a length for every night: six times what `npm test` does. LAW_CASES says otherwise. Beside them what
// tries every point where `npm test` tries every tenth, or 10^5 where that tries fewer, and whether those tests find bugs.
process.env.LAW_CASES ??= '300';

/** @type {import('jest').Config} */
module.exports = {
  ...base,
  testMatch: [
    '<rootDir>/spec/laws/**/*.spec.ts',
    '<rootDir>/spec/acceptance/{S42-readme,S44-pages}.spec.ts',
    '<rootDir>/spec/lib/store/{crash,damage,faultSweep*,manyMessages,seededBugs*}.spec.ts',
    '<rootDir>/spec/{guard/whereToRead,operators/manyInputs,operators/prefixes,operators/randomDags,torture/soak,types/longStructures}.spec.ts',
    '<rootDir>/spec/process/{clickstream,each-killed,faketime,full-disk,killed,logs,owner,poison,saga-killed,spending-killed}.spec.ts',
  ],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 3_600_000,
};
