import * as fc from 'fast-check';

import { agent, chain, execute, lowdbStore } from '../../index';
import { StateValueError } from '../../lib/errors/runErrors';
import { jsonValue } from '../../lib/codec/jsonValue';
import { ownersOf } from '../lib/store/support/lockRace';
import { MemoryFiles } from '../lib/store/support/memoryFiles';
import { amount, seedOr, tally } from '../support/torture';

const owners = ownersOf(1, () => true);

const odd = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
});
const anything = fc.oneof(odd, fc.anything(), fc.jsonValue(), fc.object());

/** What the second step is given: live, and by a process that goes on with the run after the first one was killed. */
async function given(
  values: readonly unknown[],
): Promise<{ live: unknown; resumed: unknown; saved: unknown }> {
  const files = new MemoryFiles();
  const heard: unknown[] = [];
  let isFirst = true;
  const work = chain(
    'values',
    agent('give', () => values),
    agent('take', (value: unknown) => {
      heard.push(value);
      if (isFirst) throw new Error('the process is killed here');
      return 1;
    }),
  );
  const life = async (disk: MemoryFiles): Promise<unknown> => {
    const store = lowdbStore('/state', { files: disk, owners, durability: 'process' });
    const state = await execute(work, 0, { store, runId: 'r' });
    await store.close();
    return state.steps.get('give')?.output;
  };
  const saved = await life(files);
  isFirst = false;
  await life(files.afterKill());
  return { live: heard[0], resumed: heard[1], saved };
}

describe('any value an agent may give (promises test 13, P5)', () => {
  it('is seen live as it is after a resume, or is refused by name', async () => {
    const COUNT = amount(2_000, 200_000);
    // Many values share a run: what is kept of each one alone is looked at first.
    const PER_RUN = 25;
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { minLength: PER_RUN, maxLength: PER_RUN }), async (values) => {
        const good = values.filter((value) => {
          try {
            const same = jsonValue(value, 'x');
            if (same === undefined) return false;
            // Once more through JSON, nothing changes any more.
            expect(JSON.parse(JSON.stringify(same))).toStrictEqual(same);
            return true;
          } catch (error) {
            if (!(error instanceof StateValueError)) throw error;
            return false;
          }
        });
        const { live, resumed, saved } = await given(good);

        expect(resumed).toStrictEqual(live);
        expect(saved).toStrictEqual(live);
        kept += good.length;
      }),
      { numRuns: Math.ceil(COUNT / PER_RUN), seed: seedOr(13) },
    );
    tally('values', Math.ceil(COUNT / PER_RUN) * PER_RUN);
    tally('kept', kept);
    expect(kept).toBeGreaterThan(COUNT / 4);
  });

  it('ends the run with StateValueError when it is refused, and calls nobody with it', async () => {
    const take = jest.fn((value: unknown) => value);
    const work = chain(
      'values',
      agent('give', () => new Map()),
      agent('take', take),
    );
    const store = lowdbStore('/state', { files: new MemoryFiles(), owners });
    const { status, error } = await execute(work, 0, { store, runId: 'r' });
    await store.close();

    expect([status, error?.name]).toEqual(['FAILED', 'StateValueError']);
    expect(take).not.toHaveBeenCalled();
  });
});
