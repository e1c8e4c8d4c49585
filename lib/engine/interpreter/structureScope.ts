import type { Answer, Scope, StepRequest } from '../../definition/scope';
import { StreamSourceError } from '../../errors/stepErrors';
import type { Pull, PullReceiver } from '../../streams/pull';
import type { Engine } from '../engine';
import type { StepTask } from '../task';
import { isRunning, pathBelow } from '../task';
import type { RunUnderWay } from './runContext';
import type { Endings } from './settle';
import { sleepFor, waitFor } from './suspend';
import type { Turns } from './workQueue';

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

/**
 * Takes items from a stream for a step, one for each `next()`; each comes in a turn of its own.
 *
 * @throws StreamSourceError where the engine cannot replay a stream.
 */
export function pullInTurns(
  { engine, turns }: { readonly engine: Pick<Engine, 'pull'>; readonly turns: Turns },
  task: StepTask,
  source: object,
  receiver: PullReceiver,
): Pull {
  if (engine.pull === undefined) throw new StreamSourceError(task.path);
  let reaction = (): void => undefined;
  let reply = (): void => undefined;
  const settle = (work: () => void): void => {
    const answer = reply;
    reply = () => undefined;
    reaction = work;
    answer();
  };
  const pull = engine.pull(source, {
    item(value) {
      settle(() => {
        receiver.item(value);
      });
    },
    end() {
      settle(() => {
        receiver.end();
      });
    },
    fail(error) {
      settle(() => {
        receiver.fail(error);
      });
    },
  });
  return {
    next() {
      reply = turns.ask(task, () => {
        reaction();
      });
      pull.next();
    },
    stop() {
      pull.stop();
    },
  };
}
