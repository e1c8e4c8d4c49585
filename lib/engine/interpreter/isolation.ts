import { pathsAbove } from '../../model/stepPath';
import type { StepResult } from '../../model/stepResult';
import type { StepTable } from '../../model/stepTable';
import type { Stop } from '../../streams/pull';
import type { StepTask } from '../task';
import { isAbove } from '../task';
import type { WorkQueue } from './workQueue';

/** A step that was under way when the process died, and how much speaks against it. */
interface Suspect {
  readonly crashes: number;
  readonly crashedAlone: number;
  /** It had its turn in an earlier life, and was still under way when others were let in. */
  readonly hasOutlasted: boolean;
}

/** By their paths. */
export type Suspects = ReadonlyMap<string, Suspect>;

const NO_SUSPECT: Suspect = { crashes: 0, crashedAlone: 0, hasOutlasted: false };

/** How long others wait for a step at first. */
const PATIENCE_MS = 10_000;
/** It is doubled by each death, at most so often: to about an hour and a half. */
const MOST_DOUBLINGS = 9;

/**
 * Finds out which step kills its process. After a second death inside the same step, every step that was under way at a death is
 * a suspect and is called alone: nothing else is under way then, so that the next death names it. A step that waits for its turn
 * has not begun: it is PENDING and its time does not run.
 *
 * Those against whom least speaks go first, so that the innocent end and a long step does not keep the others from it. One that
 * takes too long, such as a candidate of a race that never ends by itself, must not be waited for for ever: others are let in beside
 * it, and it comes last in the next life. The patience doubles with each death, so that in the end it is longer than what kills takes.
 */
export class Isolation {
  readonly #suspects: Suspects;
  readonly #queue: WorkQueue;
  /** Whether a step that was called does nothing but read from steps under way. */
  readonly #onlyReads: (task: StepTask) => boolean;
  readonly #sleep: (delayMs: number, wake: () => void) => Stop;
  readonly #inside = new Set<StepTask>();
  readonly #waiting = new Map<StepTask, () => void>();
  /** Those inside that nobody waits for any more, and whether that is on record. */
  readonly #outlasted = new Map<StepTask, boolean>();
  /** Those inside that others are waiting for, until patience ends. */
  #waitedFor: readonly StepTask[] = [];
  #stopWaiting: Stop | undefined;

  /** @param suspects - Those of `suspectsAmong`. */
  constructor(
    suspects: Suspects,
    queue: WorkQueue,
    onlyReads: (task: StepTask) => boolean,
    sleep: (delayMs: number, wake: () => void) => Stop,
  ) {
    this.#suspects = suspects;
    this.#queue = queue;
    this.#onlyReads = onlyReads;
    this.#sleep = sleep;
  }

  /** Whether a step that is called has nothing beside it. */
  isAlone(task: StepTask): boolean {
    return this.#inside.has(task) && this.#isExclusive(task) && this.#outlasted.size === 0;
  }

  /** The steps that are not alone any more now that another one is called, and are not on record as such. */
  joined(): readonly string[] {
    if (this.#outlasted.size === 0) return [];
    const joined = [...this.#outlasted].flatMap(([task, isOnRecord]) => (isOnRecord ? [] : [task]));
    for (const task of joined) this.#outlasted.set(task, true);
    return joined.map(({ path }) => path);
  }

  /**
   * Whether a step has to wait for its turn; then `go` is called when it has come.
   *
   * @param isDue - It has waited for something else already: it goes now if it may, before those who wait for their turn.
   */
  holdsBack(task: StepTask, isDue: boolean, go: () => void): boolean {
    if (this.#inside.has(task)) return false;
    if (isDue && this.#mayEnter(task)) {
      this.#inside.add(task);
      return false;
    }
    this.#waiting.set(task, go);
    return true;
  }

  /** The step is over, or gives its turn to others. */
  leave(task: StepTask): void {
    this.#inside.delete(task);
    this.#waiting.delete(task);
    this.#outlasted.delete(task);
  }

  /** The life has ended. */
  end(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
  }

  /** Lets in whose turn it is. Once all that was asked for at the same time is known, so that the order can be chosen. */
  admit(): void {
    if (this.#waiting.size > 0) this.#admitInOrder();
    this.#bePatient();
  }

  #admitInOrder(): void {
    const inOrder = [...this.#waiting].sort(([one], [other]) => {
      const { crashes, crashedAlone, hasOutlasted } = this.#rank(one);
      const than = this.#rank(other);
      return (
        Number(hasOutlasted) - Number(than.hasOutlasted) ||
        crashedAlone - than.crashedAlone ||
        crashes - than.crashes
      );
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

  /** Those who wait do so for a while, which begins anew when all that they waited for have ended. */
  #bePatient(): void {
    const waitedFor =
      this.#waiting.size === 0 ? [] : [...this.#inside].filter((task) => this.#isInTheWay(task));
    if (this.#waitedFor.some((task) => waitedFor.includes(task))) return;
    this.end();
    this.#waitedFor = waitedFor;
    if (waitedFor.length === 0) return;
    const mostCrashes = Math.max(...[...this.#suspects.values()].map(({ crashes }) => crashes));
    this.#stopWaiting = this.#sleep(PATIENCE_MS * 2 ** Math.min(mostCrashes - 2, MOST_DOUBLINGS), () => {
      for (const task of waitedFor) if (this.#inside.has(task)) this.#outlasted.set(task, false);
      this.#waitedFor = [];
      // Whoever waits is let in when the queue is empty.
      this.#queue.enqueue(() => undefined);
    });
  }

  /** Who waits for what it has asked for, or for what it reads, must not be waited for. */
  #isInTheWay(task: StepTask): boolean {
    return task.isActive && !this.#onlyReads(task) && !this.#outlasted.has(task);
  }

  #rank(task: StepTask): Suspect {
    return this.#suspects.get(task.path) ?? NO_SUSPECT;
  }

  #mayEnter(task: StepTask): boolean {
    const isExclusive = this.#isExclusive(task);
    for (const other of this.#inside) {
      if (other === task || !this.#isInTheWay(other) || isAbove(other, task)) continue;
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

/** The suspects among the steps on record; undefined where there are none, as in nearly every run. */
export function suspectsAmong(steps: StepTable): Suspects | undefined {
  const open: StepResult[] = [];
  for (const row of steps) if (row.crashes !== undefined && row.status === 'PENDING') open.push(row);
  if (open.every(({ crashes = 0 }) => crashes < 2)) return undefined;
  const above = new Set<string>();
  for (const { stepId } of steps) for (const path of pathsAbove(stepId, steps)) above.add(path);
  // What has steps below is a composite, or a function that is begun anew from them.
  const calls = open.filter(({ stepId }) => !above.has(stepId));
  if (calls.every(({ crashes = 0 }) => crashes < 2)) return undefined;
  return new Map(
    calls.map(({ stepId, crashes = 0, crashedAlone = 0, alone }) => [
      stepId,
      { crashes, crashedAlone, hasOutlasted: alone === false },
    ]),
  );
}
