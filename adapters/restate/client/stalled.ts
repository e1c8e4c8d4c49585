import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../../lib/model/agentType';
import { pause } from '../protocol/pause';
import { RunStalledError } from '../restateErrors';
import { replaceLife } from './broken/brokenLife';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import type { LifeTrouble } from './stuckLives';
import { lifeTrouble, SCHEDULED } from './stuckLives';

const CHECK_MS = 3_000;
const NO_ANSWER = 'no worker has answered';
/** Statuses of a life that a worker has taken. */
const CARRIED_OUT: ReadonlySet<string> = new Set(['running', 'suspended']);
const UNHEARD =
  'A worker carries the run out, but nothing that it tells arrives: is the ingress right that it was given?';

/** What is known of a life by following it. */
export interface Signs {
  /** When it was first asked for, epoch milliseconds. */
  readonly begunAt: number;
  readonly isBegun: () => boolean;
  /** Whether a worker has answered within the patience, the last time that one was asked. */
  readonly isAnswered: () => boolean;
}

/**
 * Fails when no worker begins a run within the patience, and tells why a run does not move. Otherwise never resolves.
 *
 * Only the admin knows why. Without it nothing is told but that no worker answers: a step may take as long as it likes.
 */
export async function stalled(
  context: EngineContext,
  agent: Agent<never, unknown>,
  { runId, key }: { readonly runId: string; readonly key: string },
  { begunAt, isBegun, isAnswered }: Signs,
  signal: AbortSignal,
  warn: (reason: string) => void,
): Promise<never> {
  let since = begunAt;
  let latest = '';
  let checkMs = Math.max(0, since + CHECK_MS - asyncScheduler.now());
  for (;;) {
    await pause(checkMs, signal);
    checkMs = CHECK_MS;
    if (signal.aborted) return new Promise<never>(() => undefined);
    const { status, failure } = await standing(context, serviceFor(agent), key);
    if (status === SCHEDULED) {
      // It was submitted for later: nobody is to begin it yet.
      since = asyncScheduler.now();
      continue;
    }
    const waited = asyncScheduler.now() - since;
    const trouble = failure === undefined ? undefined : explained(failure);
    if (!isBegun() && !CARRIED_OUT.has(status)) {
      if (waited >= context.patienceMs) throw new RunStalledError(runId, waited, trouble ?? NO_ANSWER);
      continue;
    }
    if (!isBegun() && waited < context.patienceMs) continue;
    let notice: string | undefined;
    if (!isBegun()) notice = UNHEARD;
    else if (trouble !== undefined) notice = `The run does not move: ${trouble}`;
    else if (!isAnswered()) notice = `It is not known how the run stands: ${NO_ANSWER}`;
    if (notice === undefined || notice === latest) continue;
    latest = notice;
    warn(notice);
  }
}

/** How a life stands; a journal that does not fit the code ends it, so that another life can go on. */
async function standing(
  context: EngineContext,
  service: string,
  key: string,
): Promise<Pick<LifeTrouble, 'status' | 'failure'>> {
  const { admin, pace, sleepers } = context;
  if (admin === undefined) return NOT_KNOWN;
  try {
    const isShared = sleepers !== undefined && pace.isCrowded();
    const trouble = await (isShared ? sleepers.standing(service, key) : lifeTrouble(admin, service, key));
    if (trouble?.isMisfit === true) await replaceLife(context, admin, service, { key, id: trouble.id });
    return trouble ?? NOT_KNOWN;
  } catch {
    // An admin that is away, or a gateway before it that refuses: only the reason is lost, and it is asked for again.
    return NOT_KNOWN;
  }
}

const NOT_KNOWN = { status: '' };

/** Says of a failure that has to do with pools what is missing. */
function explained(failure: string): string {
  const [, pool] = /service handler \S+\.steps\.(\S+)\/call was not found/.exec(failure) ?? [];
  return pool === undefined
    ? failure
    : `no registered worker serves the pool "${pool}"; start one with serveRestate(agents, { pools: ['${pool}'], runs: false, … })`;
}
