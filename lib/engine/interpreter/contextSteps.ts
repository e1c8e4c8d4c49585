import type { Subscriber } from 'rxjs';
import { Observable } from 'rxjs';

import { checkName, notAnAgent } from '../../definition/checks';
import { definitionOf, isStructure } from '../../definition/definition';
import type { StepRequest } from '../../definition/scope';
import { isBail } from '../../definition/scope';
import { AttemptOverError, DuplicateStepError, StepDepthError, StepError } from '../../errors/stepErrors';
import type { Agent } from '../../model/agentType';
import { bail } from '../../model/bail';
import type { StepTask } from '../task';
import { pathBelow } from '../task';
import type { StepMachine } from './stepMachine';

/**
 * The steps that functions ask for while they run. While a step that it asked for is under way, a function counts as waiting
 * for it: it brings nothing on by itself.
 */
export class ContextSteps {
  readonly #machine: StepMachine;
  // Most runs have none.
  #waiting: Set<StepTask> | undefined;

  constructor(machine: StepMachine) {
    this.#machine = machine;
  }

  /** The functions that wait for such steps right now. */
  parents(): readonly StepTask[] {
    return [...(this.#waiting ?? [])];
  }

  /** What `ctx.step` does. */
  step<I, O>(parent: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O> {
    checkName(parent.definition.name, 'the id of a nested step', id);
    const path = pathBelow(parent.path, id);
    const definition = definitionOf(agent);
    if (definition === undefined) {
      throw notAnAgent(`run step "${path}"`, agent);
    }
    if (functionsAbove(parent) >= DEEPEST) throw new StepDepthError(path, DEEPEST);
    const ids = (parent.nestedIds ??= new Set());
    if (ids.has(id)) throw new DuplicateStepError(path);
    ids.add(id);
    // What is spread stands last: V8 takes ten times as long for a field behind it.
    const policy = { checkInput: true, ...definition.policy };
    const request: StepRequest = { id, agent, input, policy };
    const { attempt } = parent;
    let isAsked = false;
    return new Observable<O>((subscriber) => {
      if (isAsked) throw new DuplicateStepError(path);
      isAsked = true;
      // It may begin long after, when the function has heard more.
      const caught = parent.heardFailures?.slice();
      let child: StepTask | undefined;
      const asking: Asking = { isUnderWay: true };
      this.#machine.queue.enqueue(() => {
        if (subscriber.closed) return;
        if (parent.phase !== 'running' || parent.attempt !== attempt)
          tellOver(subscriber, new AttemptOverError(path));
        else child = this.#start(parent, { caught, ...request }, subscriber, asking);
      });
      asking.isUnderWay = false;
      return () => {
        if (child === undefined || child.phase === 'done') return;
        const left = child;
        this.#machine.queue.enqueue(() => {
          this.#machine.cancelStep(left);
          this.#forget(parent, left);
        });
      };
    });
  }

  /**
   * Stops what a function has asked for. Who waits for it hears an error: an end without a value would pass for success.
   *
   * @param reason - Why it is not answered.
   */
  cancelBelow(parent: StepTask, reason: string): void {
    const { children } = parent;
    if (children === undefined) return;
    parent.children = undefined;
    this.#waiting?.delete(parent);
    for (const [child, subscriber] of children) {
      this.#machine.cancelStep(child);
      tellOver(subscriber, new AttemptOverError(child.path, reason));
    }
  }

  #start<O>(parent: StepTask, request: StepRequest, subscriber: Subscriber<O>, asking: Asking): StepTask {
    const { attempt } = parent;
    const child = this.#machine.startStep(parent, request, (answer) => {
      this.#forget(parent, child);
      if (answer.kind === 'failed') {
        const tell = (): void => {
          // The function may go on; that it has is on record with the next step it asks for.
          if (parent.attempt === attempt) (parent.heardFailures ??= []).push(child.path);
          subscriber.error(new StepError(answer.failure, answer.cause));
        };
        // What it asks for within the same turn, as in Promise.all, is asked for before it can have heard.
        if (asking.isUnderWay) queueMicrotask(tell);
        else tell();
      } else {
        subscriber.next((isBail(answer) ? bail(answer.output) : answer.output) as O);
        subscriber.complete();
      }
    });
    (this.#waiting ??= new Set()).add(parent);
    (parent.children ??= new Map()).set(child, subscriber);
    this.#machine.queue.setActive(parent, false);
    return child;
  }

  #forget(parent: StepTask, child: StepTask): void {
    if (parent.children?.delete(child) !== true || parent.children.size > 0) return;
    this.#waiting?.delete(parent);
    if (parent.phase === 'running') this.#machine.queue.setActive(parent, true);
  }
}

/** Whether a function is still within the call that asks for a step. */
interface Asking {
  isUnderWay: boolean;
}

/** As deep as composites may stand in each other. */
const DEEPEST = 256;

function functionsAbove(task: StepTask): number {
  let count = 0;
  for (let step: StepTask | undefined = task; step !== undefined; step = step.parent)
    if (!isStructure(step.definition)) count += 1;
  return count;
}

function tellOver(subscriber: Subscriber<unknown>, error: AttemptOverError): void {
  if (subscriber.closed || hearsErrors(subscriber)) subscriber.error(error);
  else subscriber.unsubscribe();
}

/**
 * Whether an error that is told here reaches somebody. RxJS throws one that does not from a timer, which ends the process: for a
 * step that nobody waits for, `context.step(…).subscribe()`, that would be too much.
 *
 * Looks at what RxJS 7 keeps; where it keeps something else, the error is told.
 */
function hearsErrors(subscriber: Subscriber<unknown>): boolean {
  interface Chained {
    readonly destination?: Chained | null;
    readonly partialObserver?: { readonly error?: unknown };
  }
  let last = subscriber as unknown as Chained;
  while (typeof last.destination === 'object' && last.destination !== null) last = last.destination;
  return last.partialObserver === undefined || last.partialObserver.error !== undefined;
}
