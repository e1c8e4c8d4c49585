import type { StepResult } from '../../model/stepResult';
import type { StepTask } from '../task';
import type { WorkQueue } from './workQueue';

/** A step that was under way when the process died, and how much speaks against it. */
interface Suspect {
  readonly crashes: number;
  readonly crashedAlone: number;
}

const NO_SUSPECT: Suspect = { crashes: 0, crashedAlone: 0 };

/**
 * Finds out which step kills its process. After a second death inside the same step, every step that was under way at a death is
 * a suspect and is called alone: nothing else is under way then, so that the next death names it. A step that waits for its turn
 * has not begun: it is PENDING and its time does not run.
 *
 * Those against whom least speaks go first, so that the innocent end and a long step does not keep the others from it.
 */
export class Isolation {
  readonly #suspects = new Map<string, Suspect>();
  readonly #queue: WorkQueue;
  /** Whether a step that was called does nothing but read from steps under way. */
  readonly #onlyReads: (task: StepTask) => boolean;
  readonly #inside = new Set<StepTask>();
  readonly #waiting = new Map<StepTask, () => void>();

  constructor(queue: WorkQueue, onlyReads: (task: StepTask) => boolean) {
    this.#queue = queue;
    this.#onlyReads = onlyReads;
  }

  /** Whether there are suspects. */
  get isOn(): boolean {
    return this.#suspects.size > 0;
  }

  /** Looks for suspects among the steps on record. */
  suspect(steps: Iterable<StepResult>): void {
    const open: StepResult[] = [];
    for (const row of steps) if (row.crashes !== undefined && row.status === 'PENDING') open.push(row);
    if (open.every(({ crashes = 0 }) => crashes < 2)) return;
    const above = new Set<string>();
    for (const { stepId } of steps) {
      for (let end = stepId.length - 1; end > 0; end -= 1)
        if (stepId[end] === '/' || stepId[end] === '[') above.add(stepId.slice(0, end));
    }
    // What has steps below is a composite, or a function that is begun anew from them.
    const calls = open.filter(({ stepId }) => !above.has(stepId));
    if (calls.every(({ crashes = 0 }) => crashes < 2)) return;
    for (const { stepId, crashes = 0, crashedAlone = 0 } of calls)
      this.#suspects.set(stepId, { crashes, crashedAlone });
  }

  /** Whether a step that is called has nothing beside it. */
  isAlone(task: StepTask): boolean {
    return this.#inside.has(task) && this.#isExclusive(task);
  }

  /**
   * Whether a step has to wait for its turn; then `go` is called when it has come.
   *
   * @param isDue - It has waited for something else already: it goes now if it may, before those who wait for their turn.
   */
  holdsBack(task: StepTask, isDue: boolean, go: () => void): boolean {
    if (!this.isOn || this.#inside.has(task)) return false;
    if (isDue && this.#mayEnter(task)) {
      this.#inside.add(task);
      return false;
    }
    this.#waiting.set(task, go);
    return true;
  }

  /** The step is over, or gives its turn to others. */
  leave(task: StepTask): void {
    if (!this.isOn) return;
    this.#inside.delete(task);
    this.#waiting.delete(task);
  }

  /** Lets in whose turn it is. Once all that was asked for at the same time is known, so that the order can be chosen. */
  admit(): void {
    if (this.#waiting.size === 0) return;
    const inOrder = [...this.#waiting].sort(([one], [other]) => {
      const { crashes, crashedAlone } = this.#rank(one);
      const than = this.#rank(other);
      return crashedAlone - than.crashedAlone || crashes - than.crashes;
    });
    for (const [task, go] of inOrder) {
      if (!this.#mayEnter(task)) continue;
      this.#waiting.delete(task);
      this.#inside.add(task);
      this.#queue.enqueue(() => {
        if (task.phase !== 'done' && this.#inside.has(task)) go();
      });
    }
  }

  #rank(task: StepTask): Suspect {
    return this.#suspects.get(task.path) ?? NO_SUSPECT;
  }

  #mayEnter(task: StepTask): boolean {
    const isExclusive = this.#isExclusive(task);
    for (const other of this.#inside) {
      // Who waits for what it has asked for, or for what it reads, must not be waited for.
      if (other === task || !other.isActive || this.#onlyReads(other) || isAbove(other, task)) continue;
      if (isExclusive || this.#isExclusive(other)) return false;
    }
    return true;
  }

  /** What a suspect asks for is under way beside nothing but the suspect. */
  #isExclusive(task: StepTask): boolean {
    for (let step: StepTask | undefined = task; step !== undefined; step = step.parent)
      if (this.#suspects.has(step.path)) return true;
    return false;
  }
}

function isAbove(other: StepTask, task: StepTask): boolean {
  for (let step = task.parent; step !== undefined; step = step.parent) if (step === other) return true;
  return false;
}
