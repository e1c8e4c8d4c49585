import type { Answer } from '../../lib/graph/answer';
import type { Definition } from '../../lib/graph/definition';
import type { StepRequest, TaskPolicy } from '../../lib/graph/scope';
import type { StepTask } from '../../lib/graph/stepTask';

/** A step that has been asked for and has not begun. */
export function newTask(
  parent: StepTask | undefined,
  path: string,
  definition: Definition,
  policy: TaskPolicy,
  input: unknown,
  answer: (answer: Answer) => void,
  { watch, isAnew = false }: Pick<StepRequest, 'watch' | 'isAnew'> = {},
): StepTask {
  return {
    path,
    definition,
    policy,
    parent,
    answer,
    watch,
    isAnew,
    input,
    attempt: 0,
    revision: 0,
    tries: 0,
    startedAt: 0,
    partials: 0,
    kept: undefined,
    phase: 'running',
    isMoving: false,
    asks: 0,
    stop: undefined,
    failedBelow: undefined,
    nestedIds: undefined,
    children: undefined,
  };
}
