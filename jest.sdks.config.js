const base = require('./jest.config');

// What is held against the packages of others: they are installed in a folder of their own.
/** @type {import('jest').Config} */
module.exports = {
  ...base,
  testMatch: ['<rootDir>/spec/sdks/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  // A machine that is slow and has other work takes minutes for what takes seconds here.
  testTimeout: 300_000,
  transform: {
    // Some ship only as ES modules, which Jest on Node 20 cannot require as they are.
    '/node_modules/.+\\.m?js$': [
      'ts-jest',
      {
        diagnostics: false,
        tsconfig: {
          allowJs: true,
          module: 'commonjs',
          moduleResolution: 'bundler',
          target: 'es2023',
          isolatedModules: true,
        },
      },
    ],
    '^.+\\.ts$': ['ts-jest', { tsconfig: 'spec/sdks/tsconfig.json' }],
  },
  transformIgnorePatterns: [
    '/node_modules/(?!(ai7|compatible3|@ai-sdk|@workflow|eventsource-parser|zod|lowdb|steno|arktype|@ark|arkregex|@langchain|effect|p-queue|p-timeout|p-retry|is-network-error|uuid|mustache|ansi-styles|camelcase|decamelize)/)',
  ],
};
