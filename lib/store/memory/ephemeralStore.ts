import { RunActiveError } from '../../errors/storageErrors';
import type { RunState } from '../../model/state';
import type { RunRest } from '../store';

/**
 * Where the lives of a `run()` without a store rest: it remembers how the run stood when the latest life ended, unchecked
 * and unwritten, so that `retry()` goes on from there.
 */
export function latestOnly(): RunRest {
  let latest: (() => RunState | undefined) | undefined;
  let isTaken = false;
  return {
    claim(runId) {
      if (isTaken) throw new RunActiveError(runId);
      isTaken = true;
      return {
        state: latest?.(),
        checksValues: false,
        append: () => undefined,
        note: () => undefined,
        inbox: () => () => undefined,
        release(state) {
          latest = state ?? latest;
          isTaken = false;
        },
      };
    },
  };
}
