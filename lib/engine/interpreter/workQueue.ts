import type { Decided } from '../../definition/scope';
import type { Engine } from '../engine';
import type { StepTask } from '../task';

/** The queue from which everything that happens to a run happens, and what it knows about who still moves. */
export interface Turns {
  /** Does the work in a turn of its own: at once, or behind what is under way. */
  later(work: () => void): void;
  /** Whether a step will bring the run on by itself. */
  setMoving(task: StepTask, isMoving: boolean): void;
  /** A structure has asked the engine something. The function that comes back turns the reply into a turn. */
  ask(task: StepTask, reaction: () => void): () => void;
  /** Forgets what a step has asked: nobody waits for the replies any more. */
  dropAsks(task: StepTask): void;
  /** From here on nothing is done any more. */
  end(): void;
}

// Long enough to make cutting the front off the queue cheap, short enough to let go of what is done.
const CUT = 1024;

/**
 * @param atRest - Called when all turns are done and nothing moves.
 * @param broken - Called with what a turn threw, which no turn does on purpose.
 */
export function turns(atRest: () => void, broken: (error: unknown) => void): Turns {
  const queue: (() => void)[] = [];
  let moving = 0;
  let isTaking = false;
  let isOver = false;

  function take(): void {
    isTaking = true;
    try {
      let position = 0;
      while (position < queue.length && !isOver) {
        try {
          queue[position]?.();
        } catch (error) {
          broken(error);
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
    } finally {
      isTaking = false;
    }
    if (moving === 0 && !isOver) atRest();
  }

  const later = (work: () => void): void => {
    queue.push(work);
    if (!isTaking) take();
  };

  return {
    later,
    setMoving(task, isMoving) {
      if (task.isMoving === isMoving) return;
      task.isMoving = isMoving;
      moving += isMoving ? 1 : -1;
    },
    ask(task, reaction) {
      const { attempt } = task;
      task.asks += 1;
      moving += 1;
      return () => {
        later(() => {
          if (task.phase !== 'running' || task.attempt !== attempt) return;
          task.asks -= 1;
          moving -= 1;
          reaction();
        });
      };
    },
    dropAsks(task) {
      moving -= task.asks;
      task.asks = 0;
    },
    end() {
      isOver = true;
    },
  };
}

/** Asks a function of the user's how a step goes on. A step that has stopped meanwhile does not hear what it decided. */
export function decideFor<T>(
  { engine, turns }: { readonly engine: Pick<Engine, 'decide'>; readonly turns: Turns },
  task: StepTask,
  question: string,
  decision: () => T,
  answer: (decided: Decided<T>) => void,
): void {
  engine.decide(task.path, question, decision, (decided) => {
    turns.later(() => {
      if (task.phase !== 'done') answer(decided);
    });
  });
}
