import type { OperatorFunction } from 'rxjs';
import { asyncScheduler, Observable } from 'rxjs';

import type { Definition } from '../../../lib/definition/definition';
import { checkCache, defineAgent } from '../../../lib/definition/definition';
import { StepExecutor } from '../../../lib/engine/interpreter/stepExecutor';
import { LocalEngine } from '../../../lib/engine/local/localEngine';
import { newRunId } from '../../../lib/engine/newRunId';
import type { Agent } from '../../../lib/model/agentType';
import type { Plan } from '../../../lib/model/plan';
import { leavesRun } from '../../../lib/model/failure';
import { idleState } from '../../../lib/model/state';
import { ephemeralStore } from '../../../lib/store/memory/ephemeralStore';
import { pullMap } from '../../../lib/streams/pullMap';

/** One for all: the table of a plan's pending steps is kept for as long as the plan is. */
const UNPLANNED: Plan = [];

/**
 * Makes an agent of its definition.
 *
 * @throws DefinitionError when its answers are to be cached, and nobody can tell whose they are.
 */
export function agentFrom<I, O, P = unknown>(definition: Definition): Agent<I, O, P> {
  checkCache(definition);
  const self: Agent<I, O, P> = defineAgent<I, O>(
    asOperator(() => self, definition),
    definition,
  ) as Agent<I, O, P>;
  return self;
}

/**
 * How an agent behaves in a plain `pipe`: one answer for each input, in order, with its policy; nothing is kept.
 *
 * The first input that fails ends the stream with the error as it was thrown.
 */
function asOperator<I, O>(self: () => Agent<I, O>, definition: Definition): OperatorFunction<I, O> {
  const concurrency = definition.kind === 'function' ? (definition.concurrency ?? 1) : 1;
  return (source) => {
    const prefix = newRunId();
    let count = 0;
    // An id of its own for every input, which is its incarnation too: it becomes part of the idempotency keys.
    return source.pipe(pullMap((input) => answerOf(self(), input, `${prefix}-${(count += 1)}`), concurrency));
  };
}

function answerOf<I, O>(agent: Agent<I, O>, input: I, runId: string): Observable<O> {
  return new Observable((subscriber) => {
    let hasFailed = false;
    const claim = ephemeralStore().claim(runId);
    const engine = new LocalEngine<O>({
      claim,
      state: idleState(runId, agent.name, UNPLANNED, runId),
      scheduler: asyncScheduler,
      tellEvent: (event) => {
        if (event.type === 'run.completed') subscriber.next(event.output as O);
        if (event.type === 'run.failed') hasFailed = true;
        // A subscriber that leaves must not wait until this call returns.
        if (subscriber.closed) interpreter.stop();
      },
      broken: (error) => {
        subscriber.error(error);
      },
    });
    const interpreter = new StepExecutor({
      runId,
      agent,
      input,
      engine,
      known: undefined,
      seq: 0,
      maxCrashes: Infinity,
      ended: (cause) => {
        if (!hasFailed) subscriber.complete();
        else {
          leavesRun(cause);
          subscriber.error(cause);
        }
      },
    });
    interpreter.begin();
    return () => interpreter.stop();
  });
}
