import { jsonValue } from '../codec/json';
import type { RunState } from '../model/state';

/**
 * Refuses a state whose values would come back changed. One that was in a store has been checked value by value; a run without
 * a store may hold anything. The output of the run itself is not looked at: it stands there in its live form, and only its
 * agent knows what that looks like as JSON.
 *
 * @throws StateValueError naming the step.
 */
export function checkValues({ input, steps }: RunState): void {
  jsonValue(input, '');
  for (const { stepId, output, kept, request, answer } of steps) {
    jsonValue(output, stepId);
    if (kept !== undefined) jsonValue(kept, stepId);
    if (request !== undefined) jsonValue(request, stepId);
    if (answer !== undefined) jsonValue(answer.value, stepId);
  }
}
