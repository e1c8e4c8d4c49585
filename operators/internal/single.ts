import type { StructureDefinition } from '../../lib/graph/definition';
import type { Agent } from '../../lib/model/agent';

/** A single agent as the root of a run: a structure of one step that bears the agent's name. */
export function single(agent: Agent<never, unknown>): StructureDefinition {
  return {
    kind: 'chain',
    name: agent.name,
    policy: {},
    parts: [],
    depth: 1,
    shape: 'sequence',
    begin(input, scope) {
      const step = scope.step({ id: agent.name, agent, input }, (answer) => {
        if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
        else scope.complete(answer.output);
      });
      return () => {
        step.cancel();
      };
    },
  };
}
