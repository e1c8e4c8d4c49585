const base = require('./jest.config');

/** The command line as it is typed: processes of what has been bundled. */
/** @type {import('jest').Config} */
module.exports = {
  ...base,
  testMatch: ['<rootDir>/spec/cli/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  // A machine that is slow and has other work takes minutes for what takes seconds here.
  testTimeout: 300_000,
};
