import * as t from 'io-ts';

import { validate } from '../../lib/codec/validate';
import type { FunctionDefinition } from '../../lib/definition/definition';
import { defineAgent } from '../../lib/definition/definition';
import type { RunningStep, Scope } from '../../lib/definition/scope';
import { givenByOf } from '../../lib/definition/scope';
import { pathBelow } from '../../lib/engine/task';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import { CompensationError } from '../../lib/errors/runErrors';
import type { Agent } from '../../lib/model/agentType';
import type { Failure } from '../../lib/model/failure';
import type { StepResult } from '../../lib/model/stepResult';
import { formOf } from './internal/outputCodec';
import { structure } from './internal/structure';
import { stepsToUndo, UNDO, undoableAgents, undoId } from './internal/undoOrder';

/** How a saga is carried out. */
export interface SagaOptions {
  /** Agents that are used by `context.step` only, which the definition does not show. */
  readonly dynamic?: readonly Agent<never, unknown>[];
}

/**
 * All or nothing: when the agent fails for good, or the run is cancelled on request, what its steps have done is undone by
 * the `compensate` of their agents, one after another, what was done last first.
 *
 * Each is a durable step of its own, `undo[0]`, `undo[1]`…, carried out under the retry policy of its agent: a crash in the
 * middle goes on there. One that fails does not keep the others from being undone. From the first of them on the saga goes
 * back only: resuming the run tries those again that have failed, and then fails as before. To try the work again, begin
 * another run.
 *
 * Steps beside the saga go on until all is undone, but none begins. A step that was stopped in flight has no output and is not undone: let its function look at the signal. Unsubscribing,
 * unlike `cancel()`, stops everything at once, also undoing; resuming goes on with it.
 *
 * @example
 * ```ts
 * const reserve = agent('reserve', book, { compensate: (booking) => release(booking.id) });
 * const order = saga('order', chain('steps', reserve, charge, send));
 * ```
 *
 * @throws DefinitionError when two agents share a name and one of them can be undone.
 */
export function saga<I, O>(
  name: string,
  agent: Agent<I, O>,
  { dynamic = [] }: SagaOptions = {},
): Agent<I, O> {
  if (agent.name === 'undo') throw new DefinitionError(name, 'the agent cannot be called "undo"; rename it');
  const work = agent as unknown as Agent<never, unknown>;
  const agents = undoableAgents(name, [work, ...dynamic]);
  return structure({
    kind: 'saga',
    name,
    agents: [[agent.name, work]],
    form: formOf(agent),
    begin(input, scope) {
      let running: RunningStep | undefined;
      const undo = (failure: Failure, cause: unknown): void => {
        undoAll(scope, agent.name, agents, {
          running: (step) => {
            running = step;
          },
          done: (broken) => {
            if (broken === undefined) scope.fail(cause, { ...failure, retryable: false });
            else {
              const error = new CompensationError(broken.step, broken.failure, failure);
              scope.fail(error, error.failure);
            }
          },
        });
      };
      const before = scope.recorded(undoId(0));
      if (before !== undefined) {
        undo(scope.recorded(agent.name)?.error ?? cancelled, undefined);
        return () => running?.cancel();
      }
      scope.onCancel((done) => {
        running?.cancel();
        undoAll(scope, agent.name, agents, {
          running: (step) => {
            running = step;
          },
          done,
        });
      });
      running = scope.step({ id: agent.name, agent: work, input }, (answer) => {
        if (answer.kind !== 'failed') scope.complete(answer.output, givenByOf(answer));
        else undo(answer.failure, answer.cause);
      });
      return () => running?.cancel();
    },
  });
}

const cancelled: Failure = {
  name: 'Cancelled',
  message: 'the run was cancelled, and what it had done was undone',
  retryable: false,
};

/** A step that could not be undone. */
interface Broken {
  readonly step: string;
  readonly failure: Failure;
}

function undoAll(
  scope: Scope,
  id: string,
  agents: ReadonlyMap<string, FunctionDefinition>,
  hear: { readonly running: (step: RunningStep) => void; readonly done: (broken?: Broken) => void },
): void {
  const steps = stepsToUndo(scope.table(), pathBelow(scope.path, id), agents);
  let broken: Broken | undefined;
  const next = (index: number): void => {
    const step = steps[index];
    if (step === undefined) {
      hear.done(broken);
      return;
    }
    const of = agents.get(step.agent) as FunctionDefinition;
    hear.running(
      scope.step({ id: undoId(index), agent: undoing(of), input: step, isUndo: true }, (answer) => {
        if (answer.kind === 'failed') broken ??= { step: step.stepId, failure: answer.failure };
        next(index + 1);
      }),
    );
  };
  next(0);
}

/** What undoing gives does not matter to anybody. */
const nothing = new t.Type<unknown>(
  'nothing',
  (value): value is unknown => value === undefined,
  () => t.success(undefined),
  () => undefined,
);

/** The agent that undoes what another one did. */
function undoing(of: FunctionDefinition): Agent<never, unknown> {
  const { name, policy, output, compensate } = of;
  const { retry, timeoutMs, limit } = policy;
  return defineAgent<never, unknown>((source) => source, {
    kind: 'function',
    name: UNDO + name,
    output: nothing,
    policy: {
      ...(retry !== undefined && { retry }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(limit?.key === undefined && limit !== undefined && { limit }),
    },
    invoke: (step, context) => {
      const stored = (step as StepResult).output;
      return compensate?.(
        output === undefined ? stored : validate(output, stored, `saved output of agent "${name}"`),
        context,
      );
    },
  });
}
