import { validate } from '../../codec/validate';
import { yesOrNo } from '../../definition/checks';
import type { StructureDefinition } from '../../definition/definition';
import { isStructure } from '../../definition/definition';
import type { Answer } from '../../definition/scope';
import { StepTimeoutError } from '../../errors/stepErrors';
import type { Stop } from '../../streams/pull';
import type { CallCallbacks, KnownAnswer } from '../engine';
import type { StepTask } from '../task';
import { isRunning } from '../task';
import { completedAnswer } from './priorSteps';
import type { RunUnderWay } from './runContext';
import type { Endings } from './settle';
import type { ScopeActions } from './structureScope';
import { scopeOf } from './structureScope';
import { decideFor } from './workQueue';

/** How steps are carried out under their policies. */
export interface Attempts {
  /** Carries the step out, unless it is not wanted or its answer can be had without. */
  begin(task: StepTask): void;
  /** Makes one attempt, once there is room for it. */
  attempt(task: StepTask): void;
  /** Lets a structure begin, with an accepted input. */
  beginStructure(task: StepTask, accepted: unknown): void;
}

/** @param start - Begins a step below another one. */
export function attempts(run: RunUnderWay, ending: Endings, start: ScopeActions['start']): Attempts {
  const { engine, events, turns, onRecord, limited, nested } = run;
  const actions: ScopeActions = { start, partial };
  const callbacks: CallCallbacks = {
    emit: (task, value) => (isRunning(task) ? partial(task, value) : undefined),
    log(task, level, message, data) {
      if (!run.isOver()) engine.tell(events.logged(task.path, level, message, data));
    },
    step: (task, id, asked, value) => nested.step(task, id, asked, value),
    isWanted: (task) => isRunning(task) && !run.isOver(),
    done(task, output) {
      if (isRunning(task)) ending.complete(task, output);
    },
    fail(task, error) {
      if (isRunning(task)) ending.fail(task, error);
    },
  };
  return { begin, attempt, beginStructure };

  function begin(task: StepTask): void {
    const { when } = task.policy;
    if (when === undefined || task.attempt > 0) {
      seek(task);
      return;
    }
    const isWanted = (): boolean => yesOrNo(when(task.input as never), `when of step "${task.path}"`);
    decideFor(run, task, 'when', isWanted, (decided) => {
      if (!decided.ok) ending.giveUp(task, decided.error);
      else if (decided.value) seek(task);
      else ending.skip(task);
    });
  }

  /** Takes the answer of an earlier call, where the policy wants that and there is one; otherwise makes an attempt. */
  function seek(task: StepTask): void {
    if (task.policy.cache === undefined || engine.recall === undefined) {
      attempt(task);
      return;
    }
    const looksSince = engine.elapsed();
    try {
      engine.recall(task, (known, failed) => {
        turns.later(() => {
          if (task.phase === 'done') return;
          if (failed !== undefined) ending.giveUp(task, failed.error);
          else if (known === undefined || !take(task, known, looksSince)) attempt(task);
        });
      });
    } catch (error) {
      ending.giveUp(task, error);
    }
  }

  /** False when the answer is none that the agent's codec knows. */
  function take(task: StepTask, { output, kept }: KnownAnswer, since: number): boolean {
    let answer: Answer;
    try {
      answer = completedAnswer(task.definition, output, kept);
    } catch {
      return false;
    }
    beginAttempt(task);
    task.startedAt = since;
    if (run.isOver() || !isRunning(task)) return true;
    task.watch?.started();
    for (const value of kept ?? []) void task.watch?.partial(value);
    task.phase = 'ended';
    engine.record(events.recalled(task, output, kept), () => {
      ending.answer(task, answer);
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
      limited.enter(task, limit, (failed) => {
        if (failed === undefined) carryOut(task);
        else ending.giveUp(task, failed.error);
      });
    } catch (error) {
      ending.giveUp(task, error);
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
    const dropped = task.isAnew && task.tries === 1 ? onRecord.begunBelow(task.path) : [];
    engine.note(events.started(task, dropped));
    if (dropped.length > 0) onRecord.renew();
  }

  function carryOut(task: StepTask): void {
    beginAttempt(task);
    // Whoever heard that it starts may have stopped it, or the run.
    if (!isRunning(task) || run.isOver()) return;
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
      ending.fail(task, error);
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
        ending.fail(task, new StepTimeoutError(task.path, timeoutMs, 'timeoutMs'));
      });
    });
  }

  /** What a structure runs is counted by its steps: the structure itself moves nothing meanwhile. */
  function beginStructure(task: StepTask, accepted: unknown): void {
    turns.setMoving(task, false);
    try {
      const scope = scopeOf(run, ending, actions, task);
      const stop = (task.definition as StructureDefinition).begin(accepted, scope);
      if (task.phase === 'running' || task.phase === 'suspended') task.stop = both(stop, task.stop);
      else stop();
    } catch (error) {
      ending.fail(task, error);
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
        ending.fail(task, error);
        stop?.();
        return;
      }
      task.kept.push(value);
    }
    engine.tell(events.emitted(task, index, value));
    return isRunning(task) ? task.watch?.partial(value) : undefined;
  }
}

function both(first: Stop, second: Stop | undefined): Stop {
  if (second === undefined) return first;
  return () => {
    first();
    second();
  };
}
