import * as t from 'io-ts';

import { validate } from '../../lib/codec/validate';
import type { Definition, FunctionDefinition } from '../../lib/definition/definition';
import { defineAgent, definitionOf, isStructure } from '../../lib/definition/definition';
import { definitionBelow } from '../../lib/definition/definitionAt';
import type { RunningStep, Scope, StepRequest, Undoable } from '../../lib/definition/scope';
import { givenByOf, passOn } from '../../lib/definition/scope';
import { pathBelow } from '../../lib/engine/task';
import { formerUndoId, UNDO, undoId } from '../../lib/engine/undone';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import { CompensationError } from '../../lib/errors/runErrors';
import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import type { Failure } from '../../lib/model/failure';
import type { StepResult } from '../../lib/model/stepResult';
import { formOf } from './internal/outputCodec';
import { structure } from './internal/structure';
import { stepsToUndo, undoableAgents } from '../../lib/engine/undoOrder';

/** How a saga is carried out; `retry` belongs to the agent within, because a saga that has begun to undo only goes back. */
export interface SagaOptions<I> extends AgentPolicy<I> {
  readonly retry?: never;
  /** Agents that are used by `context.step` only, which the definition does not show. */
  readonly dynamic?: readonly Agent<never, unknown>[];
}

// The defaults: an agent made on the spot is inferred last, and would be blamed for a wrong option.
/**
 * All or nothing: when the agent fails for good, or the run is cancelled on request, the `compensate` of each agent undoes what
 * its step did, one after another, the latest step first.
 *
 * Each is a durable step of its own, named after what it undoes (`undo["steps\u002freserve"]`), carried out under the retry and
 * `timeoutMs` of its agent and the `limit` of the step: a crash in the middle goes on there. Its `idempotencyKey` is made from
 * the key that the step had, whoever undoes it. One that fails does not keep the others from being undone. From the first of
 * them on the saga goes back only: resuming the run tries those again that have failed, and then fails as before. To try the
 * work again, begin another run. One that had done nothing yet may be tried again like any other step.
 *
 * A saga that is stopped by what is around it, because of a time limit, a race that it lost or a step that failed, undoes first
 * where the run goes on without it or cannot be resumed with success. A failed run that can be resumed keeps what it has done.
 * Undoing is one sequence: nothing restarts it or tears it down, and each step is undone once.
 *
 * When the run is cancelled, steps beside the saga go on until all is undone, but none begins. A step that was stopped in flight
 * has no output and is not undone: let its function look at the signal. Unsubscribing, unlike `cancel()`, stops everything at
 * once, also undoing; resuming goes on with it.
 *
 * @example
 * ```ts
 * const reserve = agent('reserve', book, { compensate: (booking) => release(booking.id) });
 * const order = saga('order', chain('steps', reserve, charge, send));
 * ```
 *
 * @throws DefinitionError when two agents share a name and one of them can be undone.
 */
export function saga<I = never, O = unknown>(
  name: string,
  agent: Agent<I, O>,
  { dynamic = [], ...policy }: SagaOptions<NoInfer<I>> = {},
): Agent<I, O> {
  if (agent.name === 'undo') throw new DefinitionError(name, 'the agent cannot be called "undo"; rename it');
  const work = agent as unknown as Agent<never, unknown>;
  const agents = undoableAgents(name, [work, ...dynamic]);
  return structure({
    kind: 'saga',
    name,
    policy,
    agents: [[agent.name, work]],
    form: formOf(agent),
    madeWith: [],
    begin(input, scope) {
      const going = new Going(scope, work, agents);
      scope.canUndo(going);
      if (scope.hasGoneBack()) {
        going.goBack({ failure: scope.recorded(agent.name)?.error ?? stopped, cause: undefined });
        return () => undefined;
      }
      going.goForth({ id: agent.name, agent: work, input });
      return () => {
        going.stop();
      };
    },
  });
}

/** Why a saga goes back by itself. */
interface Reason {
  readonly failure: Failure;
  readonly cause: unknown;
}

/** How one saga goes: forth first, and back at most once. */
class Going implements Undoable {
  readonly #scope: Scope;
  readonly #worker: Agent<never, unknown>;
  readonly #agents: ReadonlyMap<string, FunctionDefinition>;
  readonly #waiting: (() => void)[] = [];
  #work: RunningStep | undefined;
  #direction: 'forth' | 'back' | 'over' = 'forth';
  #reason: Reason | undefined;
  /** Whether it has undone anything, in this life or before: from then on it cannot go forth any more. */
  #hasUndone = false;

  constructor(scope: Scope, worker: Agent<never, unknown>, agents: ReadonlyMap<string, FunctionDefinition>) {
    this.#scope = scope;
    this.#worker = worker;
    this.#agents = agents;
  }

  readonly isUndoing = (): boolean => this.#direction === 'back';

  readonly isUndone = (): boolean => this.#direction === 'over';

  goForth(request: StepRequest): void {
    this.#work = this.#scope.step(request, (answer) => {
      if (answer.kind !== 'failed') passOn(this.#scope, answer, givenByOf(answer));
      else this.goBack({ failure: answer.failure, cause: answer.cause });
    });
  }

  /** What is being undone goes on being undone. */
  stop(): void {
    this.#work?.cancel();
  }

  goBack(reason: Reason): void {
    this.#reason = reason;
    this.#begin();
  }

  undo(done: () => void): void {
    if (this.#direction === 'over') {
      done();
      return;
    }
    this.#waiting.push(done);
    this.#begin();
  }

  #begin(): void {
    if (this.#direction !== 'forth') return;
    this.#direction = 'back';
    this.#work?.cancel();
    const scope = this.#scope;
    const steps = stepsToUndo(scope.table(), this.#workPath(), this.#agents);
    this.#hasUndone = steps.length > 0 || scope.hasGoneBack();
    const isFormer = scope.recorded(formerUndoId(0)) !== undefined;
    let broken: Broken | undefined;
    const next = (index: number): void => {
      const step = steps[index];
      if (step === undefined) {
        this.#end(broken);
        return;
      }
      const id = isFormer ? formerUndoId(index) : undoId(scope.path, step.stepId);
      scope.step(
        { id, agent: undoing(this.#definitionOf(step), step), input: step, undoes: step },
        (answer) => {
          if (answer.kind === 'failed') broken ??= { step: step.stepId, failure: answer.failure };
          next(index + 1);
        },
      );
    };
    next(0);
  }

  #workPath(): string {
    return pathBelow(this.#scope.path, this.#worker.name);
  }

  /** The agent as it stands at its step, where its policy or limit is another one; otherwise any of that name. */
  #definitionOf({ stepId, agent }: StepResult): FunctionDefinition {
    const worker = definitionOf(this.#worker) as Definition;
    const there = definitionBelow(worker, stepId.slice(this.#workPath().length));
    const isSame = there !== undefined && there !== 'unknown' && !isStructure(there) && there.name === agent;
    return isSame && there.compensate !== undefined ? there : (this.#agents.get(agent) as FunctionDefinition);
  }

  #end(broken: Broken | undefined): void {
    this.#direction = 'over';
    // Who cancels the run again, when it has gone back because of that, hears that it is cancelled.
    const isCancelledAgain = this.#reason?.failure === stopped && this.#scope.isCancelled();
    if (this.#reason !== undefined && !isCancelledAgain) {
      const { failure, cause } = this.#reason;
      // Where nothing was done, another life may try again.
      if (broken === undefined)
        this.#scope.fail(cause, this.#hasUndone ? { ...failure, retryable: false } : failure);
      else {
        const error = new CompensationError(broken.step, broken.failure, failure);
        this.#scope.fail(error, error.failure);
      }
    }
    for (const done of this.#waiting.splice(0)) done();
  }
}

const stopped: Failure = {
  name: 'Cancelled',
  message: 'it was stopped before its end, and what it had done was undone',
  retryable: false,
};

/** A step that could not be undone. */
interface Broken {
  readonly step: string;
  readonly failure: Failure;
}

/** The output of undoing is not used. */
const nothing = new t.Type<unknown>(
  'nothing',
  (value): value is unknown => value === undefined,
  () => t.success(undefined),
  () => undefined,
);

/** The agent that undoes what another one did. */
export function undoing(of: FunctionDefinition, { limitKey }: StepResult): Agent<never, unknown> {
  const { name, policy, output, compensate } = of;
  const { retry, timeoutMs, limit } = policy;
  return defineAgent<never, unknown>((source) => source, {
    kind: 'function',
    name: UNDO + name,
    output: nothing,
    policy: {
      ...(retry !== undefined && { retry }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      // Without its key, as in records of earlier releases, a limit cannot tell whom this concerns.
      ...(limit !== undefined && (limit.key === undefined || limitKey !== undefined) && { limit }),
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
