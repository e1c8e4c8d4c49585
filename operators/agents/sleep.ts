import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import { structure } from './internal/structure';
import { InvalidArgumentError } from '../../lib/model/failure';

/**
 * Waits, for any length of time, and passes its input on. The moment of waking is on record: a run that is resumed waits for
 * the rest, or not at all, whatever the code says by then. Where a chain begins with a `sleep`, say what goes through:
 * `sleep<Order>('wait', 60_000)`.
 *
 * @param ms - Milliseconds, or a function of the input that gives them; it is called once a run.
 *
 * @example
 * chain('remind', send, sleep('a week', 7 * 86_400_000), sendAgain);
 */
export function sleep<T = unknown>(
  name: string,
  ms: number | ((input: T) => number),
  policy: AgentPolicy<NoInfer<T>> = {},
): Agent<T, T> {
  return structure({
    kind: 'sleep',
    name,
    policy,
    agents: [],
    madeWith: [],
    begin(input, scope) {
      const decide = (begin: (delayMs: number) => void): void => {
        const check = (delayMs: number): void => {
          if (typeof delayMs === 'number' && !Number.isNaN(delayMs)) begin(Math.max(0, delayMs));
          else {
            const problem = `Cannot sleep for ${String(delayMs)} ms at step "${scope.path}"`;
            scope.fail(new InvalidArgumentError(problem, 'give a number'));
          }
        };
        if (typeof ms === 'number') check(ms);
        else scope.decide('sleep', () => ms(input as T), check);
      };
      scope.sleep(decide, () => {
        scope.complete(input);
      });
      return () => undefined;
    },
  });
}
