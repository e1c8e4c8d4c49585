import type { Observable } from 'rxjs';

import { checkServices } from '../../lib/engine/local/givenServices';
import { claimAndRun } from '../../lib/engine/local/runLife';
import type { RunSettings, Where } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import type { Agent } from '../../lib/model/agentType';
import type { Transition } from '../../lib/model/event';
import { runOn } from './run';

/** How a run is resumed, and where it rests. */
export type ResumeOptions = Omit<RunSettings, 'runId' | 'newRunId'> & Where;

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
  options: ResumeOptions,
): Observable<Transition<O>> {
  const { store, engine } = checkedWhere(`resume run "${runId}"`, options, 'claim');
  checkServices(options.services);
  const asked = { agent, runId, input: undefined, mustExist: true };
  if (engine !== undefined) return runOn<O>(engine, asked, options);
  return claimAndRun<O>({ ...asked, rest: store, options });
}
