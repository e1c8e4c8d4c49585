import type { Definition } from '../../definition/definition';
import { definitionOf, isContainer, isStructure } from '../../definition/definition';
import type { StepTask } from '../task';
import type { Turns } from './workQueue';

/** How a run is cancelled on request: sagas undo what they have to undo before it stops. */
export interface Cancellation {
  /** A step says what has to happen before the run ends. */
  hear(task: StepTask, undo: (done: () => void) => void): void;
  /** The step undoes what others have done. */
  undoes(task: StepTask): void;
  /** Begins to undo; false when there is nothing that wants to. `done` is called when all have. */
  begin(done: () => void): boolean;
  /** Whether a step must not begin any more. */
  holdsBack(task: StepTask): boolean;
  isUnderWay(): boolean;
  /** From here on nothing begins that does not undo. */
  holdAll(): void;
}

export function cancellation(turns: Turns): Cancellation {
  const undoers = new Map<StepTask, (done: () => void) => void>();
  const undoing = new Set<StepTask>();
  let isUnderWay = false;
  let isUndoing = false;
  const isLive = ({ phase }: StepTask): boolean => phase === 'running' || phase === 'suspended';

  return {
    hear: (task, undo) => undoers.set(task, undo),
    undoes: (task) => undoing.add(task),
    begin(done) {
      if (isUndoing) return true;
      const live = [...undoers].filter(([task]) => isLive(task));
      const outermost = live.filter(
        ([task]) => !hasAbove(task, (above) => live.some(([one]) => one === above)),
      );
      if (outermost.length === 0) return false;
      isUnderWay = true;
      isUndoing = true;
      turns.later(() => {
        let left = outermost.length;
        for (const [, undo] of outermost) {
          undo(() => {
            left -= 1;
            if (left === 0) done();
          });
        }
      });
      return true;
    },
    holdsBack: (task) =>
      isUnderWay &&
      // A structure that had begun brings forth the sagas within.
      !(isContainer(task.definition) && task.attempt > 0) &&
      !undoing.has(task) &&
      !hasAbove(task, (above) => undoing.has(above)),
    isUnderWay: () => isUnderWay,
    holdAll() {
      isUnderWay = true;
    },
  };
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
