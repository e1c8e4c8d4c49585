import { Cancellation } from '../../lib/engine/interpreter/cancellation';
import { PriorSteps } from '../../lib/engine/interpreter/priorSteps';
import { StateEdit } from '../../lib/model/stateEdit';
import { checkSagas } from './support/sagaHistories';

/* Tests of the test: each of these makes the interpreter behave as if a line of it were wrong. */
describe('the law of sagas', () => {
  const bugs: Readonly<Record<string, () => jest.SpyInstance>> = {
    'a saga that has gone back goes forth in the next life': () =>
      jest.spyOn(Cancellation.prototype, 'hasGoneBack').mockReturnValue(false),
    'what is stopped around a saga does not wait for its undoing': () =>
      jest.spyOn(Cancellation.prototype, 'undoBelow').mockReturnValue(false),
    'undoing is not on record, so that it is done again': () => {
      const { at } = PriorSteps.prototype;
      return jest.spyOn(PriorSteps.prototype, 'at').mockImplementation(function (this: PriorSteps, path) {
        const row = at.call(this, path);
        return row?.agent.startsWith('undo ') === true ? undefined : row;
      });
    },
    'what could not be undone is not tried again by a resume': () => {
      const { open } = StateEdit.prototype;
      return jest.spyOn(StateEdit.prototype, 'open').mockImplementation(function (this: StateEdit, paths) {
        open.call(
          this,
          paths.filter((path) => !path.includes('undo[')),
        );
      });
    },
  };
  it.each(Object.keys(bugs))(
    'would notice that %s',
    async (bug) => {
      const spy = bugs[bug]?.();
      try {
        await expect(checkSagas(200, 4, 7)).rejects.toThrow('Property failed');
      } finally {
        spy?.mockRestore();
      }
    },
    120_000,
  );
});
