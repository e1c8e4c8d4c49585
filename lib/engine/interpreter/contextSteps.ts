import { Observable } from 'rxjs';

import { checkName } from '../../definition/checks';
import { definitionOf } from '../../definition/definition';
import type { Answer, StepRequest, TaskPolicy } from '../../definition/scope';
import { DuplicateStepError, StepError } from '../../errors/stepErrors';
import type { Agent } from '../../model/agentType';
import type { StepTask } from '../task';
import { pathBelow } from '../task';
import type { Turns } from './workQueue';

/** The steps that functions ask for while they run. */
export interface NestedSteps {
  /** What `ctx.step` does. */
  step<I, O>(parent: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O>;
  /** Stops what a function has asked for. */
  cancelBelow(parent: StepTask): void;
  /** The functions that wait for such steps right now. */
  readonly parents: ReadonlySet<StepTask>;
}

/**
 * While a step that it asked for is under way, a function counts as waiting for it: it brings nothing on by itself.
 *
 * @param start - Begins a step below another one.
 */
export function nestedSteps(
  turns: Turns,
  start: (parent: StepTask, request: StepRequest, answer: (answer: Answer) => void) => StepTask,
  cancel: (task: StepTask) => void,
): NestedSteps {
  const parents = new Set<StepTask>();
  const subscribers = new WeakMap<StepTask, { complete(): void }>();

  const forget = (parent: StepTask, child: StepTask | undefined): void => {
    if (child === undefined || parent.children?.delete(child) !== true || parent.children.size > 0) return;
    parents.delete(parent);
    if (parent.phase === 'running') turns.setMoving(parent, true);
  };

  return {
    parents,
    step<I, O>(parent: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O> {
      checkName(parent.definition.name, 'the id of a nested step', id);
      const path = pathBelow(parent.path, id);
      const definition = definitionOf(agent);
      if (definition === undefined) {
        throw new TypeError(`Cannot run step "${path}": it is no agent; make one with agent()`);
      }
      const ids = (parent.nestedIds ??= new Set());
      if (ids.has(id)) throw new DuplicateStepError(path);
      ids.add(id);
      const policy: TaskPolicy = { ...definition.policy, checkInput: true };
      const { attempt } = parent;
      let isAsked = false;
      return new Observable<O>((subscriber) => {
        if (isAsked) throw new DuplicateStepError(path);
        isAsked = true;
        let child: StepTask | undefined;
        turns.later(() => {
          if (subscriber.closed) return;
          if (parent.phase !== 'running' || parent.attempt !== attempt) {
            subscriber.complete();
            return;
          }
          const request = { id, agent: agent as unknown as Agent<never, unknown>, input, policy };
          child = start(parent, request, (answer) => {
            forget(parent, child);
            if (answer.kind === 'failed') subscriber.error(new StepError(answer.failure, answer.cause));
            else {
              subscriber.next(answer.output as O);
              subscriber.complete();
            }
          });
          parents.add(parent);
          (parent.children ??= new Set()).add(child);
          subscribers.set(child, subscriber);
          turns.setMoving(parent, false);
        });
        return () => {
          if (child === undefined || child.phase === 'done') return;
          const left = child;
          turns.later(() => {
            cancel(left);
            forget(parent, left);
          });
        };
      });
    },
    cancelBelow(parent) {
      const { children } = parent;
      if (children === undefined) return;
      parent.children = undefined;
      parents.delete(parent);
      for (const child of children) {
        cancel(child);
        // The function may still wait for it: it goes on, with nothing, so that it can clean up.
        subscribers.get(child)?.complete();
      }
    },
  };
}
