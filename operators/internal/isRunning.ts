import type { StepTask } from '../../lib/graph/stepTask';

/**
 * Whether an attempt at a step is under way.
 *
 * A function, because the compiler would otherwise believe that what was just set cannot have changed meanwhile.
 */
export function isRunning(task: StepTask): boolean {
  return task.phase === 'running';
}
