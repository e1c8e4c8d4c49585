import type { RunState } from '../model/state';
import type { RunFold } from './runFold';
import { runFold } from './runFold';

/** A run of which more is known than its file says, or that is claimed. */
export interface LiveRun {
  readonly runId: string;
  readonly fold: RunFold;
  isClaimed: boolean;
  /** Its first record that its file does not hold yet; undefined when the file holds everything. */
  firstSeq: number | undefined;
  lastSeq: number;
}

/** A run that stands in this state, of which the file holds everything up to record `lastSeq`. */
export function liveRun(runId: string, state: RunState | undefined, lastSeq: number): LiveRun {
  return { runId, fold: runFold(runId, state), isClaimed: false, firstSeq: undefined, lastSeq };
}
