import type { WorkflowContext, WorkflowSharedContext } from '@restatedev/restate-sdk';
import { handlers, workflow } from '@restatedev/restate-sdk';

import { jsonValue } from '../../lib/codec/json';
import type { Definition } from '../../lib/graph/definition';
import { definitionOf } from '../../lib/graph/definition';
import type { StepTask } from '../../lib/graph/stepTask';
import type { Agent } from '../../lib/model/agent';
import { agentTable, hasSaga } from './agentTable';
import { answersOn } from './answers';
import type { HereCall } from './callHere';
import { callHere } from './callHere';
import type { PlacedLife, Worker } from './carryOut';
import { CANCEL_ASKED, carryOut } from './carryOut';
import type { Placed } from './lifeEngine';
import { goOn, readRest, restOf, suspend, takeAnswer } from './lifeRest';
import { LARGEST_MESSAGE } from './limits';
import { serviceOf, stepsServiceOf } from './names';
import { nestedSoFar } from './nestedSoFar';
import { placeAway } from './placeAway';
import type { CancelRequest, GivenAnswer, LifeResult, StartRequest } from './protocol';
import { resolveOnce } from './resolveOnce';
import type { ServiceOptions } from './serviceOptions';
import { serviceSettings } from './serviceOptions';
import { tellerOf } from './teller';
import { readEvents, tellParts } from './tellings';

/** The service that carries out runs of an agent. */
export function runsService(agent: Agent<never, unknown>, options: ServiceOptions) {
  const definition = definitionOf(agent) as Definition;
  const name = serviceOf(definition);
  const table = agentTable(definition);
  const keepsBelow = hasSaga(definition);
  const { ingress, placement } = options;

  const cache = answersOn(ingress);

  const worker: Worker = {
    agent,
    cache,
    lives: new Set(),
    teller: (key, before) => tellerOf(ingress, name, key, before),
    place(life, task, input, callbacks) {
      const where = placement(task.definition.name);
      const position = where === 'inline' ? -1 : table.indexOf(task.definition as (typeof table)[number]);
      // Whoever calls it elsewhere only knows the agent's own limit.
      const isLimitedHere = task.policy.limit !== task.definition.policy.limit;
      if (
        where === 'inline' ||
        position < 0 ||
        task.watch !== undefined ||
        isLimitedHere ||
        !isPlain(input)
      ) {
        return placeHere(life, task, input, (value) => callbacks.emit(task, value));
      }
      return placeAway(life, task, input, stepsServiceOf(name, where.pool), position);
    },
  };

  const placeHere = (
    life: PlacedLife,
    task: StepTask,
    input: unknown,
    live: (value: unknown) => void | Promise<void>,
  ): Placed => {
    let isCalledHere = false;
    const call: HereCall = callHere({
      runId: life.runId,
      task,
      input,
      teller: life.teller,
      keepPartials: task.policy.keepPartials === true,
      keepsBelow,
      cache,
      limit: task.policy.limit,
      underWay: life.underWay,
      known: () => nestedSoFar(ingress, name, life.key, task.path, life.known()),
      ...(task.watch !== undefined && { live }),
    });
    const result = life.context.run(
      task.path,
      () => {
        isCalledHere = true;
        if (life.isLost()) call.abandon();
        return call.run();
      },
      { maxRetryAttempts: 1 },
    );
    return {
      result,
      stop: () => {
        call.stop();
      },
      replay({ kept }) {
        if (!isCalledHere && task.watch !== undefined) for (const value of kept ?? []) void live(value);
      },
    };
  };

  return workflow({
    name,
    handlers: {
      run: handlers.workflow.workflow(
        async (context: WorkflowContext, request: StartRequest): Promise<LifeResult> => {
          const before = request.life > 1 ? await restOf(context, name, request) : undefined;
          const result = await carryOut(context, worker, request, before);
          if (result.status === 'SUSPENDED') await suspend(context, name);
          return result;
        },
      ),
      events: handlers.workflow.shared({ journalRetention: 0 }, readEvents),
      tell: handlers.workflow.shared({ journalRetention: 0 }, tellParts),
      rest: handlers.workflow.shared({ journalRetention: 0 }, readRest),
      answer: handlers.workflow.shared((context: WorkflowSharedContext, given: GivenAnswer): Promise<void> =>
        takeAnswer(context, name, given),
      ),
      wake: handlers.workflow.shared(async (context: WorkflowSharedContext): Promise<void> => {
        await goOn(context, name);
      }),
      cancel: handlers.workflow.shared(
        { journalRetention: 0 },
        async (context: WorkflowSharedContext, { invocationId, isAsked }: CancelRequest): Promise<void> => {
          if (isAsked) await resolveOnce(context, CANCEL_ASKED, true);
          context.cancel(invocationId as Parameters<typeof context.cancel>[0]);
        },
      ),
    },
    options: { ...serviceSettings(options), workflowRetention: options.retentionMs },
  });
}

/** Whether another process gets the same value; a stream, or what a codec has made, stays in this one. */
function isPlain(value: unknown): boolean {
  try {
    jsonValue(value, '', { bytes: LARGEST_MESSAGE });
    return true;
  } catch {
    return false;
  }
}
