import { lastValueFrom } from 'rxjs';

import type { RunOptions } from '../../lib/engine/runOptions';
import { RunError } from '../../lib/errors/runErrors';
import type { Agent } from '../../lib/model/agentType';
import type { RunState } from '../../lib/model/state';
import type { RunArguments } from './run';
import { run } from './run';

/**
 * Runs an agent for people without RxJS: resolves with the final state, failed or not.
 *
 * @throws What `run()` errors with when the run could not be carried out at all, such as StorageError.
 */
export async function execute<I, O>(
  agent: Agent<I, O>,
  ...rest: RunArguments<I, RunOptions>
): Promise<RunState<O>> {
  try {
    const { state } = await lastValueFrom(run(agent, ...rest));
    return state;
  } catch (error) {
    if (error instanceof RunError) return error.state as RunState<O>;
    throw error;
  }
}
