import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../../lib/model/agentType';
import { handlerPath } from '../protocol/ingress';
import type { CancelRequest, StartRequest } from '../protocol/protocol';
import { keyOf } from '../protocol/serviceNames';
import { EngineUnreachableError, WorkerUnreachableError } from '../restateErrors';
import { askWorker } from './askWorker';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { resultOf } from './lifeResult';
import { knownRun } from './runRecord';

/** A run that this process has asked for, as it is followed meanwhile. */
export interface BegunRun {
  readonly agent: Agent<never, unknown>;
  readonly runId: string;
  /** The life that the server was last asked to begin. */
  life(): number;
  /** Whether it has come to its end. */
  isOver(): boolean;
  /** Epoch milliseconds at which its subscriber left; undefined while there is one. */
  leftAt(): number | undefined;
}

const FIRST_GAP_MS = 20;
const LONGEST_GAP_MS = 1_000;
const ANSWER_MS = 5_000;
const NOT_BEGUN_GAP_MS = 50;

/**
 * Cancels a run whose beginning may still be on its way to the server: who takes back a question does not learn whether it
 * was heard. So it asks again until the run is cancelled or has ended; once it is left, for no longer than the patience.
 *
 * @param isAsked - Whether somebody has asked for it, so that sagas undo what they have done.
 * @throws EngineUnreachableError
 */
export async function cancelBegun(context: EngineContext, run: BegunRun, isAsked: boolean): Promise<void> {
  const { ingress, patienceMs } = context;
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
    const came = await cancelLatest(briefly, run, isAsked, run.life()).catch((error: unknown) => {
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

/**
 * Cancels a run because somebody has asked for it.
 *
 * @throws WorkerUnreachableError when no worker has begun its life within the patience.
 */
export async function cancelRun(
  context: EngineContext,
  run: { readonly agent: Agent<never, unknown>; readonly runId: string },
): Promise<Exclude<CancelOutcome, 'not begun'>> {
  const until = asyncScheduler.now() + context.patienceMs;
  for (;;) {
    const came = await cancelLatest(context, run, true);
    if (came !== 'not begun') return came;
    if (asyncScheduler.now() >= until)
      throw new WorkerUnreachableError(run.runId, run.agent.name, context.patienceMs);
    await new Promise((resolve) => setTimeout(resolve, NOT_BEGUN_GAP_MS));
  }
}

function isAway(error: unknown): boolean {
  return (
    error instanceof EngineUnreachableError ||
    error instanceof WorkerUnreachableError ||
    (error as Error).name === 'TimeoutError'
  );
}

/** What came of asking for a run's end. A life that is `not begun` is to be asked again: its worker knows nothing of it yet. */
export type CancelOutcome = 'cancelled' | 'ended' | 'unknown' | 'not begun';

/**
 * Cancels the life of a run that is under way. Says what came of it: `ended` when none is under way any more, `unknown` when
 * the server has not heard of the first of these lives. A run that waits for an answer begins one more life, which only undoes,
 * when somebody has asked for its end.
 *
 * @param isAsked - Whether somebody has asked for it, so that sagas undo what they have done.
 * @param first - The life to look at first, when those before it are known to have ended.
 */
export async function cancelLatest(
  context: EngineContext,
  { agent, runId }: { readonly agent: Agent<never, unknown>; readonly runId: string },
  isAsked: boolean,
  first?: number,
): Promise<CancelOutcome> {
  let isWaiting = false;
  for (let life = first ?? 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    const isNew = result === 'unknown';
    if (isNew && first === undefined && life === 1) {
      // Its first lives may be forgotten while it rests.
      const known = await knownRun(context, agent, runId);
      if (known === undefined) return 'unknown';
      isWaiting = known.isResting && known.state.status === 'SUSPENDED';
      life = known.isResting ? known.life : known.life - 1;
      continue;
    }
    if (isNew && !(isWaiting && isAsked)) return life === (first ?? 1) ? 'unknown' : 'ended';
    if (!isNew && result !== 'under way') {
      isWaiting = result.status === 'SUSPENDED';
      continue;
    }
    if (isNew) {
      const start: StartRequest = {
        runId,
        life,
        at: asyncScheduler.now(),
        onMismatch: 'refuse',
        isCancelled: true,
      };
      const path = handlerPath(serviceFor(agent), key, 'run/send');
      const sent = (await context.ingress.request(path, { body: start })) as { readonly status: string };
      // Unless an answer has begun this life first.
      if (sent.status === 'Accepted') return 'cancelled';
    }
    const body: CancelRequest = { isAsked };
    const isHeard = await askWorker(context, agent, key, 'cancel', body);
    return isHeard === false ? 'not begun' : 'cancelled';
  }
}
