import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { Agent } from '../../../lib/model/agentType';
import type { RunState } from '../../../lib/model/state';
import { callPath, handlerPath } from '../protocol/ingress';
import type { GivenAnswer, ReadRecord } from '../protocol/protocol';
import { KEPT_MARK, recordKey, RECORDS_SERVICE } from '../protocol/serviceNames';
import { WorkerUnreachableError } from '../restateErrors';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';

/** How a run stands that has rested at least once. */
export interface KnownRun<O> {
  /** The latest life that has begun. */
  readonly life: number;
  /** Whether that life is over. */
  readonly isResting: boolean;
  /** After that life when it is over, otherwise before it. */
  readonly state: RunState<O>;
}

/**
 * How a run stands that is kept between its lives; undefined for one that has never rested, or has been forgotten.
 *
 * @throws WorkerUnreachableError when it is kept, and no worker has answered within the patience.
 */
export async function knownRun<O>(
  context: EngineContext,
  agent: Agent<never, O>,
  runId: string,
): Promise<KnownRun<O> | undefined> {
  return (await isKept(context, agent, runId)) ? readRecord(context, agent, runId) : undefined;
}

/** Whether a run is kept: the server says so by itself. */
async function isKept(
  { ingress }: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
): Promise<boolean> {
  const key = recordKey(serviceFor(agent), runId);
  const status = await ingress.request(callPath(RECORDS_SERVICE, key, 'mark', KEPT_MARK), {
    answers: NOT_KEPT_OR_NOT_READY,
  });
  return status !== 404;
}

/** Answers about a call: there is none, or it has no result yet. */
const NOT_KEPT_OR_NOT_READY: ReadonlySet<number> = new Set([404, 470]);

/** The same, asked of a worker. */
export async function readRecord<O>(
  context: EngineContext,
  agent: Agent<never, O>,
  runId: string,
): Promise<KnownRun<O> | undefined> {
  const record = (await askRecord(context, agent, runId, 'get', {})) as ReadRecord | null;
  if (record === null) return undefined;
  let { text } = record;
  for (let index = 1; index < record.chunks; index += 1) {
    text += (await askRecord(context, agent, runId, 'text', { index })) as string;
  }
  const state = validate(StateCodec, JSON.parse(text), `state of run "${runId}"`) as RunState<O>;
  return { life: record.life, isResting: record.isResting, state };
}

/** Asks what is kept of a run, or gives it an answer. */
export async function askRecord(
  { ingress, patienceMs }: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
  handler: 'get' | 'text' | 'answer' | 'drop',
  body: unknown,
): Promise<unknown> {
  const path = handlerPath(RECORDS_SERVICE, recordKey(serviceFor(agent), runId), handler);
  try {
    return await ingress.request(path, { body, timeoutMs: patienceMs });
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw error;
    throw new WorkerUnreachableError(runId, agent.name, patienceMs);
  }
}

/** Leaves an answer for a run with the server, whether or not a worker is there to take it. */
export async function sendAnswer(
  { ingress }: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
  given: GivenAnswer,
): Promise<void> {
  const path = handlerPath(RECORDS_SERVICE, recordKey(serviceFor(agent), runId), 'answer/send');
  await ingress.request(path, { body: given });
}
