import type { Answer } from '../../lib/graph/answer';
import type { Scope, StepRequest } from '../../lib/graph/scope';
import type { StepTask } from '../../lib/graph/stepTask';
import type { Endings } from './endings';
import { isRunning } from './isRunning';
import { pathBelow } from './pathBelow';
import { pullInTurns } from './pullInTurns';
import type { RunUnderWay } from './runUnderWay';
import { sleepFor, waitFor } from './waiting';

/** What a structure may have done besides ending. */
export interface ScopeActions {
  /** Begins a step below another one. */
  start(parent: StepTask, request: StepRequest, answer: (answer: Answer) => void): StepTask;
  /** Takes a partial result. */
  partial(task: StepTask, value: unknown): void | Promise<void>;
}

/** What a structure sees of the run, while it is carried out as this step. */
export function scopeOf(run: RunUnderWay, ending: Endings, actions: ScopeActions, task: StepTask): Scope {
  const { engine, events, turns, onRecord, cancelling } = run;
  return {
    path: task.path,
    step(request, answer) {
      const child = actions.start(task, request, answer);
      return {
        cancel(as) {
          ending.cancel(child, as);
        },
      };
    },
    skip(id, skipped, reason) {
      const path = pathBelow(task.path, id);
      if (onRecord.at(path)?.status !== 'SKIPPED') engine.note(events.skipped(path, skipped.name, reason));
    },
    table: () => engine.steps(),
    onCancel(undo) {
      cancelling.hear(task, undo);
    },
    recorded: (id) => onRecord.begun(pathBelow(task.path, id)),
    decide(question, decision, answer) {
      let reaction = (): void => undefined;
      const reply = turns.ask(task, () => {
        reaction();
      });
      engine.decide(task.path, question, decision, (decided) => {
        reaction = () => {
          if (decided.ok) answer(decided.value);
          else ending.fail(task, decided.error);
        };
        reply();
      });
    },
    wait(request, answered) {
      waitFor(run, task, onRecord.at(task.path), request, answered);
    },
    sleep(delayMs, wake) {
      sleepFor(run, task, onRecord.at(task.path), delayMs, wake);
    },
    pull: (source, receiver) => pullInTurns(run, task, source, receiver),
    emit(value) {
      if (isRunning(task)) void actions.partial(task, value);
    },
    complete(output) {
      if (isRunning(task)) ending.complete(task, output);
    },
    fail(error, failure) {
      if (isRunning(task)) ending.fail(task, error, failure);
    },
  };
}
