import { validate } from '../lib/codec/validate';
import type { Answer } from '../lib/graph/answer';
import type { Definition, StructureDefinition } from '../lib/graph/definition';
import { definitionOf, isContainer, isStructure } from '../lib/graph/definition';
import type { CallCallbacks, Engine, KnownAnswer } from '../lib/graph/engine';
import type { Scope, StepRequest, TaskPolicy } from '../lib/graph/scope';
import type { StepTask } from '../lib/graph/stepTask';
import type { Agent } from '../lib/model/agent';
import type { RunEvent } from '../lib/model/event';
import type { Failure } from '../lib/model/failure';
import { toFailure } from '../lib/model/failure';
import type { StepResult } from '../lib/model/stepResult';
import type { StepTable } from '../lib/model/stepTable';
import { admissions } from './internal/admissions';
import { cancellation, hasSaga } from './internal/cancellation';
import { nestedSteps } from './internal/nestedSteps';
import { newTask } from './internal/newTask';
import { pathBelow } from './internal/pathBelow';
import type { RetryDecision } from './internal/retryDecision';
import { asksUser, retryDecision } from './internal/retryDecision';
import { single } from './internal/single';
import { stepEvents } from './internal/stepEvents';
import { turns as turnsOf } from './internal/turns';
import { sleepFor, waitFor } from './internal/waiting';
import { yesOrNo } from './internal/yesOrNo';
import { NestedInputError } from './nestedInputError';
import { PoisonStepError } from './poisonStepError';
import { StepTimeoutError } from './stepTimeoutError';
import { StreamSourceError } from './streamSourceError';

/** What is carried out, and where. */
export interface Interpretation {
  readonly runId: string;
  readonly agent: Agent<never, unknown>;
  readonly input: unknown;
  readonly engine: Engine;
  /** What earlier lives have left behind. */
  readonly known: StepTable | undefined;
  /** Number of the latest journaled event. */
  readonly seq: number;
  /** How often the process may die inside a step before the step counts as failed. */
  readonly maxCrashes: number;
  /** Called once, after the event that ends the life was told. `cause` is what was thrown, if it failed. */
  readonly ended: (cause?: unknown) => void;
}

/** A run under way. */
export interface Interpreter {
  begin(): void;
  /** Undoes what sagas have to undo and then stops. `stopped` gets the event that tells so. */
  cancel(reason: string | undefined, stopped: (event: RunEvent) => void): void;
  /** Stops everything at once. Returns the event that tells so; undefined when the life has ended already. */
  stop(reason?: string): RunEvent | undefined;
}

/**
 * Carries out a run as a synchronous machine: it keeps no timers and no promises, asks the engine, and reacts to the
 * answers one at a time, from a queue, so that neither a long chain nor a wide graph deepens the stack.
 *
 * A step that an earlier life has finished is answered from there. Any other is called under its policy, its result is
 * recorded, and only once the record is as durable as the engine promises does it go on to whoever waits for it.
 */
export function interpret(interpretation: Interpretation): Interpreter {
  const { runId, agent, input, engine, maxCrashes, ended } = interpretation;
  const events = stepEvents(runId, engine, interpretation.seq);
  const suspended = new Set<StepTask>();
  const turns = turnsOf(rest, (error) => {
    if (!isOver) fail(root, error);
  });
  const limited = admissions(engine, turns);
  const cancelling = cancellation(turns);
  const nested = nestedSteps(turns, start, (task) => {
    cancel(task, undefined);
  });
  let steps = interpretation.known;
  let isOver = false;
  let hasBegun = false;

  const callbacks: CallCallbacks = {
    emit: (task, value) => (isRunning(task) ? partial(task, value) : undefined),
    log(task, level, message, data) {
      if (!isOver) engine.tell(events.logged(task.path, level, message, data));
    },
    step: (task, id, asked, value) => nested.step(task, id, asked, value),
    isWanted: (task) => isRunning(task) && !isOver,
    done(task, output) {
      if (isRunning(task)) complete(task, output);
    },
    fail(task, error) {
      if (isRunning(task)) fail(task, error);
    },
  };
  const definition = definitionOf(agent) as Definition;
  const rootDefinition = isContainer(definition) ? definition : single(agent);
  const root = newTask(undefined, '', rootDefinition, {}, input, () => undefined);

  return {
    begin,
    cancel(reason, stopped) {
      const finish = (): void => {
        const event = stop(reason);
        if (event !== undefined) stopped(event);
      };
      if (!hasBegun && hasSaga(definition)) {
        cancelling.holdAll();
        begin();
      }
      if (!cancelling.begin(finish)) finish();
    },
    stop,
  };

  function begin(): void {
    hasBegun = true;
    turns.later(() => {
      let accepted = input;
      try {
        // A single agent checks its input as the step that it is.
        const { input: codec } = rootDefinition;
        if (codec !== undefined) accepted = validate(codec, input, `input of "${definition.name}"`);
      } catch (error) {
        fail(root, error);
        return;
      }
      beginStructure(root, accepted);
    });
  }

  function stop(reason?: string): RunEvent | undefined {
    if (isOver) return undefined;
    isOver = true;
    turns.end();
    cancel(root, undefined);
    return events.runCancelled(reason);
  }

  /** One step, from being asked for to its answer, which never comes from within this call. */
  function start(parent: StepTask, request: StepRequest, answer: (answer: Answer) => void): StepTask {
    const asked = definitionOf(request.agent);
    const path = pathBelow(parent.path, request.id);
    if (asked === undefined) throw new TypeError(`Cannot run step "${path}": it is not an agent`);
    const policy: TaskPolicy = request.policy ?? asked.policy;
    const task = newTask(parent, path, asked, policy, request.input, answer, request);
    if (request.isUndo === true) cancelling.undoes(task);
    turns.setMoving(task, true);
    if (task.isAnew) steps = engine.steps();
    const saved = steps?.get(path);
    if (saved !== undefined && takeUp(task, saved)) return task;
    if (cancelling.holdsBack(task)) return task;
    const { when } = policy;
    if (request.problem !== undefined) giveUp(task, request.problem.error);
    else if (when === undefined || task.attempt > 0) seek(task);
    else {
      const isWanted = (): boolean => yesOrNo(when(task.input as never), `when of step "${path}"`);
      decide(task, 'when', isWanted, (yes) => {
        if (yes) seek(task);
        else skip(task);
      });
    }
    return task;
  }

  /** Takes up what is known of a step. True when there is nothing left to begin. */
  function takeUp(task: StepTask, saved: StepResult): boolean {
    task.attempt = saved.attempts;
    if (saved.revision !== undefined) task.revision = saved.revision;
    const answer = remembered(task, saved);
    if (answer !== undefined) {
      if (answer.kind === 'failed') noteFailure(task);
      answerLater(task, answer);
      return true;
    }
    if (saved.status === 'SUSPENDED') {
      task.startedAt = engine.elapsed();
      task.tries = 1;
      beginStructure(task, task.input);
      return true;
    }
    const crashes = saved.crashes ?? 0;
    if (crashes < maxCrashes || isStructure(task.definition) || hasStepsBelow(task.path)) return false;
    giveUp(task, new PoisonStepError(task.path, crashes));
    return true;
  }

  function remembered(task: StepTask, saved: StepResult): Answer | undefined {
    try {
      if (saved.inputHash !== undefined && (engine.hash(task.input) ?? saved.inputHash) !== saved.inputHash) {
        throw new NestedInputError(task.path);
      }
      switch (saved.status) {
        case 'COMPLETED':
          return completedAnswer(liveForm(task.definition, saved.output), saved.kept);
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

  function begunBelow(path: string): string[] {
    return [...(steps ?? [])].flatMap((step) =>
      step.stepId !== path && isBelow(step.stepId, path) && !isUntouched(step) ? [step.stepId] : [],
    );
  }

  function hasStepsBelow(path: string): boolean {
    for (const { stepId } of steps ?? []) if (stepId.startsWith(`${path}/`)) return true;
    return false;
  }

  /** Takes the answer of an earlier call, where the policy wants that and there is one; otherwise makes an attempt. */
  function seek(task: StepTask): void {
    if (task.policy.cache === undefined || engine.recall === undefined) {
      attempt(task);
      return;
    }
    const looksSince = engine.elapsed();
    try {
      engine.recall(task, (known) => {
        turns.later(() => {
          if (task.phase === 'done') return;
          if (known === undefined || !take(task, known, looksSince)) attempt(task);
        });
      });
    } catch (error) {
      giveUp(task, error);
    }
  }

  /** False when the answer is none that the agent's codec knows. */
  function take(task: StepTask, { output, kept }: KnownAnswer, since: number): boolean {
    let live: unknown;
    try {
      live = liveForm(task.definition, output);
    } catch {
      return false;
    }
    beginAttempt(task);
    task.startedAt = since;
    if (isOver || !isRunning(task)) return true;
    task.watch?.started();
    for (const value of kept ?? []) void task.watch?.partial(value);
    task.phase = 'ended';
    engine.record(events.recalled(task, output, kept), () => {
      answerLater(task, completedAnswer(live, kept));
    });
    return true;
  }

  function attempt(task: StepTask): void {
    const { limit } = task.policy;
    if (limit === undefined) {
      carryOut(task);
      return;
    }
    try {
      limited.enter(task, limit, () => {
        carryOut(task);
      });
    } catch (error) {
      giveUp(task, error);
    }
  }

  function beginAttempt(task: StepTask): void {
    if (task.tries === 0) task.startedAt = engine.elapsed();
    task.attempt += 1;
    task.tries += 1;
    task.partials = 0;
    task.kept = task.policy.keepPartials === true ? [] : undefined;
    task.nestedIds = undefined;
    task.failedBelow = undefined;
    task.phase = 'running';
    const dropped = task.isAnew && task.tries === 1 ? begunBelow(task.path) : [];
    engine.note(events.started(task, dropped));
    if (dropped.length > 0) steps = engine.steps();
  }

  function carryOut(task: StepTask): void {
    beginAttempt(task);
    // Whoever heard that it starts may have stopped it, or the run.
    if (!isRunning(task) || isOver) return;
    try {
      task.watch?.started();
      const { input: codec } = task.definition;
      const accepted =
        codec === undefined ? task.input : validate(codec, task.input, `input of step "${task.path}"`);
      if (isStructure(task.definition)) {
        limitTime(task);
        beginStructure(task, accepted);
        return;
      }
      const stop = engine.call(task, accepted, callbacks);
      if (isRunning(task)) task.stop = stop;
      else stop?.();
    } catch (error) {
      fail(task, error);
    }
  }

  /** An agent's function is timed where it is called; a structure here. */
  function limitTime(task: StepTask): void {
    const { timeoutMs } = task.policy;
    if (timeoutMs === undefined) return;
    const { attempt: timed } = task;
    task.stop = engine.sleep(task.path, timeoutMs, () => {
      turns.later(() => {
        if (task.attempt !== timed || (task.phase !== 'running' && task.phase !== 'suspended')) return;
        fail(task, new StepTimeoutError(task.path, timeoutMs, 'timeoutMs'));
      });
    });
  }

  /** What a structure runs is counted by its steps: the structure itself moves nothing meanwhile. */
  function beginStructure(task: StepTask, accepted: unknown): void {
    turns.setMoving(task, false);
    try {
      const stop = (task.definition as StructureDefinition).begin(accepted, scopeOf(task));
      if (task.phase === 'running' || task.phase === 'suspended') task.stop = both(stop, task.stop);
      else stop();
    } catch (error) {
      fail(task, error);
    }
  }

  function partial(task: StepTask, given: unknown): void | Promise<void> {
    const index = task.partials;
    task.partials += 1;
    let value = given;
    if (task.kept !== undefined) {
      try {
        value = engine.keep(given, task.path);
      } catch (error) {
        const { stop } = task;
        fail(task, error);
        stop?.();
        return;
      }
      task.kept.push(value);
    }
    engine.tell(events.emitted(task, index, value));
    return isRunning(task) ? task.watch?.partial(value) : undefined;
  }

  function complete(task: StepTask, output: unknown): void {
    let stored: unknown;
    let live: unknown;
    const { kept } = task;
    try {
      const of = task === root ? definition : task.definition;
      stored = engine.keep(of.output === undefined ? output : of.output.encode(output), task.path);
      live = liveForm(of, stored);
    } catch (error) {
      fail(task, error);
      return;
    }
    leaveRunning(task);
    if (task === root) {
      const event = events.runCompleted(live);
      end(event, undefined, stored === live ? undefined : ({ ...event, output: stored } as RunEvent));
      return;
    }
    task.phase = 'ended';
    engine.record(events.completed(task, stored, kept), () => {
      if (task.policy.cache !== undefined)
        engine.memorize?.(task, kept === undefined ? { output: stored } : { output: stored, kept });
      answerLater(task, completedAnswer(live, kept));
    });
  }

  function fail(task: StepTask, error: unknown, known?: Failure): void {
    const failure = known ?? toFailure(error, task === root ? undefined : task.path);
    suspended.delete(task);
    leaveRunning(task);
    if (task === root) end(events.runFailed(failure), error);
    else if (failure.retryable && asksUser(task.policy)) {
      const decision = (): RetryDecision => retryDecision(task.policy, failure, task.tries);
      decide(task, 'retry', decision, (decided) => {
        retryOrGiveUp(task, error, failure, decided);
      });
    } else retryOrGiveUp(task, error, failure, retryDecision(task.policy, failure, task.tries));
  }

  function retryOrGiveUp(task: StepTask, error: unknown, failure: Failure, decision: RetryDecision): void {
    if (decision === 'give up') {
      giveUp(task, error, failure);
      return;
    }
    const again = (): void => {
      turns.later(() => {
        if (task.phase === 'done') return;
        if (isStructure(task.definition) || task.nestedIds !== undefined) steps = engine.steps();
        attempt(task);
      });
    };
    engine.record(events.retrying(task, failure, decision.delayMs), () => {
      if (task.phase === 'done') return;
      if (decision.delayMs === 0) again();
      else task.stop = engine.sleep(task.path, decision.delayMs, again);
    });
  }

  function giveUp(task: StepTask, error: unknown, failure: Failure = toFailure(error, task.path)): void {
    task.phase = 'ended';
    noteFailure(task);
    engine.record(events.failed(task, failure), () => {
      answerLater(task, { kind: 'failed', failure, cause: error });
    });
  }

  /** When a step above this one is tried again, so is this one. */
  function noteFailure(task: StepTask): void {
    for (let above = task.parent; above !== undefined; above = above.parent) {
      (above.failedBelow ??= []).push(task.path);
    }
  }

  function skip(task: StepTask): void {
    let output: unknown;
    try {
      output = engine.keep(task.policy.otherwise, task.path);
    } catch (error) {
      giveUp(task, error);
      return;
    }
    task.phase = 'ended';
    engine.record(events.skipped(task.path, task.definition.name, 'when', output), () => {
      answerLater(task, { kind: 'skipped', output });
    });
  }

  /** From here on nothing that the attempt still does counts, and what it had asked for stops. */
  function leaveRunning(task: StepTask): void {
    limited.leave(task);
    task.phase = 'ending';
    turns.dropAsks(task);
    nested.cancelBelow(task);
    turns.setMoving(task, true);
    const { stop } = task;
    task.stop = undefined;
    if (isStructure(task.definition)) stop?.();
  }

  function answerLater(task: StepTask, answer: Answer): void {
    turns.later(() => {
      if (task.phase === 'done') return;
      task.phase = 'done';
      turns.setMoving(task, false);
      try {
        task.answer(answer);
      } catch (error) {
        // The reaction of the structure above threw.
        if (task.parent !== undefined && isRunning(task.parent)) fail(task.parent, error);
      }
    });
  }

  /** Stops a step and all below it, and puts on record how it was left. */
  function cancel(task: StepTask, as: 'lost' | undefined): void {
    const { phase } = task;
    if (phase === 'done') return;
    suspended.delete(task);
    task.phase = 'done';
    turns.dropAsks(task);
    turns.setMoving(task, false);
    const { stop } = task;
    task.stop = undefined;
    stop?.();
    // Not before it has stopped: leaving lets the next one in.
    limited.leave(task);
    nested.cancelBelow(task);
    if (isOver || phase === 'ended') return;
    if (as === 'lost') engine.note(events.skipped(task.path, task.definition.name, 'lost'));
    else if (phase !== 'suspended' && task.tries > 0) engine.note(events.cancelled(task.path));
  }

  function decide<T>(task: StepTask, question: string, decision: () => T, answer: (value: T) => void): void {
    engine.decide(task.path, question, decision, (decided) => {
      turns.later(() => {
        if (task.phase === 'done') return;
        if (decided.ok) answer(decided.value);
        else giveUp(task, decided.error);
      });
    });
  }

  function scopeOf(task: StepTask): Scope {
    return {
      path: task.path,
      step(request, answer) {
        const child = start(task, request, answer);
        return {
          cancel(as) {
            cancel(child, as);
          },
        };
      },
      skip(id, skipped, reason) {
        const path = pathBelow(task.path, id);
        if (steps?.get(path)?.status !== 'SKIPPED') engine.note(events.skipped(path, skipped.name, reason));
      },
      table: () => engine.steps(),
      onCancel(undo) {
        cancelling.hear(task, undo);
      },
      recorded(id) {
        const row = steps?.get(pathBelow(task.path, id));
        return row === undefined || isUntouched(row) ? undefined : row;
      },
      decide(question, decision, answer) {
        let reaction = (): void => undefined;
        const reply = turns.ask(task, () => {
          reaction();
        });
        engine.decide(task.path, question, decision, (decided) => {
          reaction = () => {
            if (decided.ok) answer(decided.value);
            else fail(task, decided.error);
          };
          reply();
        });
      },
      wait(request, answered) {
        waitFor({ engine, events, turns, suspended }, task, steps?.get(task.path), request, answered);
      },
      sleep(delayMs, wake) {
        sleepFor({ engine, events, turns }, task, steps?.get(task.path), delayMs, wake);
      },
      pull(source, receiver) {
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
      },
      emit(value) {
        if (isRunning(task)) void partial(task, value);
      },
      complete(output) {
        if (isRunning(task)) complete(task, output);
      },
      fail(error, failure) {
        if (isRunning(task)) fail(task, error, failure);
      },
    };
  }

  /** Nothing moves. When somebody waits for an answer, the life ends; functions that wait for such a step begin anew later. */
  function rest(): void {
    if (suspended.size === 0 || cancelling.isUnderWay()) return;
    const waiting = [...suspended].map(({ path }) => path);
    for (const parent of [...nested.parents]) cancel(parent, undefined);
    end(events.runSuspended(waiting), undefined);
    // Deadlines are on record: no timer must keep the process alive for them.
    cancel(root, undefined);
  }

  function end(event: RunEvent, cause: unknown, stored?: RunEvent): void {
    isOver = true;
    turns.end();
    limited.end();
    engine.record(
      event,
      () => {
        ended(cause);
      },
      stored,
    );
  }
}

/** The value as it is used, from the form in which it is saved. */
function liveForm(definition: Definition, stored: unknown): unknown {
  return definition.output === undefined
    ? stored
    : validate(definition.output, stored, `saved output of agent "${definition.name}"`);
}

function completedAnswer(output: unknown, kept: readonly unknown[] | undefined): Answer {
  return kept === undefined ? { kind: 'completed', output } : { kind: 'completed', output, kept };
}

/** `pages[3]/ocr` is below `pages`, `pages2` is not. */
function isBelow(path: string, above: string): boolean {
  return path.startsWith(above) && (path[above.length] === '/' || path[above.length] === '[');
}

function isUntouched({ status, attempts }: StepResult): boolean {
  return status === 'PENDING' && attempts === 0;
}

// A function, because the compiler would otherwise believe that what was just set cannot have changed meanwhile.
function isRunning(task: StepTask): boolean {
  return task.phase === 'running';
}

function both(first: () => void, second: (() => void) | undefined): () => void {
  if (second === undefined) return first;
  return () => {
    first();
    second();
  };
}
