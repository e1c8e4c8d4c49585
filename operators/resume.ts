import type { Observable } from 'rxjs';

import type { Agent } from '../lib/model/agent';
import type { Transition } from '../lib/model/transition';
import type { Store } from '../lib/store/store';
import { carryOn } from './internal/carryOn';
import type { RunOptions } from './runOptions';

/** How a run is resumed. */
export interface ResumeOptions extends Omit<RunOptions, 'store' | 'runId' | 'newRunId' | 'engine'> {
  readonly store: Store;
}

/**
 * Goes on with a run by its id alone; `resumable(store)` lists those that can. Its input comes from the store.
 *
 * @throws UnknownRunError (in the stream) when the store does not know the run.
 * @throws StreamInputError (in the stream) when the input was a stream: give it again, with `run()`.
 */
export function resume<I, O>(
  agent: Agent<I, O>,
  runId: string,
  { store, ...options }: ResumeOptions,
): Observable<Transition<O>> {
  return carryOn<O>({ rest: store, runId, agent, input: undefined, mustExist: true, options });
}
