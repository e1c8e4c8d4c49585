import type { LimitPolicy } from '../../model/agentType';
import type { Stop } from '../../streams/pull';
import type { Engine, KeyFailed } from '../engine';
import type { StepTask } from '../task';
import type { WorkQueue } from './workQueue';

/**
 * The steps of a run that wait for the limit of their policy, or have been let in. A step that waits has not started: it is
 * PENDING, its time does not run, and a crash does not count against it.
 */
export class Permits {
  readonly #engine: Pick<Engine, 'admit'>;
  readonly #queue: WorkQueue;
  // Most runs have no limit.
  #held: Map<StepTask, Stop> | undefined;

  constructor(engine: Pick<Engine, 'admit'>, queue: WorkQueue) {
    this.#engine = engine;
    this.#queue = queue;
  }

  /** Begins a step when its limit lets it in, or fails to: from within this call where there is room. */
  acquire(task: StepTask, limit: LimitPolicy, begin: (failed?: KeyFailed) => void): void {
    if (this.#engine.admit === undefined) {
      begin();
      return;
    }
    const admission: { isIn: boolean; isLate: boolean; failed?: KeyFailed | undefined } = {
      isIn: false,
      isLate: false,
    };
    const leave = this.#engine.admit(limit, task, (failed) => {
      admission.isIn = true;
      admission.failed = failed;
      if (admission.isLate) {
        this.#queue.enqueue(() => {
          if (task.phase !== 'done') begin(failed);
        });
      }
    });
    (this.#held ??= new Map()).set(task, leave);
    admission.isLate = true;
    if (admission.isIn) begin(admission.failed);
  }

  /** The step waits no longer, or gives its room to the next one. */
  release(task: StepTask): void {
    const leave = this.#held?.get(task);
    if (leave === undefined) return;
    this.#held?.delete(task);
    leave();
  }

  /** Nothing of the run holds room any more. */
  releaseAll(): void {
    for (const leave of this.#held?.values() ?? []) leave();
    this.#held = undefined;
  }
}
