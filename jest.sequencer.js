const { default: Sequencer } = require('@jest/test-sequencer');

/*
 * What takes longest begins first: otherwise one worker still has half a minute before it when all others have ended. Jest knows how
 * long each took from its last run, in a fresh clone from no run at all.
 */
const LONGEST = [
  'lib/store/faultSweep',
  'testing/storeContract',
  'operators/sagaUndoing',
  'operators/deadlines',
  'lib/store/lowdb',
  'adapters/inWorker',
  'acceptance/S42-readme',
  'adapters/http/httpApi',
  'laws/belongs',
  'lib/store/folderTrouble',
  'operators/waiting',
  'operators/localEngine',
  'adapters/ingress',
  'operators/schedule',
  'operators/shared',
  'operators/requests',
  'operators/submit',
  'acceptance/S41-examples',
  'laws/sagas',
  'laws/oneResume',
  'guard/cost',
  'process/research-assistant',
];

const rankOf = ({ path }) => {
  const at = LONGEST.findIndex((name) => path.endsWith(`/spec/${name}.spec.ts`));
  return at === -1 ? LONGEST.length : at;
};

module.exports = class extends Sequencer {
  sort(tests) {
    return super.sort(tests).sort((one, other) => rankOf(one) - rankOf(other));
  }
};
