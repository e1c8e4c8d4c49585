import type {
  Answer,
  RunningStep,
  Scope,
  StepRequest,
  Undoable,
  WaitAnswer,
  WaitRequest,
} from '../../definition/scope';
import { checkedOutput } from '../../definition/definition';
import { StreamSourceError } from '../../errors/stepErrors';
import type { Agent, StepPolicy } from '../../model/agentType';
import type { StepSkipped } from '../../model/event';
import type { Failure } from '../../model/failure';
import { toFailure } from '../../model/failure';
import type { GivenBy } from '../../model/givenBy';
import type { StepResult } from '../../model/stepResult';
import type { StepTable } from '../../model/stepTable';
import type { Pull, PullReceiver } from '../../streams/pull';
import type { StepTask } from '../task';
import { isRunning, pathOfPart } from '../task';
import type { StepMachine } from './stepMachine';
import { sleepFor, waitForAnswer } from './suspend';

/** What a structure sees of the run, while it is carried out as this step. */
export class StructureScope implements Scope {
  readonly #machine: StepMachine;
  readonly #task: StepTask;

  constructor(machine: StepMachine, task: StepTask) {
    this.#machine = machine;
    this.#task = task;
  }

  get path(): string {
    return this.#task.path;
  }

  get policy(): StepPolicy {
    return this.#task.definition.policy;
  }

  step(request: StepRequest, answer: (answer: Answer) => void): RunningStep {
    return new StepBelow(this.#machine, this.#machine.startStep(this.#task, request, answer));
  }

  skip(id: string, skipped: Agent<never, unknown>, reason: StepSkipped['reason']): void {
    this.#machine.skipStep(pathOfPart(this.#task, id), skipped.name, reason);
  }

  table(): StepTable {
    return this.#machine.engine.steps();
  }

  canUndo(undoable: Undoable): void {
    this.#machine.canUndo(this.#task, undoable);
  }

  recorded(id: string): StepResult | undefined {
    return this.#machine.prior.begun(pathOfPart(this.#task, id));
  }

  isWaitedIn(id: string): boolean {
    return this.#machine.prior.isWaitedIn(pathOfPart(this.#task, id));
  }

  waitingBelow(): number {
    return this.#machine.prior.waitingBelow(this.path);
  }

  hasGoneBack(): boolean {
    return this.#machine.hasGoneBack(this.#task);
  }

  isCancelled(): boolean {
    return this.#machine.isCancelled();
  }

  decide<T>(question: string, decision: () => T, answer: (value: T) => void): void {
    const { engine, queue } = this.#machine;
    let reaction = (): void => undefined;
    const reply = queue.ask(this.#task, () => {
      reaction();
    });
    engine.decide(this.path, question, decision, (decided) => {
      reaction = () => {
        if (decided.ok) answer(decided.value);
        else this.#machine.failStep(this.#task, decided.error);
      };
      reply();
    });
  }

  wait(request: WaitRequest, answered: (answer: WaitAnswer) => void): void {
    waitForAnswer(this.#machine, this.#task, this.#machine.prior.at(this.path), request, answered);
  }

  sleep(decide: (begin: (delayMs: number) => void) => void, wake: () => void): void {
    sleepFor(this.#machine, this.#task, this.#machine.prior.at(this.path), decide, wake);
  }

  readerWaits(): void {
    this.#machine.readerWaits();
  }

  pull(source: object, receiver: PullReceiver): Pull {
    return pullEnqueued(this.#machine, this.#task, source, receiver);
  }

  emit(value: unknown): void {
    if (isRunning(this.#task)) void this.#machine.takePartial(this.#task, value);
  }

  complete(output: unknown, givenBy?: GivenBy): void {
    if (!isRunning(this.#task)) return;
    let checked: unknown;
    try {
      checked = checkedOutput(this.#task.definition, output);
    } catch (error) {
      this.#machine.failStep(this.#task, error);
      return;
    }
    this.#machine.completeStep(this.#task, checked, givenBy);
  }

  fail(error: unknown, failure?: Failure): void {
    if (isRunning(this.#task)) this.#machine.failStep(this.#task, error, failure);
  }
}

/** A class, because there is one for every step. */
class StepBelow implements RunningStep {
  readonly #machine: StepMachine;
  readonly #task: StepTask;

  constructor(machine: StepMachine, task: StepTask) {
    this.#machine = machine;
    this.#task = task;
  }

  cancel(as?: 'lost' | 'abandoned'): void {
    this.#machine.cancelStep(this.#task, as);
  }
}

/** Takes items from a stream for a step, one for each `next()`; each is enqueued as work of its own. */
function pullEnqueued(
  { engine, queue, events }: Pick<StepMachine, 'engine' | 'queue' | 'events'>,
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
      reply = queue.ask(task, () => {
        reaction();
      });
      pull.next();
    },
    stop() {
      try {
        pull.stop();
      } catch (error) {
        // What its teardown throws must not keep the run from ending.
        const message = `Teardown of the source of step "${task.path}" failed: ${toFailure(error).message}`;
        engine.tell(events.logged(task.path, 'WARNING', message));
      }
    },
  };
}
