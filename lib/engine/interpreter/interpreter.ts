import { validate } from '../../codec/validate';
import type { Definition, StructureDefinition } from '../../definition/definition';
import { definitionOf, isContainer, isStructure } from '../../definition/definition';
import type { Answer, StepRequest, TaskPolicy } from '../../definition/scope';
import { PoisonStepError } from '../../errors/stepErrors';
import type { Agent } from '../../model/agentType';
import type { RunEvent } from '../../model/event';
import type { StepResult } from '../../model/stepResult';
import type { StepTable } from '../../model/stepTable';
import type { Engine } from '../engine';
import type { StepTask } from '../task';
import { newTask, pathBelow } from '../task';
import { cancellation, hasSaga } from './cancellation';
import { nestedSteps } from './contextSteps';
import { stepEvents } from './eventFactory';
import { admissions } from './permits';
import { savedAnswer, stepsOnRecord } from './priorSteps';
import type { RunUnderWay } from './runContext';
import { endings } from './settle';
import { attempts } from './stepRunner';
import { turns as turnsOf } from './workQueue';

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
  const { runId, agent, input, engine, known, maxCrashes, ended } = interpretation;
  const events = stepEvents(runId, engine, interpretation.seq);
  const suspended = new Set<StepTask>();
  const turns = turnsOf(rest, (error) => {
    if (!isOver) ending.fail(root, error);
  });
  const onRecord = stepsOnRecord(engine, known);
  const limited = admissions(engine, turns);
  const cancelling = cancellation(turns);
  const nested = nestedSteps(turns, start, (task) => {
    ending.cancel(task, undefined);
  });
  let isOver = false;
  let hasBegun = false;

  const definition = definitionOf(agent) as Definition;
  const rootDefinition = isContainer(definition) ? definition : single(agent);
  const root = newTask(undefined, '', rootDefinition, {}, input, () => undefined);
  const run: RunUnderWay = {
    engine,
    events,
    turns,
    suspended,
    onRecord,
    limited,
    cancelling,
    nested,
    isOver: () => isOver,
  };
  const ending = endings(run, { definition, end }, (task) => {
    carrying.attempt(task);
  });
  const carrying = attempts(run, ending, start);

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
        ending.fail(root, error);
        return;
      }
      carrying.beginStructure(root, accepted);
    });
  }

  function stop(reason?: string): RunEvent | undefined {
    if (isOver) return undefined;
    isOver = true;
    turns.end();
    ending.cancel(root, undefined);
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
    if (task.isAnew) onRecord.renew();
    const saved = onRecord.at(path);
    if (saved !== undefined && takeUp(task, saved)) return task;
    if (cancelling.holdsBack(task)) return task;
    if (request.problem !== undefined) ending.giveUp(task, request.problem.error);
    else carrying.begin(task);
    return task;
  }

  /** Takes up what is known of a step. True when there is nothing left to begin. */
  function takeUp(task: StepTask, saved: StepResult): boolean {
    task.attempt = saved.attempts;
    if (saved.revision !== undefined) task.revision = saved.revision;
    const answer = savedAnswer(engine, task, saved);
    if (answer !== undefined) {
      ending.answerAgain(task, answer);
      return true;
    }
    if (saved.status === 'SUSPENDED') {
      task.startedAt = engine.elapsed();
      task.tries = 1;
      carrying.beginStructure(task, task.input);
      return true;
    }
    const crashes = saved.crashes ?? 0;
    if (crashes < maxCrashes || isStructure(task.definition) || onRecord.hasStepsBelow(task.path))
      return false;
    ending.giveUp(task, new PoisonStepError(task.path, crashes));
    return true;
  }

  /** Nothing moves. When somebody waits for an answer, the life ends; functions that wait for such a step begin anew later. */
  function rest(): void {
    if (suspended.size === 0 || cancelling.isUnderWay()) return;
    const waiting = [...suspended].map(({ path }) => path);
    for (const path of new Set(engine.unheard?.())) {
      const others = waiting.map((other) => `"${other}"`).join(', ');
      const message = `No step waits for the answer to "${path}"; these wait: ${others}`;
      engine.tell(events.logged('', 'WARNING', message));
    }
    // Whoever hears a warning may stop the run.
    if (isOver) return;
    for (const parent of [...nested.parents]) ending.cancel(parent, undefined);
    end(events.runSuspended(waiting), undefined);
    // Deadlines are on record: no timer must keep the process alive for them.
    ending.cancel(root, undefined);
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

/** A single agent as the root of a run: a structure of one step that bears the agent's name. */
export function single(agent: Agent<never, unknown>): StructureDefinition {
  return {
    kind: 'chain',
    name: agent.name,
    policy: {},
    parts: [],
    depth: 1,
    shape: 'sequence',
    begin(input, scope) {
      const step = scope.step({ id: agent.name, agent, input }, (answer) => {
        if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
        else scope.complete(answer.output);
      });
      return () => {
        step.cancel();
      };
    },
  };
}
