import type {
  Context,
  InvocationHandle,
  WorkflowContext,
  WorkflowSharedContext,
} from '@restatedev/restate-sdk';
import { handlers, workflow } from '@restatedev/restate-sdk';

import { jsonValue } from '../../../lib/codec/jsonValue';
import type { Definition } from '../../../lib/definition/definition';
import { definitionOf } from '../../../lib/definition/definition';
import { hasSaga } from '../../../lib/engine/interpreter/cancellation';
import type { StepTask } from '../../../lib/engine/task';
import type { Agent } from '../../../lib/model/agentType';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Ingress } from '../protocol/ingress';
import type {
  CallResult,
  CancelRequest,
  GivenAnswer,
  LifeResult,
  StartRequest,
  StepRequest,
} from '../protocol/protocol';
import { serviceOf, stepsServiceOf } from '../protocol/serviceNames';
import { LARGEST_MESSAGE } from '../protocol/wireLimits';
import { answersOn } from './answerCacheService';
import type { InProcessCall } from './callInProcess';
import { callInProcess } from './callInProcess';
import type { Placed } from './durableEngine';
import { eventPublisher } from './eventPublisher';
import { readPublished, publishBatch } from './publishedEvents';
import { resolveOnce } from './resolveOnce';
import { goOn, nestedSoFar, readPersisted, persistedBefore, suspend, takeAnswer } from './persistedState';
import type { PlacedLife, Worker } from './handleRun';
import { CANCEL_ASKED, handleRun } from './handleRun';
import type { ServiceOptions } from './serviceOptions';
import { serviceSettings } from './serviceOptions';
import { agentTable } from './stepsService';

/** The service that carries out runs of an agent. */
export function runsService(agent: Agent<never, unknown>, options: ServiceOptions) {
  const definition = definitionOf(agent) as Definition;
  const name = serviceOf(definition);
  const worker = workerOf(agent, definition, name, options);
  return workflow({
    name,
    handlers: {
      run: handlers.workflow.workflow(
        async (context: WorkflowContext, request: StartRequest): Promise<LifeResult> => {
          const before = request.life > 1 ? await persistedBefore(context, name, request) : undefined;
          const result = await handleRun(context, worker, request, before);
          if (result.status === 'SUSPENDED') await suspend(context, name);
          return result;
        },
      ),
      events: handlers.workflow.shared({ journalRetention: 0 }, readPublished),
      tell: handlers.workflow.shared({ journalRetention: 0 }, publishBatch),
      rest: handlers.workflow.shared({ journalRetention: 0 }, readPersisted),
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

/** What carries out the lives of this agent's runs in this process. */
function workerOf(
  agent: Agent<never, unknown>,
  definition: Definition,
  name: string,
  { ingress, placement }: ServiceOptions,
): Worker {
  const table = agentTable(definition);
  const cache = answersOn(ingress);
  const shared = { cache, ingress, name, keepsNested: hasSaga(definition) };
  return {
    agent,
    cache,
    lives: new Set(),
    publisher: (key, before) => eventPublisher(ingress, name, key, before),
    place(life, task, input, callbacks) {
      const where = placement(task.definition.name);
      const position = where === 'inline' ? -1 : table.indexOf(task.definition as (typeof table)[number]);
      // Whoever calls it elsewhere only knows the agent's own limit.
      const isLimitedHere = task.policy.limit !== task.definition.policy.limit;
      const isHere = position < 0 || task.watch !== undefined || isLimitedHere || !isPlain(input);
      if (where === 'inline' || isHere)
        return callInline(shared, life, task, input, (value) => callbacks.emit(task, value));
      return invokeRemote(life, task, input, stepsServiceOf(name, where.pool), position);
    },
  };
}

/** What calls of one service have in common. */
interface InlineCalls {
  readonly cache: AnswerCache;
  readonly ingress: Ingress;
  readonly name: string;
  readonly keepsNested: boolean;
}

/** Has the function of a step called in this process, and its answer recorded in the journal of the run. */
function callInline(
  { cache, ingress, name, keepsNested }: InlineCalls,
  life: PlacedLife,
  task: StepTask,
  input: unknown,
  live: (value: unknown) => void | Promise<void>,
): Placed {
  let isCalledHere = false;
  const call: InProcessCall = callInProcess({
    runId: life.runId,
    task,
    input,
    publisher: life.publisher,
    keepPartials: task.policy.keepPartials === true,
    keepsNested,
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

/** Has the function of a step called as an invocation of its own, on any worker that serves `away`. */
function invokeRemote(
  life: PlacedLife,
  task: StepTask,
  input: unknown,
  away: string,
  position: number,
): Placed {
  const { context, runId, key } = life;
  const { path, attempt, revision } = task;
  const { timeoutMs, idleTimeoutMs, keepPartials = false } = task.policy;
  const request: StepRequest = {
    runId,
    key,
    path,
    attempt,
    ...(revision > 0 && { revision }),
    agent: position,
    keepPartials,
    input,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
  };
  const call = context.serviceClient<{
    call: (context: Context, request: StepRequest) => Promise<CallResult>;
  }>({
    name: away,
  });
  const result = call.call(request);
  return {
    result,
    stop() {
      life.abandon((result as unknown as InvocationHandle).invocationId);
    },
  };
}
