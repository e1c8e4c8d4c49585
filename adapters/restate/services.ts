import './withResolvers';

import type {
  Context,
  InvocationHandle,
  Serde,
  WorkflowContext,
  WorkflowSharedContext,
} from '@restatedev/restate-sdk';
import { handlers, RestatePromise, serde, service, TerminalError, workflow } from '@restatedev/restate-sdk';

import { jsonValue } from '../../lib/codec/json';
import { RunState } from '../../lib/codec/state';
import { validate } from '../../lib/codec/validate';
import type { Definition } from '../../lib/graph/definition';
import { definitionOf } from '../../lib/graph/definition';
import type { StepTask } from '../../lib/graph/stepTask';
import type { Agent } from '../../lib/model/agent';
import type { RunEvent } from '../../lib/model/event';
import { reduceRunAll } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';
import type { StepTable } from '../../lib/model/stepTable';
import { newTask } from '../../operators/engineKit';
import { agentTable, hasSaga } from './agentTable';
import type { HereCall } from './callHere';
import { callHere } from './callHere';
import type { PlacedLife, Worker } from './carryOut';
import { CANCEL_ASKED, carryOut } from './carryOut';
import type { Ingress } from './ingress';
import { handlerPath } from './ingress';
import type { Placed } from './lifeEngine';
import { LARGEST_MESSAGE } from './limits';
import { keyOf, lifeOf, serviceOf, stepsServiceOf } from './names';
import type {
  CallResult,
  CancelRequest,
  EventsReply,
  EventsRequest,
  GivenAnswer,
  LifeResult,
  Part,
  Rest,
  StartRequest,
  StepRequest,
  TellRequest,
} from './protocol';
import { tellerOf } from './teller';

/** Where the function of an agent is called. */
export type Placement = 'inline' | { readonly pool: string };

/** How the services of a definition are offered. */
export interface ServiceOptions {
  readonly ingress: Ingress;
  readonly placement: (agent: string) => Placement;
  /** Milliseconds for which runs stay readable after their end. */
  readonly retentionMs: number;
  /** Longest silence of an agent, in milliseconds. */
  readonly abortTimeoutMs: number;
  /** First pause before a worker is asked again, in milliseconds. */
  readonly retryMs: number;
}

/** The service that carries out runs of an agent. */
export function runsService(agent: Agent<never, unknown>, options: ServiceOptions) {
  const definition = definitionOf(agent) as Definition;
  const name = serviceOf(definition);
  const table = agentTable(definition);
  const keepsBelow = hasSaga(definition);
  const { ingress, placement } = options;

  const worker: Worker = {
    agent,
    teller: (key, before) => tellerOf(ingress, name, key, before),
    place(life, task, input, callbacks) {
      const where = placement(task.definition.name);
      const position = table.indexOf(task.definition as (typeof table)[number]);
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
      limit: task.policy.limit,
      known: () => nestedSoFar(ingress, name, life.key, task.path, life.known()),
      ...(task.watch !== undefined && { live }),
    });
    // When the server is lost, it asks another worker: what still runs here must not go on beside that.
    life.lost.push(() => {
      call.abandon();
    });
    const result = life.context.run(
      task.path,
      () => {
        isCalledHere = true;
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
      answer: handlers.workflow.shared(
        async (context: WorkflowSharedContext, given: GivenAnswer): Promise<void> => {
          for (let i = 0; ; i += 1) if (await isResolved(context, `in:${i}`, given)) break;
          if ((await context.promise<true>('suspended').peek()) !== undefined) await goOn(context, name);
        },
      ),
      wake: handlers.workflow.shared(async (context: WorkflowSharedContext): Promise<void> => {
        await goOn(context, name);
      }),
      cancel: handlers.workflow.shared(
        { journalRetention: 0 },
        async (context: WorkflowSharedContext, { invocationId, isAsked }: CancelRequest): Promise<void> => {
          if (isAsked) await isResolved(context, CANCEL_ASKED, true);
          context.cancel(invocationId as Parameters<typeof context.cancel>[0]);
        },
      ),
    },
    options: { ...serviceSettings(options), workflowRetention: options.retentionMs },
  });
}

/** The service that calls single agents of a definition, for runs that are carried out on another worker. */
export function stepsService(agent: Agent<never, unknown>, pool: string, options: ServiceOptions) {
  const definition = definitionOf(agent) as Definition;
  const runs = serviceOf(definition);
  const table = agentTable(definition);
  const keepsBelow = hasSaga(definition);
  return service({
    name: stepsServiceOf(runs, pool),
    handlers: {
      call: async (context: Context, request: StepRequest): Promise<CallResult> => {
        const called = table[request.agent];
        if (called === undefined) throw new TerminalError(`There is no agent ${request.agent} in ${runs}`);
        const { path, attempt, revision = 0, timeoutMs, idleTimeoutMs, keepPartials } = request;
        const policy = {
          ...(timeoutMs !== undefined && { timeoutMs }),
          ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
        };
        const task = newTask(undefined, path, called, policy, request.input, () => undefined);
        task.attempt = attempt;
        task.revision = revision;
        const teller = tellerOf(options.ingress, runs, request.key, () => []);
        const call = callHere({
          runId: request.runId,
          task,
          input: request.input,
          teller,
          keepPartials,
          keepsBelow,
          limit: called.policy.limit,
          known: () => nestedSoFar(options.ingress, runs, request.key, path, undefined),
        });
        context.request().attemptCompletedSignal.addEventListener('abort', () => {
          call.abandon();
          teller.close();
        });
        try {
          return await context.run(path, () => call.run(), { maxRetryAttempts: 1 });
        } finally {
          call.stop();
          teller.close();
        }
      },
    },
    options: serviceSettings(options),
  });
}

function serviceSettings({ abortTimeoutMs, retryMs }: ServiceOptions) {
  return { abortTimeout: abortTimeoutMs, retryPolicy: { initialInterval: retryMs, maxInterval: 10_000 } };
}

function placeAway(
  { context, runId, key, abandon }: PlacedLife,
  task: StepTask,
  input: unknown,
  away: string,
  position: number,
): Placed {
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
      abandon((result as unknown as InvocationHandle).invocationId);
    },
  };
}

/** What is known of the steps below a step: from earlier lives, and from earlier calls of this one. */
async function nestedSoFar(
  ingress: Ingress,
  name: string,
  key: string,
  path: string,
  known: StepTable | undefined,
): Promise<StepTable | undefined> {
  const parts: Part[] = [];
  for (let from = 0; ;) {
    const request: EventsRequest = { from: Number.MAX_SAFE_INTEGER, parts: from, waitMs: 0 };
    const reply = (await ingress.request(handlerPath(name, key, 'events'), { body: request })) as EventsReply;
    parts.push(...reply.parts);
    if (reply.nextParts === from) break;
    from = reply.nextParts;
  }
  return withNested(lifeOf(key).runId, known, parts, path);
}

/** The table after what was told of steps that functions asked for. */
function withNested(
  runId: string,
  table: StepTable | undefined,
  parts: readonly Part[],
  below?: string,
): StepTable | undefined {
  const events: RunEvent[] = [];
  for (const part of parts) {
    if (!('key' in part) || !part.key.startsWith('n:')) continue;
    if (below === undefined || part.under.path === below) events.push(part.event);
  }
  if (events.length === 0) return table;
  const base = { ...idleState(runId, '', []), status: 'RUNNING' as const, ...(table && { steps: table }) };
  return reduceRunAll(base, events).steps;
}

async function readEvents(context: WorkflowSharedContext, request: EventsRequest): Promise<EventsReply> {
  const events: RunEvent[] = [];
  const parts: Part[] = [];
  let nextFrom = request.from;
  let nextParts = request.parts;
  let size = 0;

  const drain = async (): Promise<void> => {
    for (; size < LARGEST_MESSAGE / 4; nextParts += 1) {
      const batch = await context.promise<readonly Part[]>(`p:${nextParts}`).peek();
      if (batch === undefined) break;
      parts.push(...batch);
      size += JSON.stringify(batch).length;
    }
    while (size < LARGEST_MESSAGE / 4) {
      const batch = await context.promise<readonly RunEvent[]>(`ev:${nextFrom}`).peek();
      if (batch === undefined) break;
      events.push(...batch);
      nextFrom += batch.length;
      size += JSON.stringify(batch).length;
    }
  };

  if (request.waitMs > 0) {
    await RestatePromise.race([
      context.promise(`ev:${nextFrom}`).get(),
      context.promise(`p:${nextParts}`).get(),
      context.sleep(request.waitMs),
    ]);
  }
  await drain();
  return { events, parts, nextFrom, nextParts };
}

async function tellParts(context: WorkflowSharedContext, { hint, parts }: TellRequest): Promise<number> {
  let position = hint;
  while (!(await isResolved(context, `p:${position}`, parts))) position += 1;
  return position + 1;
}

/** Resolves a promise unless somebody else has done so. */
async function isResolved(context: WorkflowSharedContext, name: string, value: unknown): Promise<boolean> {
  const promise = context.promise(name);
  if ((await promise.peek()) !== undefined) return false;
  try {
    await promise.resolve(value);
    return true;
  } catch (error) {
    if (error instanceof TerminalError) return false;
    throw error;
  }
}

/** What a life has left behind, with what functions asked for and the journal of the run does not hold. */
async function readRest(context: WorkflowSharedContext): Promise<Rest | null> {
  const rest = await context.get<Rest>('rest');
  if (rest === null) return null;
  const parts: Part[] = [];
  for (let i = 0; ; i += 1) {
    const batch = await context.promise<readonly Part[]>(`p:${i}`).peek();
    if (batch === undefined) break;
    parts.push(...batch);
  }
  const answers = [...rest.answers];
  let { read } = rest;
  for (; ; read += 1) {
    const given = await context.promise<GivenAnswer>(`in:${read}`).peek();
    if (given === undefined) break;
    answers.push(given);
  }
  const state = validate(RunState, rest.state, 'state of the run');
  const steps = withNested(state.runId, state.steps, parts) ?? state.steps;
  return { state: RunState.encode({ ...state, steps }), answers, read };
}

async function restOf(
  context: WorkflowContext,
  name: string,
  { runId, life }: StartRequest,
): Promise<Rest | undefined> {
  const previous = keyOf(runId, life - 1);
  const rest = await context.genericCall<Record<string, never>, Rest | null>({
    service: name,
    method: 'rest',
    key: previous,
    parameter: {},
    inputSerde: JSON_SERDE,
    outputSerde: JSON_SERDE,
  });
  return rest ?? undefined;
}

/** A life that waits for answers is over; an answer, or its deadline, begins the next one. */
async function suspend(context: WorkflowContext, name: string): Promise<void> {
  void context.promise<true>('suspended').resolve(true);
  const rest = await context.get<Rest>('rest');
  const state = rest === null ? undefined : validate(RunState, rest.state, 'state of the run');
  const deadlines = [...(state?.steps ?? [])]
    .filter(({ status, deadline }) => status === 'SUSPENDED' && deadline !== undefined)
    .map(({ deadline }) => deadline ?? 0);
  if (deadlines.length > 0) {
    context.genericSend({
      service: name,
      method: 'wake',
      key: context.key,
      parameter: {},
      delay: Math.max(0, Math.min(...deadlines) - (state?.endedAt ?? 0)) + 1,
      inputSerde: JSON_SERDE,
    });
  }
  // An answer that came too late to be read, and too early to see that nobody reads it.
  if ((await context.promise(`in:${rest?.read ?? 0}`).peek()) !== undefined) await goOn(context, name);
}

async function goOn(context: WorkflowSharedContext, name: string): Promise<void> {
  const { runId, life } = lifeOf(context.key);
  const request: StartRequest = { runId, life: life + 1, at: await context.date.now(), onMismatch: 'refuse' };
  context.genericSend({
    service: name,
    method: 'run',
    key: keyOf(runId, life + 1),
    parameter: request,
    inputSerde: JSON_SERDE,
  });
}

const JSON_SERDE = serde.json as unknown as Serde<never>;

/** Whether another process gets the same value; a stream, or what a codec has made, stays in this one. */
function isPlain(value: unknown): boolean {
  try {
    jsonValue(value, '', { bytes: LARGEST_MESSAGE });
    return true;
  } catch {
    return false;
  }
}
