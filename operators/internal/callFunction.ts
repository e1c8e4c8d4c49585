import type { SchedulerLike } from 'rxjs';

import type { FunctionDefinition } from '../../lib/graph/definition';
import type { Stop } from '../../lib/graph/answer';
import type { CallCallbacks } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import type { StepContext } from '../../lib/model/agent';
import { EmptyAnswerError } from '../emptyAnswerError';
import { StepTimeoutError } from '../stepTimeoutError';
import { after } from './after';
import { receive } from './receive';

/**
 * Calls the function of an agent once, in this process, under the limits of its policy.
 *
 * Stopping aborts the signal that the function was given and takes nothing more from it. An answer that comes all the same
 * is dropped and logged.
 */
export function callFunction(
  runId: string,
  task: StepTask,
  input: unknown,
  callbacks: CallCallbacks,
  scheduler: SchedulerLike,
): Stop | undefined {
  const definition = task.definition as FunctionDefinition;
  const { attempt, path } = task;
  const { timeoutMs, idleTimeoutMs } = task.policy;
  const { reduce } = definition;
  let isOver = false;
  let controller: AbortController | undefined;
  let stopReceiving: Stop | undefined;
  let stopDeadline: Stop | undefined;
  let stopIdle: Stop | undefined;
  let values = 0;
  let output = reduce?.seed;

  // A function, because the compiler does not see that what is called may end it.
  const hasEnded = (): boolean => isOver;
  const stop = (): void => {
    if (isOver) return;
    close();
    stopReceiving?.();
    controller?.abort();
  };
  const close = (): void => {
    isOver = true;
    stopDeadline?.();
    stopIdle?.();
  };
  const fail = (error: unknown): void => {
    if (isOver) {
      late();
      return;
    }
    close();
    callbacks.fail(task, error);
  };
  const late = (): void => {
    callbacks.log(task, 'WARNING', `Late answer of attempt ${String(attempt)} of step "${path}" dropped`);
  };
  const giveUp = (limitMs: number, kind: 'timeoutMs' | 'idleTimeoutMs') => (): void => {
    stop();
    callbacks.fail(task, new StepTimeoutError(path, limitMs, kind));
  };
  const watchIdle = (): void => {
    stopIdle?.();
    if (idleTimeoutMs !== undefined)
      stopIdle = after(scheduler, idleTimeoutMs, giveUp(idleTimeoutMs, 'idleTimeoutMs'));
  };

  const context: StepContext = {
    runId,
    path,
    attempt,
    get idempotencyKey() {
      return `${runId}/${path}`;
    },
    get signal() {
      controller ??= new AbortController();
      if (isOver && task.phase === 'done') controller.abort();
      return controller.signal;
    },
    emit(partial) {
      if (isOver) return;
      if (idleTimeoutMs !== undefined) watchIdle();
      void callbacks.emit(task, partial);
    },
    log(level, message, data) {
      callbacks.log(task, level, message, data);
    },
    step: (id, agent, nestedInput) => callbacks.step(task, id, agent, nestedInput),
  };

  try {
    stopReceiving = receive(definition.invoke(input, context), {
      value(value) {
        if (isOver) return undefined;
        values += 1;
        if (reduce === undefined) output = value;
        else {
          try {
            output = reduce.fold(output, value);
          } catch (error) {
            stop();
            callbacks.fail(task, error);
            return undefined;
          }
        }
        if (idleTimeoutMs !== undefined) watchIdle();
        return callbacks.emit(task, value);
      },
      end() {
        if (values === 0 && reduce === undefined) fail(new EmptyAnswerError(definition.name));
        else if (isOver) late();
        else {
          close();
          callbacks.done(task, output);
        }
      },
      answer(value) {
        if (isOver) {
          late();
          return;
        }
        close();
        callbacks.done(task, value);
      },
      fail,
    });
  } catch (error) {
    fail(error);
  }
  if (hasEnded()) {
    stopReceiving?.();
    return undefined;
  }
  if (timeoutMs !== undefined) stopDeadline = after(scheduler, timeoutMs, giveUp(timeoutMs, 'timeoutMs'));
  if (idleTimeoutMs !== undefined) watchIdle();
  return stop;
}
