import type { LimitPolicy } from '../../model/agentType';
import type { Stop } from '../../streams/pull';
import type { Engine, KeyFailed } from '../engine';
import type { StepTask } from '../task';
import type { Turns } from './workQueue';

/** The steps of a run that wait for the limit of their policy, or have been let in. */
export interface Admissions {
  /** Begins a step when its limit lets it in, or fails to: from within this call where there is room. */
  enter(task: StepTask, limit: LimitPolicy, begin: (failed?: KeyFailed) => void): void;
  /** The step waits no longer, or gives its room to the next one. */
  leave(task: StepTask): void;
  /** Nothing of the run holds room any more. */
  end(): void;
}

/** A step that waits has not started: it is PENDING, its time does not run, and a crash does not count against it. */
export function admissions(engine: Pick<Engine, 'admit'>, turns: Turns): Admissions {
  const held = new Map<StepTask, Stop>();
  return {
    enter(task, limit, begin) {
      if (engine.admit === undefined) {
        begin();
        return;
      }
      const admission: { isIn: boolean; isLate: boolean; failed?: KeyFailed | undefined } = {
        isIn: false,
        isLate: false,
      };
      held.set(
        task,
        engine.admit(limit, task, (failed) => {
          admission.isIn = true;
          admission.failed = failed;
          if (admission.isLate) {
            turns.later(() => {
              if (task.phase !== 'done') begin(failed);
            });
          }
        }),
      );
      admission.isLate = true;
      if (admission.isIn) begin(admission.failed);
    },
    leave(task) {
      const leave = held.get(task);
      if (leave === undefined) return;
      held.delete(task);
      leave();
    },
    end() {
      for (const leave of held.values()) leave();
      held.clear();
    },
  };
}
