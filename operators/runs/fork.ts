import { forkedState } from '../../lib/engine/invalidate';
import { newRunId } from '../../lib/engine/newRunId';
import { UnknownRunError } from '../../lib/errors/storageErrors';
import type { Store } from '../../lib/store/store';

/** Where a run is forked. */
export interface ForkOptions {
  /** Path of the first step that runs again, such as `write` or `pages[3]/ocr`. */
  readonly from: string;
  /** What the steps that run again see as the input of the run; the same input when left out. */
  readonly input?: unknown;
  /** The id of the new run; a new ULID when left out. */
  readonly runId?: string;
}

/**
 * Makes a new run that reuses everything that came before a step of another run, and gives its id; `resume()` carries it on.
 * The old run stays as it is, as evidence.
 *
 * @throws UnknownRunError, UnknownStepError
 * @throws RunExistsError when the new id is taken.
 */
export async function fork(
  store: Pick<Store, 'loadRun' | 'importRun'>,
  runId: string,
  { from, runId: forkId = newRunId(), ...rest }: ForkOptions,
): Promise<string> {
  const state = await store.loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  await store.importRun(forkedState(state, { runId: forkId, from, ...rest }));
  return forkId;
}
