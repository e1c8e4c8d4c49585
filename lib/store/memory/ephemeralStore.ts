import { RunActiveError } from '../../errors/storageErrors';
import type { RunState } from '../../model/state';
import type { Claim, RunRest } from '../store';

/** Hands out its one claim at once. */
export interface EphemeralRest extends RunRest {
  claim(runId: string): Claim;
}

/**
 * Where the lives of a `run()` without a store rest: it remembers how the run stood when the latest life ended, unchecked
 * and unwritten, so that `retry()` goes on from there.
 */
export function ephemeralStore(): EphemeralRest {
  let latest: (() => RunState | undefined) | undefined;
  let isTaken = false;
  return {
    claim(runId) {
      if (isTaken) throw new RunActiveError(runId);
      isTaken = true;
      return {
        state: latest?.(),
        checksValues: false,
        isUnreachable: true,
        append: nothing,
        note: nothing,
        inbox: () => nothing,
        release(state) {
          latest = state ?? latest;
          isTaken = false;
        },
      };
    },
  };
}

function nothing(): undefined {
  return undefined;
}
