const { availableParallelism } = require('node:os');

const base = { ...require('./jest.config'), testMatch: undefined };
const longer = require('./jest.longer');

// The properties at a length for every night: six times what `npm test` does. LAW_CASES says otherwise. Beside them what
// tries every point where `npm test` tries every tenth, or 10^5 where that tries fewer, and whether those tests find bugs.
process.env.LAW_CASES ??= '300';

/** @type {import('jest').Config} */
module.exports = {
  ...base,
  // Some compare what much and little cost.
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  testRegex: [
    ...longer.map((spec) => `/spec/${spec}\\.spec\\.ts$`),
    '/spec/laws/.*\\.spec\\.ts$',
    '/spec/(acceptance/S42-readme|lib/store/faultSweep)\\.spec\\.ts$',
  ],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 3_600_000,
};
