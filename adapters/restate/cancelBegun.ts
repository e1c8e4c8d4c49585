import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import { cancelLatest } from './cancelLatest';
import type { EngineContext } from './engineContext';
import { EngineUnreachableError } from './engineUnreachableError';
import { WorkerUnreachableError } from './workerUnreachableError';

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

function isAway(error: unknown): boolean {
  return (
    error instanceof EngineUnreachableError ||
    error instanceof WorkerUnreachableError ||
    (error as Error).name === 'TimeoutError'
  );
}
