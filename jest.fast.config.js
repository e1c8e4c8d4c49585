const base = require('./jest.config');

/** What answers within seconds: no processes, no long laws, no servers. For the inner loop. */
/** @type {import('jest').Config} */
module.exports = {
  ...base,
  testMatch: ['<rootDir>/spec/{lib,operators,testing}/**/*.spec.ts'],
  testPathIgnorePatterns: [
    ...base.testPathIgnorePatterns,
    // The long laws, and what kills, cuts and floods stores.
    '/spec/lib/store/(crash|damage|manyRuns|salvage|seededBugs|lock|golden|fileName|lowdb|failedSync)\\.',
    '/spec/operators/(randomDags|prefixes|values|depth|leaks|clockJumps|alwaysResume|gate|each|otherProcess|peers)\\.',
  ],
};
