const base = require('./jest.config');

// The properties at a length for every night: six times what `npm test` does. LAW_CASES says otherwise.
process.env.LAW_CASES ??= '300';

/** @type {import('jest').Config} */
module.exports = {
  ...base,
  testMatch: ['<rootDir>/spec/laws/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 3_600_000,
};
