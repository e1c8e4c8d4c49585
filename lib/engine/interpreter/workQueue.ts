import type { StepTask } from '../task';

/** Who owns a queue. */
export interface QueueOwner {
  /** All work is done; what is done now may bring more. */
  onDrained(): void;
  /** All work is done and nothing is active. */
  onIdle(): void;
  /** A piece of work threw, which none does on purpose. */
  onError(error: unknown): void;
}

// Long enough to make cutting the front off the queue cheap, short enough to let go of what is done.
const CUT = 1024;

/** Run-to-completion queue of one run. Counts who is active, and so knows when the run is idle. */
export class WorkQueue {
  readonly #owner: QueueOwner;
  readonly #queue: (() => void)[] = [];
  #active = 0;
  #isWorking = false;
  #isOver = false;

  constructor(owner: QueueOwner) {
    this.#owner = owner;
  }

  /** How many are active, questions to the engine included. */
  get active(): number {
    return this.#active;
  }

  /** Does the work now, or behind what is under way. */
  enqueue(work: () => void): void {
    this.#queue.push(work);
    if (!this.#isWorking) this.#work();
  }

  /** Says whether a step will bring the run on by itself. */
  setActive(task: StepTask, isActive: boolean): void {
    if (task.isActive === isActive) return;
    task.isActive = isActive;
    this.#count(task, isActive ? 1 : -1);
  }

  /** A structure has asked the engine something. The function that comes back enqueues the reaction to the reply. */
  ask(task: StepTask, reaction: () => void): () => void {
    const { attempt } = task;
    task.pending += 1;
    this.#count(task, 1);
    return () => {
      this.enqueue(() => {
        if (task.phase !== 'running' || task.attempt !== attempt) return;
        task.pending -= 1;
        this.#count(task, -1);
        reaction();
      });
    };
  }

  /** Forgets what a step has asked: nobody waits for the replies any more. */
  dropAsked(task: StepTask): void {
    this.#count(task, -task.pending);
    task.pending = 0;
  }

  /** From here on nothing is done any more. */
  end(): void {
    this.#isOver = true;
  }

  #count(task: StepTask, change: number): void {
    this.#active += change;
    for (let room = task.room; room !== undefined; room = room.parent?.room) room.activeInRoom += change;
  }

  #work(): void {
    this.#isWorking = true;
    try {
      do {
        this.#drain();
        if (!this.#isOver) this.#owner.onDrained();
      } while (this.#queue.length > 0 && !this.#isOver);
    } finally {
      this.#isWorking = false;
    }
    if (this.#active === 0 && !this.#isOver) this.#owner.onIdle();
  }

  #drain(): void {
    const queue = this.#queue;
    let position = 0;
    while (position < queue.length && !this.#isOver) {
      try {
        queue[position]?.();
      } catch (error) {
        this.#owner.onError(error);
      }
      position += 1;
      if (position === CUT) {
        queue.splice(0, CUT);
        position = 0;
      }
    }
    // Mostly there is one: setting the length costs five times as much.
    if (queue.length === 1) queue.pop();
    else queue.length = 0;
  }
}
