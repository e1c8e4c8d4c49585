import type { LimitPolicy } from '../../model/agentType';
import type { Stop } from '../../streams/pull';
import type { Engine, KeyFailed } from '../engine';
import type { StepTask } from '../task';
import type { WorkQueue } from './workQueue';

/** How many of these stand in a room. */
function readersIn(room: StepTask, readers: readonly StepTask[]): number {
  let count = 0;
  for (const reader of readers)
    for (let within = reader.room; within !== undefined; within = within.parent?.room)
      if (within === room) count += 1;
  return count;
}

/** What a limited step has of its limit. */
interface Permit {
  readonly limit: LimitPolicy;
  /** `waiting` for room, `held`, or `lent` to others, because nothing moves in the step until somebody answers. */
  state: 'waiting' | 'held' | 'lent';
  /** Gives the room to the next one, or gives up waiting. */
  leave: Stop | undefined;
  /** What goes on below the step once it has its room back. */
  readonly resumed: (() => void)[];
}

/**
 * The steps of a run that wait for the limit of their policy, or have been let in. A step that waits has not started: it is
 * PENDING, its time does not run, and a crash does not count against it.
 *
 * Who waits for a person needs no room: a step in which nothing moves any more gives its room back, and gets it again before
 * what was answered below it goes on.
 */
export class Permits {
  readonly #engine: Pick<Engine, 'admit'>;
  readonly #queue: WorkQueue;
  // Most runs have no limit.
  #permits: Map<StepTask, Permit> | undefined;

  constructor(engine: Pick<Engine, 'admit'>, queue: WorkQueue) {
    this.#engine = engine;
    this.#queue = queue;
  }

  /** Begins a step when its limit lets it in, or fails to: from within this call where there is room. */
  acquire(task: StepTask, limit: LimitPolicy, begin: (failed?: KeyFailed) => void): void {
    const permit: Permit = { limit, state: 'waiting', leave: undefined, resumed: [] };
    (this.#permits ??= new Map()).set(task, permit);
    this.#admit(task, permit, begin);
  }

  /** The step waits no longer, or gives its room to the next one. */
  release(task: StepTask): void {
    const permit = this.#permits?.get(task);
    if (permit === undefined) return;
    this.#permits?.delete(task);
    permit.leave?.();
  }

  /** Nothing of the run holds room any more. */
  releaseAll(): void {
    for (const { leave } of this.#permits?.values() ?? []) leave?.();
    this.#permits = undefined;
  }

  /** How many are active only because they wait for room. */
  blocked(): number {
    let count = 0;
    for (const { state, resumed } of this.#permits?.values() ?? [])
      if (state === 'waiting') count += Math.max(1, resumed.length);
    return count;
  }

  /**
   * Lends the room of steps in which nothing moves to others.
   *
   * @param readers - What is active and moves nothing: it waits to read more.
   */
  lendResting(readers: readonly StepTask[]): void {
    for (const [task, permit] of this.#permits ?? []) {
      if (permit.state !== 'held' || task.activeInRoom > readersIn(task, readers)) continue;
      permit.state = 'lent';
      const { leave } = permit;
      permit.leave = undefined;
      leave?.();
    }
  }

  /** Goes on below steps that have lent their room, once all of them have it back: the outermost first. */
  resumeBelow(task: StepTask, resume: () => void): void {
    const outermost = this.#outermostWithoutRoom(task);
    if (outermost === undefined) {
      resume();
      return;
    }
    const { step, permit } = outermost;
    permit.resumed.push(() => {
      this.resumeBelow(task, resume);
    });
    if (permit.state === 'waiting') return;
    permit.state = 'waiting';
    const goOn = (): void => {
      for (const go of permit.resumed.splice(0)) go();
    };
    this.#admit(step, permit, goOn, true);
  }

  #outermostWithoutRoom(task: StepTask): { readonly step: StepTask; readonly permit: Permit } | undefined {
    let outermost: { readonly step: StepTask; readonly permit: Permit } | undefined;
    for (let step = task.parent?.room; step !== undefined; step = step.parent?.room) {
      const permit = this.#permits?.get(step);
      if (permit !== undefined && permit.state !== 'held') outermost = { step, permit };
    }
    return outermost;
  }

  #admit(task: StepTask, permit: Permit, begin: (failed?: KeyFailed) => void, isBack = false): void {
    if (this.#engine.admit === undefined) {
      permit.state = 'held';
      begin();
      return;
    }
    const admission: { isIn: boolean; isLate: boolean; failed?: KeyFailed | undefined } = {
      isIn: false,
      isLate: false,
    };
    const enter = (failed?: KeyFailed): void => {
      admission.isIn = true;
      admission.failed = failed;
      permit.state = 'held';
      if (admission.isLate) {
        this.#queue.enqueue(() => {
          if (task.phase !== 'done') begin(failed);
        });
      }
    };
    permit.leave = this.#engine.admit(permit.limit, task, enter, isBack);
    admission.isLate = true;
    if (admission.isIn) begin(admission.failed);
  }
}
