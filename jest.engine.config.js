const base = require('./jest.config');

/** The tests that start servers of their own, on free ports of loopback. */
/** @type {import('jest').Config} */
module.exports = {
  ...base,
  testMatch: ['<rootDir>/spec/engine/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 60_000,
  // They wait most of the time: for sleeps, deadlines and servers that start.
  maxWorkers: 2,
};
