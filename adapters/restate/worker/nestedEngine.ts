import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../../lib/codec/jsonValue';
import { defineAgent, definitionOf } from '../../../lib/definition/definition';
import type { Answer, TaskPolicy } from '../../../lib/definition/scope';
import type { CallCallbacks, Engine } from '../../../lib/engine/engine';
import { interpret } from '../../../lib/engine/interpreter/interpreter';
import { hashOf } from '../../../lib/engine/local/cachedAnswers';
import { callFunction } from '../../../lib/engine/local/callFunction';
import { answeredHere } from '../../../lib/engine/local/localEngine';
import { transitionsFrom } from '../../../lib/engine/transitions';
import type { Agent } from '../../../lib/model/agentType';
import type { RunEvent } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import { toFailure } from '../../../lib/model/failure';
import { idleState } from '../../../lib/model/state';
import type { StepResult } from '../../../lib/model/stepResult';
import { StepTable } from '../../../lib/model/stepTable';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Stop } from '../../../lib/streams/pull';
import { keptPartials } from '../protocol/wireEvent';
import { recordedFailure } from '../protocol/wireFailure';
import { LARGEST_VALUE } from '../protocol/wireLimits';
import type { Teller } from './eventPublisher';

/** One step that a function has asked for. */
export interface Below {
  readonly runId: string;
  readonly base: string;
  readonly id: string;
  readonly agent: Agent<never, unknown>;
  readonly input: unknown;
  readonly table: StepTable | undefined;
  readonly tell: (event: RunEvent) => void;
  readonly teller: Teller;
  readonly cache: AnswerCache;
}

/** Carries out one nested step, and whatever is below it, in this process. Returns how to stop it. */
export function runBelow(below: Below, answered: (answer: Answer) => void): () => void {
  const { runId, base, id, table, tell, teller, cache } = below;
  const agent = below.agent;
  const outer = (path: string): string => (path === '' ? base : `${base}/${path}`);
  const transitions = transitionsFrom({
    ...idleState(runId, id, []),
    status: 'RUNNING',
    steps: within(table, base),
  });
  let isOver = false;
  let answer: Answer | undefined;

  const show = (event: RunEvent): void => {
    transitions.next(event);
    if (!event.type.startsWith('run.')) tell(rebased(event, outer));
  };
  const engine: Engine = {
    ...answeredHere(cache, asyncScheduler),
    elapsed: () => performance.now(),
    record(event, then, stored = event) {
      show(stored);
      if (event.type.startsWith('run.')) {
        then();
        return;
      }
      void teller.flush().then(() => {
        if (!isOver) then();
      });
    },
    note: show,
    tell: show,
    steps: () => transitions.state().steps,
    keep: (value, path) => jsonValue(value, outer(path), { bytes: LARGEST_VALUE }),
    hash: hashOf,
    call(task, input, callbacks) {
      const placed = { ...task, path: outer(task.path) };
      const kept = task.policy.keepPartials === true ? keptPartials(placed.path) : undefined;
      let stop: Stop | undefined = undefined;
      const back: CallCallbacks = {
        emit(_task, given) {
          let value = given;
          try {
            if (kept !== undefined) value = kept.add(given);
          } catch (error) {
            callbacks.fail(task, error);
            stop?.();
            return undefined;
          }
          return callbacks.emit(task, value);
        },
        isWanted: () => callbacks.isWanted?.(task) !== false,
        log: (_task, level, message, data) => {
          callbacks.log(task, level, message, data);
        },
        step: (_task, nestedId, nested, value) => callbacks.step(task, nestedId, nested, value),
        done: (_task, output) => {
          callbacks.done(task, output);
        },
        fail: (_task, error) => {
          callbacks.fail(task, error);
        },
      };
      stop = callFunction({ runId }, placed, input, back, asyncScheduler);
      return stop;
    },
    signal: () => () => undefined,
  };
  const root = defineAgent<never, unknown>((source) => source, {
    kind: 'chain',
    name: id,
    policy: {},
    parts: [],
    depth: 1,
    shape: 'sequence',
    begin(_input, scope) {
      const policy: TaskPolicy = { ...definitionOf(agent)?.policy, checkInput: true };
      const running = scope.step({ id, agent, input: below.input, policy }, (given) => {
        answer = given;
        scope.complete(undefined);
      });
      return () => {
        running.cancel();
      };
    },
  });
  const interpreter = interpret({
    runId,
    agent: root,
    input: undefined,
    engine,
    known: transitions.state().steps,
    seq: 0,
    maxCrashes: Infinity,
    ended() {
      isOver = true;
      answered(answer === undefined ? waits(outer(id)) : placedAnswer(answer, outer));
    },
  });
  interpreter.begin();
  return () => {
    if (isOver) return;
    isOver = true;
    interpreter.stop();
  };
}

/** The steps below a path as they stood when this call began: what had failed is tried again, what had begun begins anew. */
function within(table: StepTable | undefined, base: string): StepTable {
  const rows: StepResult[] = [];
  for (const row of table ?? []) {
    if (!row.stepId.startsWith(`${base}/`)) continue;
    const stepId = row.stepId.slice(base.length + 1);
    const isDone = row.status === 'COMPLETED' || row.status === 'SKIPPED';
    rows.push(isDone ? { ...row, stepId } : { ...row, stepId, status: 'PENDING' });
  }
  return StepTable.of(rows);
}

function rebased(event: RunEvent, outer: (path: string) => string): RunEvent {
  return {
    ...event,
    ...('path' in event && { path: outer(event.path) }),
    ...('error' in event && { error: placed(event.error, outer) }),
    ...('reset' in event && { reset: (event.reset ?? []).map(outer) }),
  };
}

function placed(failure: Failure, outer: (path: string) => string): Failure {
  const { path } = failure;
  return { ...recordedFailure(failure), ...(path !== undefined && { path: outer(path) }) };
}

function placedAnswer(answer: Answer, outer: (path: string) => string): Answer {
  return answer.kind === 'failed' ? { ...answer, failure: placed(answer.failure, outer) } : answer;
}

function waits(path: string): Answer {
  const cause = Object.assign(
    new Error(
      `Step "${path}" waits for an answer, which a step asked for by a function cannot do on Restate; declare it`,
    ),
    { retryable: false },
  );
  return { kind: 'failed', failure: toFailure(cause, path), cause };
}
