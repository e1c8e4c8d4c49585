const base = require('./jest.config');

// What is held against the packages of others: they are installed in a folder of their own.
/** @type {import('jest').Config} */
module.exports = {
  ...base,
  // Some of them declare names that are globals elsewhere.
  sandboxInjectedGlobals: [],
  testMatch: ['<rootDir>/spec/sdks/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  transform: {
    // Some ship only as ES modules, which Jest on Node 20 cannot require as they are.
    '/node_modules/.+\\.m?js$': base.transform['/node_modules/(lowdb|steno)/.+\\.js$'],
    '^.+\\.ts$': ['ts-jest', { tsconfig: 'spec/sdks/tsconfig.json' }],
  },
  transformIgnorePatterns: [
    '/node_modules/(?!(ai7|compatible3|@ai-sdk|@workflow|eventsource-parser|zod|lowdb|steno|arktype|@ark|arkregex|@langchain|effect|p-queue|p-timeout|p-retry|is-network-error|uuid|mustache|ansi-styles|camelcase|decamelize)/)',
  ],
};
