import { asyncScheduler } from 'rxjs';

import type { Definition } from '../../../lib/definition/definition';
import { definitionOf } from '../../../lib/definition/definition';
import type { Agent } from '../../../lib/model/agentType';
import type { Transition } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { IngressError, workflowPath } from '../protocol/ingress';
import type { LifeResult } from '../protocol/protocol';
import { lifeOf } from '../protocol/serviceNames';
import { stateWithJournal } from './broken/brokenLife';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { follower } from './follower';
import { isNotServed, notServed } from './notServed';
import { readEvents } from './readEvents';
import { readRecord } from './runRecord';

/** A life that is followed, and whoever listens. */
export interface Following<O> {
  readonly agent: Agent<never, O>;
  readonly runId: string;
  readonly key: string;
  /** How the run stands before this life. */
  readonly base: RunState<O>;
  readonly input: unknown;
  readonly isRefusing: boolean;
  readonly tell: (transition: Transition<O>) => void;
  readonly signal: AbortSignal;
}

/** How a life has ended, if it has. */
export async function resultOf(
  { ingress, admin }: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
): Promise<LifeResult | 'unknown' | 'under way'> {
  try {
    return (await ingress.request(workflowPath(serviceFor(agent), key, 'output'))) as LifeResult;
  } catch (error) {
    if (!(error instanceof IngressError)) throw error;
    if (error.status === 470) return 'under way';
    if (error.isAway || REFUSALS.has(error.status)) throw error;
    if (error.status !== 404) return { ...NOTHING, broken: error.message };
    if (isNotServed(error)) throw await notServed(agent, admin, error);
    return 'unknown';
  }
}

const FIRST_GAP_MS = 20;
const LONGEST_GAP_MS = 250;

/** Asks how a life has ended, less and less often, until the answer fits. False when none has within so many milliseconds. */
export async function comesTo(
  context: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
  fits: (result: LifeResult | 'unknown' | 'under way') => boolean,
  patienceMs: number,
): Promise<boolean> {
  const until = asyncScheduler.now() + patienceMs;
  for (let gapMs = FIRST_GAP_MS; ; gapMs = Math.min(LONGEST_GAP_MS, gapMs * 2)) {
    if (fits(await resultOf(context, agent, key))) return true;
    if (asyncScheduler.now() >= until) return false;
    await new Promise((resolve) => setTimeout(resolve, gapMs));
  }
}

const NOTHING = { status: 'FAILED', from: 0, events: [], parts: 0 } as const;

/** What a gateway answers to a question that it does not hand on. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 407, 429]);

/** How a run stands after a life that has ended. */
export async function stateAfter<O>(
  context: EngineContext,
  following: Following<O>,
  result: LifeResult,
): Promise<RunState<O>> {
  const { agent, key, base } = following;
  if (result.broken !== undefined) {
    const told = follower<O>(base, definitionOf(agent) as Definition, () => undefined);
    await readEvents(context, following, told, { from: 0, parts: 0 }, {});
    const error = { name: 'Error', message: `Life of the run broken off: ${result.broken}`, retryable: true };
    const state = await stateWithJournal(context, agent, key, base, told.state());
    return { ...state, status: 'FAILED', error };
  }
  if (result.status !== 'COMPLETED') {
    const record = await readRecord(context, agent, following.runId);
    if (record?.isResting === true && record.life === lifeOf(key).life) return record.state;
  }
  const follow = follower<O>(base, definitionOf(agent) as Definition, () => undefined);
  await readEvents(context, following, follow, { from: 0, parts: 0 }, { upTo: result });
  follow.events(result.from, result.events);
  return follow.state();
}
