import type { Observable } from 'rxjs';

import type { RunEngine, RunRequest } from '../../lib/graph/engine';
import type { Transition } from '../../lib/model/transition';
import type { RunOptions } from '../runOptions';

/**
 * Hands a run to an engine.
 *
 * @throws TypeError for options that only mean something in this process.
 */
export function runOn<O>(
  engine: RunEngine,
  asked: Pick<RunRequest<O>, 'agent' | 'input' | 'runId' | 'mustExist'>,
  options: RunOptions,
): Observable<Transition<O>> {
  if (options.store !== undefined)
    throw new TypeError('Cannot run with both an engine and a store; the engine keeps its runs');
  for (const name of ['maxCrashes', 'scheduler'] as const) {
    if (options[name] !== undefined)
      throw new TypeError(`Cannot run with both an engine and "${name}"; the engine decides that`);
  }
  const { onMismatch = 'refuse', signal } = options;
  return engine.run<O>({ ...asked, onMismatch, signal });
}
