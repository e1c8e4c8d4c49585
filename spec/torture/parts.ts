/** One part of `npm run torture`: the long form of some specs. */
export interface Part {
  readonly name: string;
  /** Numbers of the tests of what is promised. */
  readonly tests: string;
  /** Spec files below spec/, and which of their tests. */
  readonly specs: readonly string[];
  readonly only?: string;
  /** About how long it takes alone on one core at scale 1: the longest ones begin first. */
  readonly seconds: number;
}

/*
 * Each spec says itself how much its long form is: amount() and everyNth() of spec/support/torture.ts.
 */
export const parts: readonly Part[] = [
  { name: 'kill-chain', tests: '1', specs: ['process/killed'], only: 'at chain', seconds: 330 },
  { name: 'kill-dag', tests: '1', specs: ['process/killed'], only: 'at dag', seconds: 330 },
  { name: 'kill-each', tests: '1', specs: ['process/each-killed'], seconds: 30 },
  { name: 'kill-spending', tests: 'P21', specs: ['process/spending-killed'], seconds: 60 },
  { name: 'kill-poison', tests: 'P21', specs: ['process/poison'], seconds: 60 },
  { name: 'io-kill', tests: '2', specs: ['lib/store/crash'], only: 'test 2\\)', seconds: 5 },
  { name: 'io-power', tests: '3', specs: ['lib/store/crash'], only: 'test 3\\)', seconds: 60 },
  { name: 'io-errors', tests: '4', specs: ['lib/store/crash'], only: 'test 4\\)', seconds: 10 },
  {
    name: 'io-sweep',
    tests: '4',
    specs: ['lib/store/faultSweep', 'lib/store/faultSweepOutputs', 'lib/store/faultSweepServing'],
    seconds: 120,
  },
  { name: 'io-together', tests: '2, 3, 4', specs: ['lib/store/manyRuns', 'lib/store/packs'], seconds: 30 },
  { name: 'many-messages', tests: 'P26', specs: ['lib/store/manyMessages'], seconds: 120 },
  { name: 'large-document', tests: 'P1', specs: ['process/large-document'], seconds: 60 },
  { name: 'io-full-disk', tests: '4', specs: ['process/full-disk'], seconds: 60 },
  { name: 'damage-cuts', tests: '5', specs: ['lib/store/damage'], only: 'test 5\\)', seconds: 330 },
  { name: 'damage-flips', tests: '6', specs: ['lib/store/damage'], only: 'test 6\\)', seconds: 180 },
  { name: 'damage-fuzz', tests: '7', specs: ['lib/store/damage'], only: 'test 7', seconds: 60 },
  { name: 'salvage', tests: '7', specs: ['lib/store/salvage'], seconds: 30 },
  { name: 'dags', tests: '8', specs: ['operators/randomDags'], seconds: 550 },
  { name: 'always-resume', tests: '9', specs: ['operators/alwaysResume'], seconds: 10 },
  { name: 'prefixes', tests: '8, 9', specs: ['operators/prefixes'], seconds: 110 },
  { name: 'one-resume-memory', tests: 'P21', specs: ['laws/oneResume'], only: 'in memory', seconds: 500 },
  { name: 'one-resume-process', tests: 'P21', specs: ['laws/oneResume'], only: 'process', seconds: 200 },
  { name: 'one-resume-disk', tests: 'P21', specs: ['laws/oneResume'], only: 'disk', seconds: 300 },
  { name: 'one-resume-killed', tests: 'P21', specs: ['laws/struckRuns'], seconds: 300 },
  { name: 'streams', tests: 'P28', specs: ['laws/rememberedStreams'], only: 'the law of', seconds: 400 },
  { name: 'streams-killed', tests: 'P28', specs: ['laws/killedStreams'], seconds: 400 },
  { name: 'streams-long', tests: 'P28', specs: ['torture/manyItems'], seconds: 200 },
  {
    name: 'lines',
    tests: 'P28',
    specs: ['operators/streams/lines'],
    only: 'each line once, whatever',
    seconds: 110,
  },
  { name: 'loop-killed', tests: '1', specs: ['laws/killedLoop'], seconds: 150 },
  { name: 'sagas-killed', tests: '1, P22', specs: ['process/saga-killed'], seconds: 1_200 },
  { name: 'sagas', tests: 'P22', specs: ['laws/sagas'], seconds: 3_000 },
  { name: 'sagas-die', tests: 'P22', specs: ['laws/sagaDeaths', 'laws/sagaTakenUp'], seconds: 300 },
  { name: 'rests', tests: '10', specs: ['laws/rests'], seconds: 120 },
  { name: 'lock', tests: '11', specs: ['lib/store/lock'], seconds: 65 },
  { name: 'values', tests: '13', specs: ['operators/values', 'lib/codec/json'], seconds: 65 },
  { name: 'many-inputs', tests: '27', specs: ['operators/manyInputs'], seconds: 300 },
  { name: 'depth', tests: '14', specs: ['operators/depth'], seconds: 20 },
  { name: 'soak', tests: '17', specs: ['torture/soak'], seconds: 60 },
  { name: 'leaks', tests: '18', specs: ['operators/leaks'], seconds: 10 },
  { name: 'clocks', tests: '19', specs: ['operators/clockJumps', 'process/faketime'], seconds: 60 },
  { name: 'belongs-memory', tests: 'P22', specs: ['laws/belongs'], only: 'in memory', seconds: 300 },
  { name: 'belongs-folder', tests: 'P22', specs: ['laws/belongs'], only: 'in a folder', seconds: 400 },
  { name: 'served-drain', tests: 'P25', specs: ['process/served'], only: 'drains on SIGTERM', seconds: 60 },
  { name: 'served-queue', tests: 'P24', specs: ['process/served'], only: 'priority', seconds: 800 },
  {
    name: 'served-ticks',
    tests: 'P24',
    specs: ['operators/schedule'],
    only: 'over many ticks',
    seconds: 90,
  },
  { name: 'followed', tests: 'P23', specs: ['process/followed'], seconds: 25 },
  { name: 'served-due', tests: 'P24', specs: ['operators/waiting'], seconds: 120 },
  { name: 'golden', tests: '20', specs: ['lib/store/golden'], seconds: 3 },
  { name: 'names', tests: '21', specs: ['lib/store/fileName'], seconds: 15 },
  { name: 'logs', tests: '22', specs: ['process/logs', 'lib/log/logger'], seconds: 10 },
  {
    name: 'bugs',
    tests: '23',
    specs: [
      'lib/store/seededBugs',
      'lib/store/seededBugsOfAll',
      'acceptance/hostile-taps',
      'laws/engineBugs',
      'laws/sagaBugs',
      'laws/streamBugs',
    ],
    seconds: 40,
  },
];
