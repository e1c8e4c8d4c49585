/*
 * Specs below spec/ that only `npm run test:laws` and `npm run torture` run, both of them parts of what CI or a release does: whether
 * tests find bugs, what kills processes, cuts, floods or damages stores, compiles all pages, or takes long.
 */
module.exports = [
  'acceptance/S44-pages',
  'guard/whereToRead',
  'laws/(engineBugs|killedLoop|killedStreams|sagaBugs|sagaDeaths|streamBugs|struckRuns)',
  'lib/store/(crash|damage|faultSweepOutputs|faultSweepServing|keptEvents|lock|manyMessages|manyRuns|packs|salvage|seededBugs\\w*)',
  'operators/(alwaysResume|clockJumps|depth|leaks|manyInputs|prefixes|randomDags|values)',
  'process/(clickstream|each-killed|faketime|followed|full-disk|killed|logs|owner|poison|saga-killed|served|service|spending-killed|unhandled-errors)',
  'torture/(manyItems|soak)',
  'types/longStructures',
];
