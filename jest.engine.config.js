const base = require('./jest.config');

/** The tests that start servers of their own, on free ports of loopback. */
/** @type {import('jest').Config} */
module.exports = {
  ...base,
  testMatch: ['<rootDir>/spec/engine/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  // A machine that is slow and has other work takes minutes for what takes seconds here.
  testTimeout: 300_000,
  // They wait most of the time: for sleeps, deadlines and servers that start.
  maxWorkers: 2,
};
