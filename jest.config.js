const { availableParallelism } = require('node:os');

const longer = require('./jest.longer');

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: '<rootDir>/jest.environment.js',
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  // Those start servers, or need the packages of others or a browser: npm run test:engine, test:sdks, test:browser.
  testPathIgnorePatterns: [
    '/node_modules/',
    '<rootDir>/spec/engine/',
    '<rootDir>/spec/sdks/',
    '<rootDir>/spec/inspector/',
    // What is typed, and answered by processes of what was bundled: npm run test:cli.
    '<rootDir>/spec/cli/',
    // npm run test:laws, npm run torture.
    ...(process.env.MILLRACE_TORTURE === undefined
      ? longer.map((spec) => `<rootDir>/spec/${spec}\\.spec\\.ts$`)
      : []),
  ],
  // Two for each core, since many specs wait for processes and timers: Jest would leave one core to itself, and with two cores
  // run everything in one process.
  maxWorkers: availableParallelism() * 2,
  testSequencer: '<rootDir>/jest.sequencer.js',
  // A minute, for machines that are slow and have other work: processes need seconds to start there, and so does what waits for a disk.
  testTimeout: 60_000,
  // With a seed, what fast-check draws is the same each time: as in `.ci/run`.
  moduleNameMapper: {
    ...(process.env.MILLRACE_SEED === undefined ? {} : { '^fast-check$': '<rootDir>/jest.seeded.js' }),
    // One file for more than two hundred, which each spec file would load anew.
    '^rxjs$': '<rootDir>/node_modules/rxjs/dist/bundles/rxjs.umd.js',
    '^rxjs/testing$': '<rootDir>/jest.rxjsTesting.js',
  },
  // bench/ has packages of its own.
  modulePathIgnorePatterns: ['<rootDir>/bench/'],
  transform: {
    '^.+\\.ts$': '<rootDir>/jest.transform.js',
    // lowdb and steno ship only as ES modules, which Jest on Node 20 cannot require as they are.
    '/node_modules/(lowdb|steno)/.+\\.js$': '<rootDir>/jest.transform.js',
  },
  transformIgnorePatterns: ['/node_modules/(?!(lowdb|steno)/)'],
};
