import type { Context, InvocationHandle } from '@restatedev/restate-sdk';

import type { StepTask } from '../../lib/graph/stepTask';
import type { PlacedLife } from './carryOut';
import type { Placed } from './lifeEngine';
import type { CallResult, StepRequest } from './protocol';

/** Has the function of a step called as an invocation of its own, on any worker that serves `away`. */
export function placeAway(
  { context, runId, key, abandon }: PlacedLife,
  task: StepTask,
  input: unknown,
  away: string,
  position: number,
): Placed {
  const { path, attempt, revision } = task;
  const { timeoutMs, idleTimeoutMs, keepPartials = false } = task.policy;
  const request: StepRequest = {
    runId,
    key,
    path,
    attempt,
    ...(revision > 0 && { revision }),
    agent: position,
    keepPartials,
    input,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
  };
  const call = context.serviceClient<{
    call: (context: Context, request: StepRequest) => Promise<CallResult>;
  }>({
    name: away,
  });
  const result = call.call(request);
  return {
    result,
    stop() {
      abandon((result as unknown as InvocationHandle).invocationId);
    },
  };
}
