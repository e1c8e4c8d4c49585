import { yesOrNo } from '../../lib/definition/checks';
import type { RunningStep } from '../../lib/definition/scope';
import { givenByOf, isBail, passOn } from '../../lib/definition/scope';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import { LoopLimitError } from '../../lib/errors/stepErrors';
import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import type { GivenBy } from '../../lib/model/givenBy';
import { formOf } from './internal/outputCodec';
import { structure } from './internal/structure';

/** When a loop ends, and how the whole is carried out. */
export interface LoopOptions<I, O> extends AgentPolicy<I> {
  /** Whether this output, of the round counted from 0, is the last one. */
  readonly until: (output: O, round: number) => boolean;
  /** How many rounds there may be. */
  readonly max: number;
}

/**
 * Applies an agent to its own output, round after round, until the output is good enough. Each round is a durable step,
 * `refine[0]`, `refine[1]`…; once a round has begun, `until` is not called again for the one before.
 *
 * @throws DefinitionError when `max` is not a whole number from 1.
 * @throws LoopLimitError (the step fails) when `max` rounds were not enough.
 */
export function loop<I, O extends I>(
  name: string,
  agent: Agent<I, O>,
  { until, max, ...policy }: LoopOptions<NoInfer<I>, NoInfer<O>>,
): Agent<I, O> {
  if (!(max >= 1) || (max !== Infinity && !Number.isInteger(max)))
    throw new DefinitionError(name, `max is ${String(max)}; give a whole number of rounds, 1 or more`);
  const body = agent as unknown as Agent<never, unknown>;
  return structure({
    kind: 'loop',
    name,
    policy,
    agents: [[agent.name, body]],
    form: formOf(agent),
    madeWith: [until, max],
    begin(input, scope) {
      let running: RunningStep | undefined;
      const begin = (round: number, value: unknown): void => {
        running = scope.step({ id: idOf(round), agent: body, input: value }, (answer) => {
          if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
          else if (isBail(answer)) passOn(scope, answer);
          else judge(round, answer.output, givenByOf(answer));
        });
      };
      const judge = (round: number, output: unknown, givenBy: GivenBy | undefined): void => {
        if (scope.recorded(idOf(round + 1)) !== undefined) begin(round + 1, output);
        else {
          scope.decide(
            'until',
            () => yesOrNo(until(output as O, round), `until of loop "${name}"`),
            (isEnough) => {
              if (isEnough) scope.complete(output, givenBy);
              else if (round + 1 >= max) scope.fail(new LoopLimitError(scope.path, max));
              else begin(round + 1, output);
            },
          );
        }
      };
      begin(0, input);
      return () => running?.cancel();
    },
  });
}

function idOf(round: number): string {
  return `[${String(round)}]`;
}
