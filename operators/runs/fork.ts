import type { ForkRequest } from '../../lib/engine/engine';
import { forkedState } from '../../lib/engine/invalidate';
import { newRunId } from '../../lib/engine/newRunId';
import type { Where } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import { checkRunId, UnknownRunError } from '../../lib/errors/storageErrors';
import type { Store } from '../../lib/store/store';

/** Where the run rests, and where it is forked. */
export type ForkOptions = ForkRequest & Where<Pick<Store, 'loadRun' | 'importRun'>>;

/**
 * Makes a new run that reuses what another run has done, up to a step or up to what failed, and gives its id. In a store
 * `resume()` carries it on; an engine begins it at once. The old run stays as it is, as evidence.
 *
 * @throws UnknownRunError, UnknownStepError
 * @throws RunExistsError when the new id is taken.
 */
export async function fork(runId: string, options: ForkOptions): Promise<string> {
  checkRunId(runId);
  const { store, engine } = checkedWhere(`fork run "${runId}"`, options, 'importRun');
  const { store: _store, engine: _engine, ...request } = options;
  if (engine !== undefined) return engine.fork(runId, request);
  const state = await store.loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  const { runId: forkId = newRunId(), agent: _agent, ...rest } = request;
  await store.importRun(forkedState(state, { runId: forkId, ...rest }));
  return forkId;
}
