import { jsonValue } from '../../lib/codec/json';
import { StateValueError } from '../../lib/codec/stateValueError';
import type { StepTask } from '../../lib/graph/stepTask';
import { jsonBytes } from './jsonBytes';
import { LARGEST_MESSAGE, LARGEST_VALUE } from './limits';
import type { BelowStep, CallResult } from './protocol';
import { recordedFailure } from './recordedFailure';

/** How a call ended by itself. */
export type CallEnd = Extract<CallResult, { readonly kind: 'done' | 'failed' }>;

/** A call that has failed. */
export function failedEnd(task: StepTask, error: unknown, at: number): CallEnd {
  return { kind: 'failed', at, failure: recordedFailure(error, task.path) };
}

/** The output in the form in which it is saved, or why it cannot be. */
export function doneEnd(task: StepTask, output: unknown, at: number): CallEnd {
  try {
    const { output: codec } = task.definition;
    const stored = jsonValue(codec === undefined ? output : codec.encode(output), task.path, {
      bytes: LARGEST_VALUE,
    });
    return { kind: 'done', at, output: stored };
  } catch (error) {
    return failedEnd(task, error, at);
  }
}

/**
 * The end with what is kept beside it, as one entry of the journal: a failure where all of it together is larger than one
 * value may be. What was done below stays with the failure, because a saga has to undo it.
 */
export function endWith(
  task: StepTask,
  end: CallEnd,
  kept: readonly unknown[] | undefined,
  below: readonly BelowStep[],
): CallEnd {
  const beside = { ...(kept !== undefined && { kept }), ...(below.length > 0 && { below }) };
  const output = end.kind === 'done' ? end.output : undefined;
  const bytes = jsonBytes(output) + jsonBytes(kept) + below.reduce((sum, step) => sum + jsonBytes(step), 0);
  if (bytes <= LARGEST_VALUE) return { ...end, ...beside };
  const why = `larger than ${LARGEST_VALUE} bytes together with the partial results that are kept and what steps below it gave`;
  const failed =
    end.kind === 'failed' ? end : failedEnd(task, new StateValueError(task.path, '', why), end.at);
  return { ...failed, ...beside, ...(below.length > 0 && { below: asManyAsFit(below) }) };
}

/** No entry can carry more, and one that is too large would be written again for ever. */
function asManyAsFit(below: readonly BelowStep[]): readonly BelowStep[] {
  let bytes = 0;
  return below.filter((step) => (bytes += jsonBytes(step)) <= LARGEST_MESSAGE / 2);
}
