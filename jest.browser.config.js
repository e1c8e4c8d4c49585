const base = require('./jest.config.js');

/**
 * The page of the inspector in a real browser: npm run test:browser.
 *
 * @type {import('jest').Config}
 */
module.exports = {
  ...base,
  testMatch: ['<rootDir>/spec/inspector/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  globalSetup: '<rootDir>/spec/inspector/setup.js',
  // One browser at a time: the specs measure.
  maxWorkers: 1,
  // A machine that is slow and has other work takes minutes for what takes seconds here.
  testTimeout: 300_000,
};
