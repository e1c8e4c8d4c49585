import type { Containment, RunningStep } from '../../lib/definition/scope';
import { givenByOf, passOn } from '../../lib/definition/scope';
import { definitionOf } from '../../lib/definition/definition';
import { hasSaga } from '../../lib/engine/interpreter/cancellation';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import { AllFailedError } from '../../lib/errors/stepErrors';
import type { Agent, OutputOf } from '../../lib/model/agentType';
import type { Failure } from '../../lib/model/failure';
import { givenById } from '../../lib/model/givenBy';
import { oneOfForm } from './internal/outputCodec';
import { byAnyId, idsOf, structure } from './internal/structure';

/**
 * Asks several agents at once and gives the output of the one that completes first; a partial result does not count. The
 * others are stopped, and recorded as SKIPPED.
 *
 * @throws DefinitionError when there is no agent.
 * @throws AllFailedError (the step fails) when none completes.
 */
export function firstOf<I, A extends readonly Agent<never, unknown>[]>(
  name: string,
  ...agents: A & readonly Agent<I, unknown>[]
): Agent<I, OutputOf<A[number]>> {
  if (agents.length === 0) throw new DefinitionError(name, 'firstOf needs at least one agent');
  const stepIds = idsOf(agents);
  const ids = stepIds.map(({ id }) => id);
  const entries = (agents as A).map((agent, index) => [ids[index] as string, agent] as const);
  return structure({
    kind: 'firstOf',
    name,
    agents: entries.map(([id, agent], index) => [id, agent, stepIds[index]?.earlierId]),
    form: oneOfForm(byAnyId(agents, stepIds)),
    madeWith: [],
    begin(input, scope) {
      const running = new Map<string, RunningStep>();
      const failures: Failure[] = [];
      const causes: unknown[] = [];
      const stop = (as?: 'lost'): void => {
        for (const step of running.values()) step.cancel(as);
        running.clear();
      };
      const failed = new Set(ids.filter((id) => scope.recorded(id)?.status === 'FAILED'));
      const containing = (id: string) => (): Containment => {
        failed.add(id);
        if (failed.size < ids.length) return { isContained: true };
        return { isContained: false, exposes: ids.filter((other) => other !== id) };
      };
      // After a crash more than one may have completed: the first on record has won.
      const [winner] = ids
        .filter((id) => scope.recorded(id)?.status === 'COMPLETED')
        .sort((a, b) => (scope.recorded(a)?.seq ?? 0) - (scope.recorded(b)?.seq ?? 0));
      for (const [id, agent] of entries) {
        if (winner !== undefined && winner !== id) {
          const known = scope.recorded(id);
          if (known?.status !== 'FAILED') scope.skip(id, agent, 'lost');
          // The process died before all was undone that the others had done.
          if (known !== undefined && hasSaga(definitionOf(agent)))
            running.set(
              id,
              scope.step({ id, agent, input, isStopped: true }, () => undefined),
            );
          continue;
        }
        const step = scope.step({ id, agent, input, contain: containing(id) }, (answer) => {
          running.delete(id);
          if (answer.kind !== 'failed') {
            stop('lost');
            passOn(scope, answer, givenById(id, givenByOf(answer)));
            return;
          }
          // What has won can no longer be read, and the others have lost.
          if (winner !== undefined) {
            scope.fail(answer.cause, answer.failure);
            return;
          }
          failed.add(id);
          failures.push(answer.failure);
          causes.push(answer.cause);
          if (failures.length === entries.length)
            scope.fail(new AllFailedError(scope.path, failures, causes));
        });
        running.set(id, step);
      }
      return () => {
        stop();
      };
    },
  });
}
