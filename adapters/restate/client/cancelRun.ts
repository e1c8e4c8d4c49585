import { asyncScheduler } from 'rxjs';

import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import { newIncarnation } from '../../../lib/engine/newRunId';
import type { Agent } from '../../../lib/model/agentType';
import { InvalidArgumentError } from '../../../lib/model/failure';
import { idleState } from '../../../lib/model/state';
import type { Ingress } from '../protocol/ingress';
import { handlerPath, IngressError } from '../protocol/ingress';
import type { CancelReply, CancelRequest, Ending, StartRequest } from '../protocol/protocol';
import { keyOf, lifeOf, recordKey, RECORDS_SERVICE } from '../protocol/serviceNames';
import {
  DefinitionNotServedError,
  EngineUnreachableError,
  RunStalledError,
  WorkerUnreachableError,
} from '../restateErrors';
import { askWorker } from './askWorker';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { comesTo, resultOf, stateAfter } from './lifeResult';
import { query, sqlText } from './askAdmin';
import { isNotServed, notServed } from './notServed';
import { askRecord, knownRun } from './runRecord';
import { killLife, lifeTrouble, SCHEDULED, takeBack } from './stuckLives';
import { lostInput, nextAfter, replaceLife, requestOf } from './broken/brokenLife';

/** A run of an agent. */
interface AgentRun {
  readonly agent: Agent<never, unknown>;
  readonly runId: string;
}

/** A run that this process has asked for, as it is followed meanwhile. */
export interface BegunRun extends AgentRun {
  /** The life that the server was last asked to begin. */
  life(): number;
  /** Whether it sleeps behind that life. */
  isAsleep?(): boolean;
  /** Whether it has come to its end. */
  isOver(): boolean;
  /** Epoch milliseconds at which its subscriber left; undefined while there is one. */
  leftAt(): number | undefined;
}

const FIRST_GAP_MS = 20;
const LONGEST_GAP_MS = 1_000;
const ANSWER_MS = 5_000;
const NOT_BEGUN_GAP_MS = 50;
const LOOK_MS = 3_000;

/**
 * Cancels a run whose beginning may still be on its way to the server: who takes back a question does not learn whether it
 * was heard. So it asks again until the run is cancelled or has ended; once it is left, for no longer than the patience.
 *
 * @param isAsked - Whether somebody has asked for it, so that sagas undo what they have done.
 * @throws EngineUnreachableError
 */
export async function cancelBegun(context: EngineContext, run: BegunRun, isAsked: boolean): Promise<void> {
  const { ingress, patienceMs, sleepers } = context;
  // Whoever only leaves undoes nothing, so that the life need not hear who asked.
  const isGone = !isAsked && (await sleepers?.cancel(serviceFor(run.agent), keyOf(run.runId, run.life())));
  if (isGone === true) return;
  // Asked again from here, so that a server that is away keeps no process alive.
  const briefly: EngineContext = {
    ...context,
    ingress: {
      request: (path, options) => ingress.request(path, { ...options, patienceMs: 0, timeoutMs: ANSWER_MS }),
    },
  };
  for (let gapMs = FIRST_GAP_MS; !run.isOver(); gapMs = Math.min(LONGEST_GAP_MS, gapMs * 2)) {
    const leftAt = run.leftAt();
    const isLate = leftAt !== undefined && asyncScheduler.now() >= leftAt + patienceMs;
    const isAsleep = !isAsked && run.isAsleep?.() === true;
    const came = await (
      isAsleep ? leaveAsleep(briefly, run) : cancelLatest(briefly, run, isAsked, run.life())
    ).catch((error: unknown) => {
      if (isLate || !isAway(error)) throw error;
      return 'unknown' as const;
    });
    if (came === 'cancelled' || isLate || (leftAt !== undefined && came === 'ended')) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, gapMs);
      // A server that answers hears of a run in milliseconds: for what is left to hope for, no process is kept alive.
      if (leftAt !== undefined && gapMs === LONGEST_GAP_MS) timer.unref();
    });
  }
}

/** Ends a run that sleeps between two lives and that nobody follows any more. Thousands may be left at once: they take turns. */
function leaveAsleep(context: EngineContext, run: BegunRun): Promise<CancelOutcome> {
  const leave = async (): Promise<CancelOutcome> => {
    const sent = await endNext(context, run, run.life() + 1, { isLeft: true });
    // Unless it has woken meanwhile.
    return sent ? 'cancelled' : cancelLatest(context, run, false, run.life() + 1);
  };
  return context.leaving === undefined ? leave() : context.leaving.take(leave);
}

/** Begins a life that only ends the run. False when this life has been begun otherwise. */
async function endNext(
  context: EngineContext,
  { agent, runId }: AgentRun,
  life: number,
  how: Ending & Pick<StartRequest, 'seed'>,
): Promise<boolean> {
  const begin = { runId, life, at: asyncScheduler.now(), onMismatch: 'refuse' as const };
  const body: StartRequest = { ...begin, secret: newIncarnation(), ...how };
  const path = handlerPath(serviceFor(agent), keyOf(runId, life), 'run/send');
  const sent = (await context.ingress.request(path, { body })) as { readonly status: string };
  return sent.status === 'Accepted';
}

/**
 * Cancels a run because somebody has asked for it. A life whose journal does not fit its code is ended by the admin, where there is one:
 * what its sagas have to undo, another life undoes. One that is to begin later is taken back, and nothing is left of it.
 *
 * @throws WorkerUnreachableError when no worker has heard of it within the patience: the server keeps it, and a worker takes it later.
 * @throws RunStalledError, InvalidArgumentError when workers answer, and there is no life within the patience that could hear of it.
 */
export async function cancelRun(
  context: EngineContext,
  run: AgentRun,
  reason?: string,
): Promise<'cancelled' | 'ended' | 'unknown'> {
  const { admin, patienceMs } = context;
  const until = asyncScheduler.now() + patienceMs;
  // A worker that is there answers in milliseconds; one that is not must not take all the patience.
  const briefly = admin === undefined ? context : { ...context, patienceMs: Math.min(patienceMs, ANSWER_MS) };
  let asked: number | undefined;
  /** The life that was asked last and did not answer in time: the server keeps the question, so that it hears of it later. */
  let late: number | undefined;
  /** Whether a life has heard of it that was then killed. */
  let isHeard = false;
  const asks = (life: number): void => {
    asked = life;
  };
  for (;;) {
    asked = undefined as number | undefined;
    const came = await cancelLatest(briefly, run, true, undefined, reason, asks).catch((error: unknown) => {
      if (admin !== undefined && isUnserved(error)) return cancelUnserved(context, admin, run, error);
      if (admin === undefined || !isAway(error))
        throw asked === undefined ? unkept(context, run, error) : error;
      late = asked ?? late;
      return 'unheard' as const;
    });
    if (came === 'let go') return 'cancelled';
    if (came === 'unknown') return came;
    // Whoever went on behind a life that had heard of it knew.
    if (came === 'ended')
      return isHeard || (await isCancelled(context, run, late, until)) ? 'cancelled' : came;
    const left = admin === undefined ? 'over' : await endOpen(context, admin, run, came, reason);
    if (left === 'ended') return 'cancelled';
    // The life was killed before it could hear, and another one goes on that does not know.
    if (admin !== undefined && left === 'open' && (await goesOnUnasked(context, admin, run, asked ?? 1)))
      continue;
    if (came === 'cancelled' && left !== 'killed') {
      if (admin === undefined) await warnUnlessOver(context, run, asked ?? 1);
      return came;
    }
    // Whether anything is under way behind the life that was killed comes to light by asking once more.
    if (came === 'cancelled') isHeard = true;
    if (asyncScheduler.now() >= until) {
      const why = notCancelled(context, run, came);
      throw late === undefined ? unkept(context, run, why) : why;
    }
    await new Promise((resolve) => setTimeout(resolve, NOT_BEGUN_GAP_MS));
  }
}

/** The error; of a run of which no worker said which life is to be asked, that it has to be cancelled once more. */
function unkept({ patienceMs }: EngineContext, { agent, runId }: AgentRun, error: unknown): unknown {
  const isAsked = !(error instanceof WorkerUnreachableError);
  return isAsked ? error : new WorkerUnreachableError(runId, agent.name, patienceMs, 'cancel');
}

/** Why a run could not be cancelled within the patience. */
function notCancelled(
  { admin, patienceMs }: EngineContext,
  { agent, runId }: AgentRun,
  came: CancelOutcome | 'unheard',
): Error {
  const hasAdmin = admin !== undefined;
  if (came === 'lost') return lostInput('cancel', runId, hasAdmin);
  if (came !== 'not begun') return new WorkerUnreachableError(runId, agent.name, patienceMs);
  if (hasAdmin)
    return new RunStalledError(
      runId,
      patienceMs,
      'no worker has begun it, so that it cannot hear that it is cancelled',
    );
  return new InvalidArgumentError(
    `Cannot cancel run "${runId}": the server has it, and in ${patienceMs / 1_000} s no worker has begun it`,
    'give restateEngine({ ingress, admin }), whose admin takes back what is to begin later, or cancel it once it has begun',
  );
}

/** Whether a life is under way behind one that was asked to end, and was not told that it shall end too. */
async function goesOnUnasked(
  context: EngineContext,
  admin: Ingress,
  { agent, runId }: AgentRun,
  asked: number,
): Promise<boolean> {
  const service = serviceFor(agent);
  const later = (await openLives(admin, service, runId)).find(({ key }) => lifeOf(key).life > asked);
  if (later === undefined) return false;
  const result = await resultOf(context, agent, keyOf(runId, asked));
  if (typeof result !== 'object' || result.broken === undefined) return false;
  const request = await requestOf(admin, service, later.key, later.id);
  return request !== undefined && request.isCancelled !== true && request.isLeft !== true;
}

/** Whether a life has ended its run as cancelled, which it may be about to do until then. */
async function isCancelled(
  context: EngineContext,
  { agent, runId }: AgentRun,
  life: number | undefined,
  until: number,
): Promise<boolean> {
  if (life === undefined) return false;
  const key = keyOf(runId, life);
  const leftMs = until - asyncScheduler.now();
  await comesTo(context, agent, key, (result) => result !== 'under way', leftMs);
  const result = await resultOf(context, agent, key);
  return typeof result === 'object' && result.status === 'CANCELLED';
}

/** Nobody can say without the admin whether a life that has heard that it shall end can. */
async function warnUnlessOver(
  context: EngineContext,
  { agent, runId }: AgentRun,
  life: number,
): Promise<void> {
  const isOver = comesTo(context, agent, keyOf(runId, life), (result) => result !== 'under way', LOOK_MS);
  // The run has heard: whoever cannot look does not have to warn.
  if (await isOver.catch(() => true)) return;
  process.emitWarning(
    `Run "${runId}" is asked to end, and has not within ${LOOK_MS / 1_000} s: it has much to undo, its worker is away or busy, or its journal does not fit the code that is served now. Only the admin can end it in the last case: cancel it with restateEngine({ ingress, admin })`,
    'RestateWarning',
  );
}

/**
 * Ends a run that no worker can go on with, because none serves its version any more. Nobody can undo what its sagas have done.
 *
 * @throws DefinitionNotServedError when nothing of the run is under way, or waits.
 */
async function cancelUnserved(
  context: EngineContext,
  admin: Ingress,
  { agent, runId }: AgentRun,
  cause: Error,
): Promise<'let go'> {
  const open = await openLives(admin, serviceFor(agent), runId);
  for (const { id } of open) await killLife(admin, id);
  for (const id of await stuckInRecord(admin, recordKey(serviceFor(agent), runId))) await killLife(admin, id);
  const wasKept = (await askRecord(context, agent, runId, 'drop', {})) === true;
  const error = cause instanceof IngressError ? await notServed(agent, admin, cause) : cause;
  if (open.length === 0 && !wasKept) throw error;
  const what = `Run "${runId}" is cancelled, and nothing of it is undone`;
  process.emitWarning(`${what}: ${error.message}`, 'RestateWarning');
  return 'let go';
}

function isUnserved(error: unknown): error is Error {
  return error instanceof DefinitionNotServedError || (error instanceof IngressError && isNotServed(error));
}

/** What is asked of the record of a run and does not come to its end, such as to begin a life that nobody can. */
async function stuckInRecord(admin: Ingress, key: string): Promise<readonly string[]> {
  const rows = await query(
    admin,
    `select id from sys_invocation where target_service_name = '${RECORDS_SERVICE}' and target_service_key = '${sqlText(key)}' and status in ('backing-off', 'paused')`,
  );
  return rows.map(({ id }) => String(id));
}

/** The lives of a run that are under way. */
async function openLives(
  admin: Ingress,
  service: string,
  runId: string,
): Promise<readonly { readonly id: string; readonly key: string }[]> {
  const rows = await query(
    admin,
    `select id, target_service_key from sys_invocation where target_service_name = '${service}' and target_handler_name = 'run' and status <> 'completed' and (target_service_key = '${sqlText(runId)}' or ends_with(target_service_key, '~${sqlText(runId)}'))`,
  );
  return rows
    .map((row) => ({ id: String(row['id']), key: String(row['target_service_key']) }))
    .filter(({ key }) => lifeOf(key).runId === runId);
}

/**
 * Ends the lives that nobody brings on. Where a life has heard, it looks again for a while: such a life ends within milliseconds, unless it
 * has much to undo, or its journal does not fit its code.
 */
async function endOpen(
  context: EngineContext,
  admin: Ingress,
  run: AgentRun,
  came: CancelOutcome | 'unheard',
  reason: string | undefined,
): Promise<Left> {
  const isHeard = came === 'cancelled';
  const since = asyncScheduler.now();
  let left = await endStuck(context, admin, run, !isHeard, reason);
  while (isHeard && left === 'open' && asyncScheduler.now() < since + LOOK_MS) {
    await new Promise((resolve) => setTimeout(resolve, NOT_BEGUN_GAP_MS));
    left = await endStuck(context, admin, run, false, reason);
  }
  return left;
}

/**
 * How a run stands after the lives that no worker can bring on were ended: `ended` when the run is over with that, `killed` when the life that
 * has to end it is not begun yet, `open` when another life is under way, `over` when none was.
 */
type Left = 'ended' | 'killed' | 'open' | 'over';

/** Takes back a life that is to begin later, and ends those whose journals do not fit the code. */
async function endStuck(
  context: EngineContext,
  admin: Ingress,
  { agent, runId }: AgentRun,
  isUnheard: boolean,
  reason: string | undefined,
): Promise<Left> {
  const service = serviceFor(agent);
  const keys = (await openLives(admin, service, runId)).map(({ key }) => key);
  for (const key of keys) {
    const trouble = await lifeTrouble(admin, service, key);
    if (isUnheard && trouble?.status === SCHEDULED && (await takeBack(admin, trouble.id))) return 'ended';
    // One whose worker is away goes on when there is one again, and hears of it then: nobody else could undo what it has done.
    if (trouble?.isMisfit !== true) continue;
    await replaceLife(context, admin, service, { key, id: trouble.id });
    const how = { isCancelled: true, ...(reason !== undefined && { reason }) };
    return (await endAfter(context, agent, key, how)) === 'cancelled' ? 'ended' : 'killed';
  }
  return keys.length > 0 ? 'open' : 'over';
}

/**
 * Begins the life that ends a run whose life has broken off. `lost` when nothing is known of the run, `not begun` when another life was
 * first, or the one before is not over.
 */
async function endAfter(
  context: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
  how: Ending,
): Promise<'cancelled' | 'not begun' | 'lost'> {
  const { runId, life } = lifeOf(key);
  const result = await resultOf(context, agent, key);
  if (typeof result !== 'object') return 'not begun';
  const { signal } = new AbortController();
  const known = await knownRun(context, agent, runId);
  const base = known?.state ?? idleState(runId, agent.name, []);
  const tell = (): void => undefined;
  const following = { agent, runId, key, base, input: undefined, isRefusing: false, tell, signal };
  const state = await stateAfter(context, following, result);
  if (state.seq === 0) return 'lost';
  const seed = StateCodec.encode(state);
  return (await endNext(context, { agent, runId }, life + 1, { ...how, seed })) ? 'cancelled' : 'not begun';
}

function isAway(error: unknown): boolean {
  return (
    error instanceof EngineUnreachableError ||
    error instanceof WorkerUnreachableError ||
    (error as Error).name === 'TimeoutError'
  );
}

/**
 * What came of asking for a run's end. A life that is `not begun` is to be asked again: its worker knows nothing of it yet. A run is `lost`
 * whose life has broken off before it told anything, until whoever knows with what it began goes on with it.
 */
export type CancelOutcome = 'cancelled' | 'ended' | 'unknown' | 'not begun' | 'lost';

/**
 * Cancels the life of a run that is under way. Says what came of it: `ended` when none is under way any more, `unknown` when
 * the server has not heard of the first of these lives. A run that waits for an answer begins one more life, which only undoes,
 * when somebody has asked for its end; one that sleeps between two lives does in any case, and undoes nothing when it was only left.
 *
 * @param isAsked - Whether somebody has asked for it, so that sagas undo what they have done.
 * @param first - The life to look at first, when those before it are known to have ended.
 * @param asks - Told which life is asked to end.
 */
export async function cancelLatest(
  context: EngineContext,
  { agent, runId }: AgentRun,
  isAsked: boolean,
  first?: number,
  reason?: string,
  asks: (life: number) => void = () => undefined,
): Promise<CancelOutcome> {
  const why = reason !== undefined && { reason };
  const how = isAsked ? { isCancelled: true, ...why } : { isLeft: true };
  let broken: string | undefined;
  let isWaiting = false;
  let goesOn = false;
  for (let life = first ?? 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    const isNew = result === 'unknown';
    if (isNew && first === undefined && life === 1) {
      // Its first lives may be forgotten while it rests.
      const known = await knownRun(context, agent, runId);
      if (known === undefined) return 'unknown';
      isWaiting = known.isResting && known.state.status === 'SUSPENDED';
      goesOn = isWaiting && known.state.reason === 'drain';
      life = known.isResting ? known.life : known.life - 1;
      continue;
    }
    if (isNew && broken !== undefined) {
      // Otherwise whoever has killed it has ended the run.
      if (!(await nextAfter(context, agent, broken)).isReplaced) return 'ended';
      asks(life);
      return endAfter(context, agent, broken, how);
    }
    if (isNew && !(isWaiting && (isAsked || goesOn))) return life === (first ?? 1) ? 'unknown' : 'ended';
    if (!isNew && result !== 'under way') {
      broken = result.broken === undefined ? undefined : key;
      // One that was refused has left the run as it was.
      if (result.refused === undefined) isWaiting = result.status === 'SUSPENDED';
      goesOn = result.goesOn === true;
      continue;
    }
    // Unless an answer has begun this life first.
    asks(life);
    if (isNew && (await endNext(context, { agent, runId }, life, how))) return 'cancelled';
    const body: CancelRequest = { isAsked, ...why };
    const reply = (await askWorker(context, agent, key, 'cancel', body)) as CancelReply;
    if (reply === 'ended') return reply;
    return reply ? 'cancelled' : 'not begun';
  }
}
