import type {
  Context,
  InvocationHandle,
  InvocationId,
  WorkflowContext,
  WorkflowSharedContext,
} from '@restatedev/restate-sdk';
import { handlers, TerminalError, workflow } from '@restatedev/restate-sdk';

import { jsonValue } from '../../../lib/codec/jsonValue';
import type { Definition } from '../../../lib/definition/definition';
import { definitionOf } from '../../../lib/definition/definition';
import { hasSaga } from '../../../lib/engine/interpreter/cancellation';
import type { StepTask } from '../../../lib/engine/task';
import { StateValueError } from '../../../lib/errors/runErrors';
import type { Agent, Services } from '../../../lib/model/agentType';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Ingress } from '../protocol/ingress';
import type {
  CallResult,
  CancelReply,
  CancelRequest,
  Ending,
  EventsReply,
  EventsRequest,
  GivenAnswer,
  LifeFate,
  LifeResult,
  PublishRequest,
  StartRequest,
  StepRequest,
  TextRequest,
} from '../protocol/protocol';
import { LEAST_KEPT_MS } from '../protocol/newId';
import { lifeOf, recordKey, serviceOf, stepsServiceOf } from '../protocol/serviceNames';
import { jsonBytes } from '../protocol/wireEvent';
import { LARGEST_MESSAGE, LARGEST_VALUE } from '../protocol/wireLimits';
import { answersOn } from './answerCacheService';
import type { InProcessCall } from './callInProcess';
import { callInProcess } from './callInProcess';
import type { Placed } from './durableEngine';
import { slimEvent } from './eventBatcher';
import { eventPublisher } from './eventPublisher';
import { publishBatch, readPiece, readPublished, resolveOnce } from './publishedEvents';
import {
  acceptAnswer,
  acceptBatch,
  acceptCancel,
  acceptEvents,
  acceptStart,
  acceptText,
  BODY,
} from './requests';
import type { CancelAsked } from './keptRun';
import {
  CANCEL_ASKED,
  cancelAsked,
  cancelBehind,
  keptSecret,
  KeptRun,
  reasonOf,
  takeAnswer,
} from './keptRun';
import { nestedSoFar, sealNested } from './nestedRows';
import type { PlacedLife, Worker } from './handleRun';
import { handleRun, RUN_ENDED } from './handleRun';
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
        { input: BODY.start },
        (context: WorkflowContext, body: StartRequest): Promise<LifeResult> =>
          oneLife(context, name, worker, acceptStart(body, context.key)),
      ),
      events: handlers.workflow.shared(
        { journalRetention: 0, input: BODY.events },
        (context: WorkflowSharedContext, body: EventsRequest): Promise<EventsReply> =>
          readPublished(context, acceptEvents(body)),
      ),
      text: handlers.workflow.shared(
        { journalRetention: 0, input: BODY.text },
        (context: WorkflowSharedContext, body: TextRequest): Promise<string> =>
          readPiece(context, acceptText(body)),
      ),
      tell: handlers.workflow.shared(
        { journalRetention: 0, input: BODY.publish },
        async (context: WorkflowSharedContext, body: PublishRequest): Promise<number> => {
          const request = acceptBatch(body);
          await refuseStrangers(context, name, request.secret);
          return publishBatch(context, request);
        },
      ),
      nested: handlers.workflow.shared({ journalRetention: 0, ingressPrivate: true }, sealNested),
      answer: handlers.workflow.shared(
        { journalRetention: 0, input: BODY.answer },
        (context: WorkflowSharedContext, body: GivenAnswer): Promise<void> =>
          takeAnswer(context, name, acceptAnswer(body)),
      ),
      cancel: handlers.workflow.shared(
        { journalRetention: 0, input: BODY.cancel },
        (context: WorkflowSharedContext, body: CancelRequest): Promise<CancelReply> =>
          cancelLife(context, name, acceptCancel(body)),
      ),
      replace: handlers.workflow.shared(
        { journalRetention: 0, input: BODY.none },
        async (context: WorkflowSharedContext): Promise<void> => {
          await resolveOnce(context, REPLACED, true);
        },
      ),
      fate: handlers.workflow.shared({ journalRetention: 0, input: BODY.none }, fateOf),
    },
    options: {
      ...serviceSettings(options),
      workflowRetention: worker.keptForMs,
    },
  });
}

/** Carries out one life: takes what those before it have left, and puts down how it leaves the run. */
async function oneLife(
  context: WorkflowContext,
  service: string,
  worker: Worker,
  asked: StartRequest,
): Promise<LifeResult> {
  const kept = new KeptRun(context, service);
  const left = asked.isLeft === true ? await kept.leave(asked.at, worker.keptForMs) : null;
  if (left !== null) return { status: 'CANCELLED', from: 0, events: left.map(slimEvent), parts: 0 };
  // That of a later life stands in what is kept of the run: whoever begins it may be a stranger.
  const given = asked.secret ?? context.rand.uuidv4();
  // One that was begun without a secret was by an earlier version, whose journal says nothing of undoing.
  const isUndoing = asked.isCancelled === true && asked.secret !== undefined;
  const self: Self = { id: context.request().id, secret: given, ...(isUndoing && { isUndoing }) };
  context.set('self', self);
  const isFirst = asked.life === 1;
  const isTold = asked.seed !== undefined || asked.isAnew === true;
  const before = isFirst ? undefined : await kept.take(isTold);
  const secret = before?.secret ?? given;
  if (before?.secret !== undefined) context.set('self', { ...self, secret, isHandedOn: true } satisfies Self);
  const ending = isFirst ? {} : await endingOf(context, kept, asked, before?.ending);
  const request = { ...asked, ...ending, secret };
  const { result, rest } = await handleRun(context, worker, request, before, () => kept.sealNested());
  if (rest !== undefined) await kept.rest(rest, worker.keptForMs, secret);
  else if (result.refused !== undefined) await kept.giveBack();
  else if (!isFirst) kept.ended(worker.keptForMs);
  return result;
}

/** For how long the server keeps a life that has ended. */
function keptForMs({ retentionMs }: ServiceOptions): number {
  return Math.max(retentionMs, LEAST_KEPT_MS);
}

/** How the life shall end the run: as a cancel asks that came while it found out how the run stands, or came too late for the one before. */
async function endingOf(
  context: WorkflowContext,
  kept: KeptRun,
  { isCancelled, isLeft }: StartRequest,
  given: Ending = {},
): Promise<Ending> {
  const isMeanwhile = kept.isCancelled;
  kept.isCancelled = false;
  if (isCancelled === true) return {};
  if (given.isCancelled === true) return { isLeft: false, ...given };
  if (isLeft === true || !isMeanwhile) return given;
  const asked = await cancelAsked(context);
  if (asked === undefined) return { isLeft: true };
  const reason = reasonOf(asked);
  return { isCancelled: true, ...(reason !== undefined && { reason }) };
}

/** What a life tells those who ask for it while it is under way. */
interface Self {
  readonly id: InvocationId;
  readonly secret: string;
  /** Whether the secret is the one that lives of the run hand on, and not that of whoever began this one. */
  readonly isHandedOn?: boolean;
  /** The life only undoes what sagas have done. */
  readonly isUndoing?: boolean;
}

/**
 * Lets those in who carry the life out.
 *
 * @throws TerminalError with status 403 for anybody else.
 */
async function refuseStrangers(
  context: WorkflowSharedContext,
  service: string,
  secret: string,
): Promise<void> {
  const self = await context.get<Self>('self');
  if (self === null || secret === '' || (await secretOf(context, service, self)) !== secret)
    throw new TerminalError('Only those who carry the life out may do this', { errorCode: 403 });
}

/** The secret of a life. A later one that has only just begun knows no more than what whoever began it has said. */
async function secretOf(context: WorkflowSharedContext, service: string, self: Self): Promise<string> {
  const { runId, life } = lifeOf(context.key);
  if (life === 1 || self.isHandedOn === true) return self.secret;
  return (await keptSecret(context, recordKey(service, runId))) ?? self.secret;
}

/** Cancels the life; false when it has not begun. One that undoes is left alone: nothing tears that down. */
async function cancelLife(
  context: WorkflowSharedContext,
  service: string,
  asked: CancelRequest,
): Promise<CancelReply> {
  const { isAsked, reason } = asked;
  const self = await context.get<Self>('self');
  if (self === null) return false;
  if (isAsked && (await context.get<true>(RUN_ENDED)) === true) return 'ended';
  if (self.isUndoing === true) return true;
  if (!isAsked) await resolveOnce(context, LEFT, true);
  const isUndone = isAsked
    ? !(await resolveOnce(context, CANCEL_ASKED, reason === undefined ? true : { reason }))
    : (await context.promise<CancelAsked>(CANCEL_ASKED).peek()) !== undefined;
  if (!isUndone) {
    context.cancel(self.id);
    cancelBehind(context, service, asked);
  }
  return true;
}

/** Resolved when somebody who followed a life has left it: whoever else follows it may want it to go on. */
const LEFT = 'left';

/** Resolved when whoever is about to kill a life means to begin another one. */
const REPLACED = 'replaced';

/** What was asked for a life: it can be read when the life has been killed, too. */
async function fateOf(context: WorkflowSharedContext): Promise<LifeFate> {
  const asked = await context.promise<CancelAsked>(CANCEL_ASKED).peek();
  const reason = reasonOf(asked);
  return {
    isReplaced: (await context.promise<true>(REPLACED).peek()) === true,
    isCancelAsked: asked !== undefined,
    isLeft: (await context.promise<true>(LEFT).peek()) === true,
    ...(reason !== undefined && { reason }),
  };
}

/** What carries out the lives of this agent's runs in this process. */
function workerOf(
  agent: Agent<never, unknown>,
  definition: Definition,
  name: string,
  options: ServiceOptions,
): Worker {
  const { ingress, placement, services, longSleepMs, lives } = options;
  const table = agentTable(definition);
  const cache = answersOn(ingress);
  const shared = { cache, ingress, name, keepsNested: hasSaga(definition), services };
  return {
    agent,
    cache,
    longSleepMs,
    keptForMs: keptForMs(options),
    lives,
    publisher: (life, before) => eventPublisher(ingress, name, life, before),
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
  readonly services: Services | undefined;
}

/** Has the function of a step called in this process, and its answer recorded in the journal of the run. */
function callInline(
  { cache, ingress, name, keepsNested, services }: InlineCalls,
  life: PlacedLife,
  task: StepTask,
  input: unknown,
  live: (value: unknown) => void | Promise<void>,
): Placed {
  let isCalledHere = false;
  const call: InProcessCall = callInProcess({
    run: life.run,
    task,
    input,
    publisher: life.publisher,
    keepPartials: task.policy.keepPartials === true,
    keepsNested,
    cache,
    services,
    onMismatch: life.onMismatch,
    underWay: life.underWay,
    known: () => nestedSoFar(ingress, name, life.key, task, life.known()),
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
  const { context, run, key, secret } = life;
  const { path, attempt, revision } = task;
  const { timeoutMs, idleTimeoutMs } = task.policy;
  // Who reads it live gets from there only what comes with the answer.
  const keepPartials = task.policy.keepPartials === true || task.watch !== undefined;
  const below = life.below(path);
  if (jsonBytes(below) > LARGEST_VALUE)
    throw new StateValueError(
      path,
      '',
      `larger than ${LARGEST_VALUE} bytes together with what steps below it gave in earlier lives`,
    );
  const request: StepRequest = {
    ...run,
    key,
    secret,
    path,
    attempt,
    ...(revision > 0 && { revision }),
    ...(life.onMismatch === 'actual' && { onMismatch: 'actual' }),
    agent: position,
    keepPartials,
    ...(below.length > 0 && { below }),
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
