import { isWithinFact } from '../model/openFailures';
import type { RunState } from '../model/state';
import { forkedState } from './invalidate';
import { belowSagas, undoingOf, undoneSagas } from './undone';

/** What a fork of a run will do, as far as it is known before: paths of steps, each list in the order of the run. */
export interface ForkPreview {
  /** The steps that begin anew, are tried again or are begun for the first time; for one with a condition, that is asked again. */
  readonly again: readonly string[];
  /** The steps whose results are taken over: none of them is called. */
  readonly reused: readonly string[];
  /** Those of `again` that were `critical` when they were called: they act outside. */
  readonly critical: readonly string[];
}

/**
 * What `fork()` of this run, resumed, will call again and what it will reuse; nothing is changed.
 *
 * Steps that no plan names are known from the run alone: where the fork takes another way than the run did, others may come.
 * A step that the run never came to is counted unless what it belongs to has ended without it, and so is a member of a `quorum()` that
 * was withdrawn, although enough others may come first again.
 * What the answer of a cache will spare is not left out.
 *
 * @param from - As for `fork()`: the step to begin with; what has failed when left out.
 * @throws UnknownStepError when the run has no step `from`.
 */
export function previewFork(state: RunState, from?: string): ForkPreview {
  const { runId, steps } = state;
  const forked = forkedState(state, { runId, ...(from !== undefined && { from }) }).steps;
  const isUndone = belowSagas(undoneSagas(steps), steps);
  const again: string[] = [];
  const reused: string[] = [];
  const critical: string[] = [];
  for (const row of steps) {
    const { stepId: path, status, attempts } = row;
    // The other run has nothing to go back on.
    if (undoingOf(row, steps) !== undefined && isUndone(path)) continue;
    const next = forked.get(path);
    // What nobody waited for any more may be waited for now.
    const isOpen = next?.abandoned === true;
    if (next?.status === 'COMPLETED' || (next?.status === 'SKIPPED' && !isOpen)) {
      reused.push(path);
      continue;
    }
    if (next?.status === 'FAILED' || (next !== undefined && isWithinFact(path, forked))) continue;
    if (status === 'PENDING' && attempts === 0 && isWithinFact(path, steps)) continue;
    again.push(path);
    if (row.critical === true) critical.push(path);
  }
  return { again, reused, critical };
}
