import type { Definition } from '../../definition/definition';
import { definitionOf, isContainer, isStructure } from '../../definition/definition';
import type { StepTask } from '../task';
import type { WorkQueue } from './workQueue';

/** Undoes what a saga has done; `done` is called when all of it is. */
type Undo = (done: () => void) => void;

/** How a run is cancelled on request: sagas undo what they have to undo before it stops. */
export class Cancellation {
  readonly #queue: WorkQueue;
  // Most runs have no saga.
  #undoers: Map<StepTask, Undo> | undefined;
  #undoing: Set<StepTask> | undefined;
  #isHolding = false;
  #hasBegun = false;

  constructor(queue: WorkQueue) {
    this.#queue = queue;
  }

  /** Whether the run only goes back. */
  get isUnderWay(): boolean {
    return this.#isHolding;
  }

  /** A step says what has to happen before the run ends. */
  onCancel(task: StepTask, undo: Undo): void {
    (this.#undoers ??= new Map()).set(task, undo);
  }

  /** The step undoes what others have done. */
  markUndoing(task: StepTask): void {
    (this.#undoing ??= new Set()).add(task);
  }

  /** Begins to undo; false when there is nothing that wants to. `done` is called when all have. */
  begin(done: () => void): boolean {
    if (this.#hasBegun) return true;
    const live = [...(this.#undoers ?? [])].filter(([task]) => isLive(task));
    const outermost = live.filter(
      ([task]) => !hasAbove(task, (above) => live.some(([one]) => one === above)),
    );
    if (outermost.length === 0) return false;
    this.#isHolding = true;
    this.#hasBegun = true;
    this.#queue.enqueue(() => {
      let left = outermost.length;
      for (const [, undo] of outermost) {
        undo(() => {
          left -= 1;
          if (left === 0) done();
        });
      }
    });
    return true;
  }

  /** From here on nothing begins that does not undo. */
  holdAll(): void {
    this.#isHolding = true;
  }

  /** Whether a step must not begin any more. */
  holdsBack(task: StepTask): boolean {
    const undoing = this.#undoing;
    return (
      this.#isHolding &&
      // A structure that had begun brings forth the sagas within.
      !(isContainer(task.definition) && task.attempt > 0) &&
      !(undoing !== undefined && (undoing.has(task) || hasAbove(task, (above) => undoing.has(above))))
    );
  }
}

/** Whether an agent has something within that may want to undo. */
export function hasSaga(definition: Definition | undefined): boolean {
  if (definition === undefined || !isStructure(definition)) return false;
  return definition.kind === 'saga' || definition.parts.some(({ agent }) => hasSaga(definitionOf(agent)));
}

function isLive({ phase }: StepTask): boolean {
  return phase === 'running' || phase === 'suspended';
}

function hasAbove(task: StepTask, test: (above: StepTask) => boolean): boolean {
  for (let above = task.parent; above !== undefined; above = above.parent) if (test(above)) return true;
  return false;
}
