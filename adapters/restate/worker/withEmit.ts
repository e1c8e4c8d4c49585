import type { CallCallbacks } from '../../../lib/engine/engine';

/**
 * The same callbacks with another way for partial results. Not by a spread, which would lose the methods of a class.
 */
export function withEmit(callbacks: CallCallbacks, emit: CallCallbacks['emit']): CallCallbacks {
  return {
    emit,
    isWanted: (task) => callbacks.isWanted?.(task) !== false,
    log: (task, level, message, data) => {
      callbacks.log(task, level, message, data);
    },
    step: (task, id, agent, input) => callbacks.step(task, id, agent, input),
    done: (task, output) => {
      callbacks.done(task, output);
    },
    fail: (task, error) => {
      callbacks.fail(task, error);
    },
  };
}
