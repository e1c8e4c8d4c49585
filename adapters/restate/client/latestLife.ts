import type { Definition } from '../../../lib/definition/definition';
import { definitionOf, planOf } from '../../../lib/definition/definition';
import type { Agent } from '../../../lib/model/agentType';
import { isEnd } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import { keyOf } from '../protocol/serviceNames';
import { BATCH_MS } from '../protocol/wireLimits';
import type { EngineContext } from './engineContext';
import { follower } from './follower';
import { goesOn } from './followRun';
import { comesTo, resultOf, stateAfter } from './lifeResult';
import { readEvents } from './readEvents';
import type { KnownRun } from './runRecord';
import { knownRun } from './runRecord';

/** A life, and how its run stands. */
export interface Latest<O> {
  readonly life: number;
  readonly state: RunState<O>;
  readonly isUnderWay: boolean;
}

/** The latest life of a run, and how the run stands; undefined for an unknown run. */
export async function latestLife<O>(
  context: EngineContext,
  agent: Agent<never, O>,
  runId: string,
): Promise<Latest<O> | undefined> {
  const definition = definitionOf(agent) as Definition;
  let latest: Latest<O> | undefined;
  let base: RunState<O> = idleState(runId, agent.name, planOf(definition));
  const { signal } = new AbortController();
  /** Goes to the latest life that is known of a run that has rested. */
  const jumpTo = (known: KnownRun<O>): number => {
    base = known.state;
    latest = known.isResting ? { life: known.life, state: shown(base), isUnderWay: false } : undefined;
    return known.isResting ? known.life : known.life - 1;
  };
  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    if (result === 'unknown' && life === 1) {
      // Its first lives may be forgotten while it rests.
      const known = await knownRun(context, agent, runId);
      if (known === undefined) return undefined;
      life = jumpTo(known);
      continue;
    }
    if (result === 'unknown') return latest;
    const following = { agent, runId, key, base, input: undefined, isRefusing: false, tell: ignore, signal };
    if (result === 'under way') {
      let isEndTold = false as boolean;
      const follow = follower<O>(base, definition, ({ event }) => {
        isEndTold ||= isEnd(event) && !goesOn(event);
      });
      await readEvents(context, following, follow, { from: 0, parts: 0 }, { waitMs: BATCH_MS });
      // Whoever hears of an end may go on from there, or give the run up, which waits until the life has put down how it leaves the run.
      if (isEndTold && (await comesTo(context, agent, key, (now) => now !== 'under way', REST_MS))) {
        life -= 1;
        continue;
      }
      return { life, state: shown(follow.state()), isUnderWay: true };
    }
    // One that has rested is kept with its latest life: to walk there through n answers would cost n questions each time.
    const hasRested = result.status !== 'COMPLETED' && !('refused' in result) && !('broken' in result);
    const known = hasRested ? await knownRun(context, agent, runId) : undefined;
    if (known !== undefined && known.life > life) {
      life = jumpTo(known);
      continue;
    }
    const isKnown = known?.life === life && known.isResting;
    base = isKnown ? known.state : await stateAfter(context, following, result);
    latest = { life, state: shown(base), isUnderWay: false };
  }
}

/** So long it may take a life to put down how it leaves its run. One whose worker is gone meanwhile is not waited for. */
const REST_MS = 5_000;

/** A run that is between two lives has not come to a rest: the server is about to begin the next one, or steps of it sleep. */
function shown<O>(state: RunState<O>): RunState<O> {
  if (!goesOn(state)) return state;
  const { reason: _reason, endedAt: _endedAt, ...others } = state;
  return { ...others, status: 'RUNNING' };
}

function ignore(): void {
  // Only the state matters.
}
