import type { Observable } from 'rxjs';

import type { RunEngine } from '../../lib/engine/engine';
import { claimAndRun } from '../../lib/engine/local/runLife';
import type { RunOptions } from '../../lib/engine/runOptions';
import type { Agent } from '../../lib/model/agentType';
import type { Transition } from '../../lib/model/event';
import type { Store } from '../../lib/store/store';
import { runOn } from './run';

/** How a run is resumed, and where it rests: in a store, or on an engine. */
export type ResumeOptions = Omit<RunOptions, 'store' | 'runId' | 'newRunId' | 'engine'> &
  (
    | { readonly store: Store; readonly engine?: never }
    | { readonly engine: RunEngine; readonly store?: never }
  );

/**
 * Goes on with a run by its id alone; `resumable(store)`, or `listRuns()` of an engine, lists those that can. Its input comes
 * from where it rests.
 *
 * @throws UnknownRunError (in the stream) when the store, or the engine, does not know the run.
 * @throws StreamInputError (in the stream) when the input was a stream: give it again, with `run()`.
 */
export function resume<I, O>(
  agent: Agent<I, O>,
  runId: string,
  { store, engine, ...options }: ResumeOptions,
): Observable<Transition<O>> {
  const asked = { agent, runId, input: undefined, mustExist: true };
  if (engine !== undefined) return runOn<O>(engine, asked, options);
  if (typeof (store as Store | undefined)?.claim !== 'function') {
    throw new TypeError(`Cannot resume run "${runId}" from ${typeof store}: give a store or an engine`);
  }
  return claimAndRun<O>({ ...asked, rest: store, options });
}
