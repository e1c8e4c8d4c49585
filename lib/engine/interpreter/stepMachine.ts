import type { Answer, StepRequest, Undoable } from '../../definition/scope';
import type { StepSkipped } from '../../model/event';
import type { Failure } from '../../model/failure';
import type { GivenBy } from '../../model/givenBy';
import type { StepTask } from '../task';
import type { PriorSteps } from './priorSteps';
import type { Waiting } from './suspend';

/**
 * What structures, functions that ask for steps, and waiting ask of the machine that carries the run out: `StepExecutor`.
 *
 * An interface, so that those files and the machine do not import each other.
 */
export interface StepMachine extends Waiting {
  readonly prior: PriorSteps;
  /** Begins a step below another one. The answer never comes from within this call. */
  startStep(parent: StepTask, request: StepRequest, answer: (answer: Answer) => void): StepTask;
  /** Takes a partial result. Where a Promise comes back, the next one is only asked for after it has settled. */
  takePartial(task: StepTask, value: unknown): void | Promise<void>;
  /** The attempt under way has given this. */
  completeStep(task: StepTask, output: unknown, givenBy?: GivenBy): void;
  /** The attempt under way has failed; the policy says whether another one follows. */
  failStep(task: StepTask, error: unknown, known?: Failure): void;
  /** Stops a step and all below it, and puts on record how it was left. */
  cancelStep(task: StepTask, as?: 'lost' | 'abandoned'): void;
  /** Puts on record that a step, which is not under way, will not run. */
  skipStep(path: string, agent: string, reason: StepSkipped['reason']): void;
  /** A reader of streams has begun to wait. */
  readerWaits(): void;
  /** Whether steps that undo what was done below a structure have begun before. */
  hasGoneBack(task: StepTask): boolean;
  /** Whether the run only goes back. */
  isCancelled(): boolean;
  /** A structure can undo what it has done. */
  canUndo(task: StepTask, undoable: Undoable): void;
}
