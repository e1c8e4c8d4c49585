import fc from 'fast-check';

import type { World } from './streamLaw';
import { holds, holdsWhileItGrows } from './streamLaw';
import { arbitraryStream } from './streamShapes';

/** So many compositions, each killed so often; gives the number of kills. */
export async function check(
  world: World,
  numRuns: number,
  seed: number,
  endOnFailure = false,
): Promise<number> {
  let kills = 0;
  const shares = fc.array(fc.double({ min: 0, max: 0.6, noNaN: true }), { maxLength: 5 });
  const law = fc.asyncProperty(arbitraryStream, shares, async (shape, killedAt) => {
    kills += await holds(shape, killedAt, world);
  });
  await fc.assert(law, { numRuns, seed, endOnFailure });
  return kills;
}

/** The same while the source grows. */
export async function checkGrowing(
  world: World,
  numRuns: number,
  seed: number,
  endOnFailure = false,
): Promise<number> {
  let kills = 0;
  const life = fc.record({ there: fc.double({ min: 0, max: 1, noNaN: true }), killAt: fc.nat({ max: 100 }) });
  // Behind two sources a running total may come in another order after a crash, and so may a run that is given it: docs/streams.md.
  const shapes = arbitraryStream.filter(
    ({ join, ops }) => join === undefined || ops.every(({ op }) => op !== 'run'),
  );
  const law = fc.asyncProperty(shapes, fc.array(life, { maxLength: 4 }), async (shape, lives) => {
    kills += await holdsWhileItGrows(shape, lives, world);
  });
  await fc.assert(law, { numRuns, seed, endOnFailure });
  return kills;
}
