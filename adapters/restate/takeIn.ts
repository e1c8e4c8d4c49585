import { validate } from '../../lib/codec/validate';
import type { CallCallbacks } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import type { CallResult } from './protocol';
import { RecordedError } from './recordedError';

/**
 * Hands what the journal says of a call to the interpreter, as if the function had just been called. Whoever stops a call
 * does not hear of it any more: one that was stopped and is still waited for has failed.
 */
export function takeIn(task: StepTask, call: CallResult, callbacks: CallCallbacks): void {
  task.partials = call.partials ?? 0;
  if (call.kept !== undefined) task.kept = [...call.kept];
  if (call.failedBelow !== undefined) task.failedBelow = [...(task.failedBelow ?? []), ...call.failedBelow];
  if (call.kind === 'failed') callbacks.fail(task, new RecordedError(call.failure));
  else if (call.kind === 'stopped') {
    callbacks.fail(task, new Error(`Step "${task.path}" was stopped, and nobody had asked for that`));
  } else {
    const { output: codec, name } = task.definition;
    try {
      callbacks.done(
        task,
        codec === undefined ? call.output : validate(codec, call.output, `saved output of agent "${name}"`),
      );
    } catch (error) {
      callbacks.fail(task, error);
    }
  }
}
