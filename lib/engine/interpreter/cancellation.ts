import type { Definition } from '../../definition/definition';
import { definitionOf, isContainer, isStructure } from '../../definition/definition';
import type { Undoable } from '../../definition/scope';
import type { StepTask } from '../task';
import type { WorkQueue } from './workQueue';

/**
 * What sagas have to undo when the run is cancelled on request, or when they are stopped while the run goes on. Undoing is one
 * sequence for each saga: whoever needs it done waits for it.
 */
export class Cancellation {
  readonly #queue: WorkQueue;
  // Most runs have no saga.
  #sagas: Map<StepTask, Undoable> | undefined;
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

  /** The steps that undo what others have done. */
  get undoing(): Iterable<StepTask> {
    return this.#undoing ?? [];
  }

  add(task: StepTask, undoable: Undoable): void {
    // An earlier attempt of the same one was stopped, and goes on in this one.
    for (const other of this.#sagas?.keys() ?? []) if (other.path === task.path) this.remove(other);
    (this.#sagas ??= new Map()).set(task, undoable);
  }

  /** The saga has come to its end by itself: it is undone, or there is nothing to undo. */
  remove(task: StepTask): void {
    this.#sagas?.delete(task);
  }

  isUndoing(task: StepTask): boolean {
    return this.#sagas?.get(task)?.isUndoing() === true;
  }

  hasAny(): boolean {
    return this.#sagas !== undefined && this.#sagas.size > 0;
  }

  /** The step undoes what others have done. */
  markUndoing(task: StepTask): void {
    (this.#undoing ??= new Set()).add(task);
  }

  /**
   * Lets sagas at and below a step, of which nothing else goes on, come to the end of undoing.
   *
   * @param all - Whether those undo too that have not begun to; otherwise they are left as they are, for a later attempt or life.
   * @returns False when nothing is left to undo; otherwise `done` is called later.
   */
  undoBelow(task: StepTask, all: boolean, done: () => void): boolean {
    const undoing = this.#below(task).filter(([, saga]) => saga.isUndoing());
    if (undoing.length > 0) {
      // What one saga undoes may be what another one has to build on when it undoes.
      this.#undo(undoing, () => {
        if (!this.undoBelow(task, all, done)) done();
      });
      return true;
    }
    if (!all) return false;
    // An outer saga undoes what the inner ones have done, too.
    const sagas = this.#below(task).filter(([saga]) => !hasAbove(saga, (above) => this.#isUndone(above)));
    const outermost = sagas.filter(
      ([one]) => !hasAbove(one, (above) => sagas.some(([saga]) => saga === above)),
    );
    if (outermost.length === 0) return false;
    this.#undo(outermost, done);
    return true;
  }

  /** Begins to undo all there is on request; false when there is nothing. `done` is called when all is undone. */
  begin(root: StepTask, done: () => void): boolean {
    if (this.#hasBegun) return true;
    this.#isHolding = this.#isHolding || this.hasAny();
    this.#hasBegun = this.undoBelow(root, true, done);
    return this.#hasBegun;
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

  #isUndone(task: StepTask): boolean {
    return this.#sagas?.get(task)?.isUndone() === true;
  }

  #below(task: StepTask): (readonly [StepTask, Undoable])[] {
    return [...(this.#sagas ?? [])].filter(
      ([saga, { isUndone }]) => !isUndone() && (saga === task || hasAbove(saga, (above) => above === task)),
    );
  }

  /** Lets these undo, each once, and goes on in work of its own. */
  #undo(sagas: readonly (readonly [StepTask, Undoable])[], done: () => void): void {
    let left = sagas.length;
    for (const [task, saga] of sagas) {
      this.#queue.enqueue(() => {
        saga.undo(() => {
          for (const [undone] of this.#below(task)) this.remove(undone);
          this.remove(task);
          left -= 1;
          if (left === 0) this.#queue.enqueue(done);
        });
      });
    }
  }
}

/** Whether an agent has something within that may want to undo. */
export function hasSaga(definition: Definition | undefined): boolean {
  if (definition === undefined || !isStructure(definition)) return false;
  return definition.kind === 'saga' || definition.parts.some(({ agent }) => hasSaga(definitionOf(agent)));
}

function hasAbove(task: StepTask, test: (above: StepTask) => boolean): boolean {
  for (let above = task.parent; above !== undefined; above = above.parent) if (test(above)) return true;
  return false;
}
