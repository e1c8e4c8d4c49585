import type { Answer } from '../../lib/graph/answer';
import type { Engine } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import { toFailure } from '../../lib/model/failure';
import type { StepResult } from '../../lib/model/stepResult';
import { NestedInputError } from '../nestedInputError';
import { completedAnswer } from './completedAnswer';

/**
 * How a step has ended before, as its structure hears it; undefined when it has not ended. A step that is asked for with
 * another input than before, or whose saved output can no longer be read, has failed.
 */
export function savedAnswer(
  engine: Pick<Engine, 'hash'>,
  task: StepTask,
  saved: StepResult,
): Answer | undefined {
  try {
    if (saved.inputHash !== undefined && (engine.hash(task.input) ?? saved.inputHash) !== saved.inputHash) {
      throw new NestedInputError(task.path);
    }
    switch (saved.status) {
      case 'COMPLETED':
        return completedAnswer(task.definition, saved.output, saved.kept);
      case 'SKIPPED':
        return { kind: 'skipped', output: saved.output };
      case 'FAILED':
        return {
          kind: 'failed',
          failure: saved.error ?? toFailure('unknown', task.path),
          cause: undefined,
        };
      default:
        return undefined;
    }
  } catch (error) {
    return { kind: 'failed', failure: toFailure(error, task.path), cause: error };
  }
}
