import { DurableEngine } from '../../adapters/restate/worker/durableEngine';
import { hashOf } from '../../lib/engine/local/cachedAnswers';
import { idleState } from '../../lib/model/state';
import type { StepResult } from '../../lib/model/stepResult';
import { pendingStep } from '../../lib/model/stepResult';
import { StepTable } from '../../lib/model/stepTable';

describe('inputs of steps on Restate', () => {
  it('are told apart where JSON cannot, as with a store', () => {
    const { hash } = engineAfter([]);

    expect(hash(new Map([[1, 2]]))).not.toBe(hash(new Map([[1, 3]])));
    expect(hash({ a: Number.NaN })).not.toBe(hash({ a: null }));
    expect(hash({ a: 1 })).toBe(hashOf({ a: 1 }));
  });

  it('count as the same where the run is on record with the JSON alone', () => {
    const inputHash = `${String(hashOf(new Map()))}.identity`;
    const { hash } = engineAfter([{ ...pendingStep('a', 'a'), inputHash }]);

    expect(hash(new Map([[1, 2]]))).toBe(hash(new Map([[1, 3]])));
  });
});

function engineAfter(rows: readonly StepResult[]) {
  const engine = new DurableEngine({
    context: {} as never,
    state: { ...idleState('r', 'a', []), steps: StepTable.of(rows) },
    at: 0,
    answers: [],
    cache: {} as never,
    place: () => {
      throw new Error('calls nothing');
    },
    hasMany: () => undefined,
  });
  return { hash: (value: unknown) => engine.hash(value) };
}
