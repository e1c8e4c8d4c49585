import { RunState as StateCodec } from '../../../../lib/codec/stateCodec';
import { validate } from '../../../../lib/codec/validate';
import { definitionAt } from '../../../../lib/definition/definitionAt';
import { stepsAbove } from '../../../../lib/engine/invalidate';
import { resolveStart } from '../../../../lib/engine/resolveStart';
import type { Agent } from '../../../../lib/model/agentType';
import type { RunEvent } from '../../../../lib/model/event';
import { InvalidArgumentError } from '../../../../lib/model/failure';
import { reduceRunAll } from '../../../../lib/model/reduce';
import type { RunState } from '../../../../lib/model/state';
import type { StepResult } from '../../../../lib/model/stepResult';
import { reportedUsage } from '../../../../lib/model/usage';
import type { Ingress } from '../../protocol/ingress';
import { handlerPath, IngressError } from '../../protocol/ingress';
import type { Ending, LifeFate, StartRequest } from '../../protocol/protocol';
import { agentOf, lifeOf } from '../../protocol/serviceNames';
import { RequestTimeoutError, WorkerUnreachableError } from '../../restateErrors';
import type { EngineContext } from '../engineContext';
import { serviceFor } from '../engineContext';
import type { LifeJournal, RecordedCall } from './lifeJournal';
import { lifeJournal, lifeRequest } from './lifeJournal';
import { killLife } from '../stuckLives';

/**
 * How a run stands after a life that has broken off: after what it has told, and after what stands only in its journal, which the
 * admin shows. Without one, what it had not told is called again.
 *
 * @param base - How the run stood before this life.
 * @param told - How it stands after what the life has told.
 */
export async function stateWithJournal<O>(
  { admin }: EngineContext,
  agent: Agent<never, O>,
  key: string,
  base: RunState<O>,
  told: RunState<O>,
): Promise<RunState<O>> {
  if (admin === undefined) return told;
  let journal: LifeJournal | undefined;
  try {
    journal = await lifeJournal(admin, serviceFor(agent), key, (path) => isOpen(told, path));
  } catch {
    // An admin that is away, or a gateway before it that refuses.
  }
  if (journal === undefined) return told;
  const begun = told.seq > base.seq ? told : begunWith(agent, base, journal.request);
  return begun.status === 'RUNNING' ? withCalls(agent, begun, journal.calls) : begun;
}

/**
 * Ends a life whose journal does not fit the code that is served now, so that another one goes on. That this one shall is put down
 * first: should this process die in between, a worker that finds the life so begins the next one.
 *
 * @throws WorkerUnreachableError when no worker puts it down in time, EngineUnreachableError when the admin does not kill it in time.
 */
export async function replaceLife(
  { ingress }: Pick<EngineContext, 'ingress'>,
  admin: Ingress,
  service: string,
  { key, id }: { readonly key: string; readonly id: string },
): Promise<void> {
  try {
    await ingress.request(handlerPath(service, key, 'replace'), { body: {}, timeoutMs: ANSWER_MS });
  } catch (error) {
    // Workers of earlier versions put nothing down.
    if (!(error instanceof IngressError) || error.status !== 404)
      throw unlessLate(error, key, agentOf(service) ?? service, ANSWER_MS);
  }
  await killLife(admin, id);
}

const ANSWER_MS = 5_000;

/** How a life has to end its run that goes on where another one has broken off: as was asked of that one, or of those before it. */
export async function nextAfter(
  context: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
): Promise<Ending & Pick<LifeFate, 'isReplaced'>> {
  const { isReplaced, isCancelAsked, reason } = await fateOfLife(context, agent, key);
  if (isCancelAsked) return { isReplaced, isCancelled: true, ...(reason !== undefined && { reason }) };
  const request = context.admin && (await requestOf(context.admin, serviceFor(agent), key));
  const { isCancelled, isLeft, reason: why } = request ?? {};
  return {
    isReplaced,
    ...(isCancelled === true && { isCancelled }),
    ...(isLeft === true && { isLeft }),
    ...(why !== undefined && { reason: why }),
  };
}

/**
 * What was asked for a life.
 *
 * @throws WorkerUnreachableError when no worker has answered within the patience.
 */
export async function fateOfLife(
  { ingress, patienceMs }: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
): Promise<LifeFate> {
  try {
    const path = handlerPath(serviceFor(agent), key, 'fate');
    return (await ingress.request(path, { body: {}, timeoutMs: patienceMs })) as LifeFate;
  } catch (error) {
    // A worker of an earlier version cannot say.
    if (error instanceof IngressError && error.status === 404) return NO_FATE;
    throw unlessLate(error, key, agent.name, patienceMs);
  }
}

/** The error; of a question about a life that was not answered in time, that no worker has answered. */
function unlessLate(error: unknown, key: string, agent: string, forMs: number): unknown {
  if (!(error instanceof RequestTimeoutError)) return error;
  return new WorkerUnreachableError(lifeOf(key).runId, agent, forMs);
}

const NO_FATE: LifeFate = { isReplaced: false, isCancelAsked: false };

/**
 * With what a life was begun; undefined where the admin does not show it.
 *
 * @param id - Of its invocation, where that is known.
 */
export async function requestOf(
  admin: Ingress,
  service: string,
  key: string,
  id?: string,
): Promise<StartRequest | undefined> {
  try {
    return await lifeRequest(admin, service, key, id);
  } catch {
    return undefined;
  }
}

/** Why nothing can be done with a run whose first life has left nothing: nobody says with what it had begun. */
export function lostInput(
  what: 'go on with' | 'cancel' | 'fork',
  runId: string,
  hasAdmin: boolean,
): InvalidArgumentError {
  const anew = `run() it with its input${what === 'cancel' ? ', then cancel it again' : ''}`;
  return new InvalidArgumentError(
    `Cannot ${what} run "${runId}": its first life has broken off before it told anything, and its input cannot be read`,
    hasAdmin ? anew : `give restateEngine({ ingress, admin }), whose admin has it, or ${anew}`,
  );
}

/** How a run stands that has begun with a request, and no further. */
function begunWith<O>(agent: Agent<never, O>, base: RunState<O>, request: StartRequest): RunState<O> {
  const { runId, input, seed, at, incarnation } = request;
  try {
    const given =
      seed === undefined ? base : (validate(StateCodec, seed, `state of run "${runId}"`) as RunState<O>);
    const saved = given.status === 'IDLE' ? undefined : given;
    const asked = { runId, agent, input, saved, incarnation, at: Math.max(at, saved?.endedAt ?? 0) };
    const { state, event } = resolveStart({
      ...asked,
      mustExist: false,
      onMismatch: 'actual',
      checksValues: false,
    });
    return event === undefined ? base : reduceRunAll(state, [event]);
  } catch {
    // The next life is refused for the same reason, by name.
    return base;
  }
}

/** Takes what functions have given for the results of their steps. */
function withCalls<O>(
  agent: Agent<never, unknown>,
  state: RunState<O>,
  calls: readonly RecordedCall[],
): RunState<O> {
  const often = new Map<string, number>();
  for (const { path } of calls) often.set(path, (often.get(path) ?? 0) + 1);
  return calls
    .filter(({ path }) => often.get(path) === 1)
    .reduce((after, call) => reduceRunAll(after, eventsOf(agent, after, call)), state);
}

/** Whether the step at this path can still be completed by what its function has given. */
function isOpen({ steps }: RunState, path: string): boolean {
  const row = steps.get(path);
  if (row === undefined) return true;
  return (row.status === 'PENDING' || row.status === 'RUNNING') && row.revision === undefined;
}

/** What the life would have told of a call next. */
function eventsOf(
  agent: Agent<never, unknown>,
  state: RunState,
  { path, result, startedAt }: RecordedCall,
): readonly RunEvent[] {
  const row = rowAt(agent, state, path);
  // Where a step stands in a list of items nobody knows but who has called it; what ends what is around it is decided once more.
  if (row === undefined || !isOpen(state, path) || result.bailed === true) return [];
  const { runId } = state;
  const { at, output, partials, kept, tail = [] } = result;
  let { seq } = state;
  const planned = new Set(state.plan.map((step) => step.path));
  const begun = [...stepsAbove(path, planned, state.steps), path].flatMap((one): RunEvent[] => {
    const above = rowAt(agent, state, one);
    if (above?.status !== 'PENDING') return [];
    seq += 1;
    const attempt = above.attempts + 1;
    return [{ type: 'step.started', runId, seq, at: startedAt, path: one, agent: above.agent, attempt }];
  });
  const nested = tail.flatMap((event): RunEvent[] => {
    if (event.type === 'step.emitted' || event.type === 'step.logged') return [];
    seq += 1;
    return [{ ...event, seq }];
  });
  const usage = reportedUsage(output);
  const attempt = row.status === 'PENDING' ? row.attempts + 1 : row.attempts;
  return [
    ...begun,
    ...nested,
    {
      type: 'step.completed',
      runId,
      seq: seq + 1,
      at,
      path,
      agent: row.agent,
      attempt,
      output,
      duration: Math.max(0, at - startedAt) / 1_000,
      ...(partials !== undefined && { partials }),
      ...(kept !== undefined && { kept }),
      ...(usage !== undefined && { usage }),
    },
  ];
}

/** The row of a step; one that has not begun where no plan names it, as below a saga, but the definition does. */
function rowAt(
  agent: Agent<never, unknown>,
  { steps }: RunState,
  path: string,
): Pick<StepResult, 'agent' | 'status' | 'attempts'> | undefined {
  const row = steps.get(path);
  if (row !== undefined || path.includes('[')) return row;
  const definition = definitionAt(agent, path);
  if (definition === undefined || definition === 'unknown') return undefined;
  return { agent: definition.name, status: 'PENDING', attempts: 0 };
}
