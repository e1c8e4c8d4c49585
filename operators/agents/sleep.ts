import type { Agent } from '../../lib/model/agentType';
import { structure } from './internal/structure';
import { InvalidArgumentError } from '../../lib/model/failure';

/**
 * Waits, for any length of time, and passes its input on. The moment of waking is on record: a run that is resumed waits for
 * the rest, or not at all.
 *
 * @param ms - Milliseconds, or a function of the input that gives them; it is asked once.
 *
 * @example
 * chain('remind', send, sleep('a week', 7 * 86_400_000), sendAgain);
 */
export function sleep<T = unknown>(name: string, ms: number | ((input: T) => number)): Agent<T, T> {
  return structure({
    kind: 'sleep',
    name,
    agents: [],
    begin(input, scope) {
      const begin = (delayMs: number): void => {
        const restMs = Math.max(0, delayMs);
        if (Number.isNaN(restMs)) {
          const problem = `Cannot sleep for ${String(delayMs)} ms at step "${scope.path}"`;
          scope.fail(new InvalidArgumentError(problem, 'give a number'));
        } else {
          scope.sleep(restMs, () => {
            scope.complete(input);
          });
        }
      };
      if (typeof ms === 'number') begin(ms);
      else scope.decide('sleep', () => ms(input as T), begin);
      return () => undefined;
    },
  });
}
