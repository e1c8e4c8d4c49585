import type { Definition } from '../../definition/definition';
import { definitionOf, isContainer, isStructure } from '../../definition/definition';
import { definitionBelow } from '../../definition/definitionAt';
import type { Undoable } from '../../definition/scope';
import type { StepResult } from '../../model/stepResult';
import type { StepTable } from '../../model/stepTable';
import type { StepTask } from '../task';
import { newTask } from '../task';
import { UNDO, undoingOf } from '../undone';
import type { PriorSteps } from './priorSteps';
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
  /** Sagas that somebody has asked to undo, in work that is still to be done. */
  #asked: Set<StepTask> | undefined;
  /** Sagas that have completed, while nobody has heard of it. */
  #unheard: Map<StepTask, Undoable> | undefined;
  /** For each saga that has begun to go back one of the steps that undo for it, by their paths. */
  #goneBack: Map<string, string> | undefined;
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

  /** The saga has completed: it stands, unless whoever waits for it turns out not to want it any more. */
  complete(task: StepTask): void {
    const undoable = this.#sagas?.get(task);
    if (undoable === undefined) return;
    this.#sagas?.delete(task);
    (this.#unheard ??= new Map()).set(task, undoable);
  }

  /** That a step has completed is known to whoever waits for it: it stands. */
  heard(task: StepTask): void {
    this.#unheard?.delete(task);
  }

  /** Another step has won: a saga that has completed since then is undone too. */
  lost(task: StepTask): void {
    const undoable = this.#unheard?.get(task);
    if (undoable === undefined) return;
    this.#unheard?.delete(task);
    this.add(task, undoable);
  }

  /** Takes up a step on record that undoes. */
  recall(row: StepResult, steps: StepTable): void {
    const undoing = row.agent.startsWith(UNDO) ? undoingOf(row, steps) : undefined;
    if (undoing !== undefined) (this.#goneBack ??= new Map()).set(undoing.saga, row.stepId);
  }

  /** Whether a saga has begun to go back, as far as is known of it from earlier lives and attempts. */
  hasGoneBack(path: string, prior: Pick<PriorSteps, 'begun'>): boolean {
    const undoing = this.#goneBack?.get(path);
    return undoing !== undefined && prior.begun(undoing) !== undefined;
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
    if (task.parent !== undefined) (this.#goneBack ??= new Map()).set(task.parent.path, task.path);
  }

  /**
   * Lets sagas at and below a step, of which nothing else goes on, come to the end of undoing.
   *
   * @param all - Whether those undo too that have not begun to; otherwise they are left as they are, for a later attempt or life.
   * @returns False when nothing is left to undo; otherwise `done` is called later.
   */
  undoBelow(task: StepTask, all: boolean, done: () => void): boolean {
    const undoing = this.#below(task).filter(
      ([one, saga]) => saga.isUndoing() || this.#asked?.has(one) === true,
    );
    if (undoing.length > 0) {
      // What one saga undoes may be what another one has to build on when it undoes.
      this.#undo(undoing, () => {
        if (!this.undoBelow(task, all, done)) done();
      });
      return true;
    }
    if (!all) return false;
    // An outer saga undoes what the inner ones have done, too: also one that has begun to, or is about to.
    const sagas = this.#below(task).filter(([saga]) => !hasAbove(saga, (above) => this.#goesBack(above)));
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
    return (
      this.#isHolding &&
      // A structure that had begun brings forth the sagas within.
      !(isContainer(task.definition) && task.attempt > 0) &&
      !this.isWithinUndoing(task)
    );
  }

  /** Whether a step undoes, or one that undoes has asked for it. */
  isWithinUndoing(task: StepTask): boolean {
    const undoing = this.#undoing;
    return undoing !== undefined && (undoing.has(task) || hasAbove(task, (above) => undoing.has(above)));
  }

  #goesBack(task: StepTask): boolean {
    const saga = this.#sagas?.get(task);
    return saga !== undefined && (this.#asked?.has(task) === true || saga.isUndoing() || saga.isUndone());
  }

  #below(task: StepTask): (readonly [StepTask, Undoable])[] {
    return [...(this.#sagas ?? [])].filter(
      ([saga, { isUndone }]) => !isUndone() && (saga === task || hasAbove(saga, (above) => above === task)),
    );
  }

  /** Lets these undo, each once, and goes on in work of its own. */
  #undo(sagas: readonly (readonly [StepTask, Undoable])[], done: () => void): void {
    let left = sagas.length;
    const leave = (): void => {
      left -= 1;
      if (left === 0) this.#queue.enqueue(done);
    };
    for (const [task, saga] of sagas) {
      (this.#asked ??= new Set()).add(task);
      this.#queue.enqueue(() => {
        this.#begin(task, saga, leave);
      });
    }
  }

  /** Lets one undo, unless it has come to its end meanwhile. */
  #begin(task: StepTask, saga: Undoable, done: () => void): void {
    // What has completed stands.
    if (this.#sagas?.get(task) !== saga) {
      this.#asked?.delete(task);
      done();
      return;
    }
    // One within may have begun to go back since it was asked: what that one undoes is not undone twice.
    const within = this.#below(task).filter(([one, { isUndoing }]) => one !== task && isUndoing());
    if (within.length > 0) {
      this.#undo(within, () => {
        this.#begin(task, saga, done);
      });
      return;
    }
    this.#asked?.delete(task);
    saga.undo(() => {
      for (const [undone] of this.#below(task)) this.remove(undone);
      this.remove(task);
      done();
    });
  }
}

/** Whether an agent has something within that may want to undo. */
export function hasSaga(definition: Definition | undefined): boolean {
  if (definition === undefined || !isStructure(definition)) return false;
  return definition.kind === 'saga' || definition.parts.some(({ agent }) => hasSaga(definitionOf(agent)));
}

/**
 * The sagas at and below a step that were under way when it was stopped in an earlier life, outer ones first, by the record alone: what
 * the structures between ask for, decide or read is not asked again.
 */
export function* unfinishedSagas(
  stopped: StepTask,
  prior: Pick<PriorSteps, 'begun' | 'rowsBelow'>,
): Generator<StepTask> {
  const left = prior.begun(stopped.path) === undefined ? [] : [stopped];
  for (let task = left.pop(); task !== undefined; task = left.pop()) {
    const { path, definition } = task;
    if (!hasSaga(definition)) continue;
    if (definition.kind === 'saga') yield task;
    const rows = prior.rowsBelow(path);
    const standing = definition.kind === 'firstOf' ? earliestCompleted(rows) : undefined;
    const below: StepTask[] = [];
    for (const row of rows) {
      const { stepId, status, attempts } = row;
      const hasEnded =
        status === 'FAILED' || (status === 'COMPLETED' && (standing === undefined || standing === row));
      const part =
        attempts === 0 || hasEnded ? undefined : definitionBelow(definition, stepId.slice(path.length));
      if (part !== undefined && part !== 'unknown')
        below.push(newTask(task, stepId, part, part.policy, undefined, () => undefined));
    }
    left.push(...below.reverse());
  }
}

/** Which candidate of a race has won, where more than one had completed before the process died. */
function earliestCompleted(rows: readonly StepResult[]): StepResult | undefined {
  return rows
    .filter(({ status }) => status === 'COMPLETED')
    .reduce<StepResult | undefined>(
      (a, b) => (a === undefined || (b.seq ?? 0) < (a.seq ?? 0) ? b : a),
      undefined,
    );
}

function hasAbove(task: StepTask, test: (above: StepTask) => boolean): boolean {
  for (let above = task.parent; above !== undefined; above = above.parent) if (test(above)) return true;
  return false;
}
