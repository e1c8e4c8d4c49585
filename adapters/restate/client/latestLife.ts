import type { Definition } from '../../../lib/definition/definition';
import { definitionOf, planOf } from '../../../lib/definition/definition';
import type { Agent } from '../../../lib/model/agentType';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import { keyOf } from '../protocol/serviceNames';
import { BATCH_MS } from '../protocol/wireLimits';
import type { EngineContext } from './engineContext';
import { follower } from './follower';
import { resultOf, stateAfter } from './lifeResult';
import { readEvents } from './readEvents';
import { knownRun } from './runRecord';

/** A life, and how its run stands. */
export interface Latest<O> {
  readonly life: number;
  readonly state: RunState<O>;
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
  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    if (result === 'unknown' && life === 1) {
      // Its first lives may be forgotten while it rests.
      const known = await knownRun(context, agent, runId);
      if (known === undefined) return undefined;
      base = known.state;
      latest = known.isResting ? { life: known.life, state: base } : undefined;
      life = known.isResting ? known.life : known.life - 1;
      continue;
    }
    if (result === 'unknown') return latest;
    const { signal } = new AbortController();
    const following = { agent, runId, key, base, input: undefined, isRefusing: false, tell: ignore, signal };
    if (result === 'under way') {
      const follow = follower<O>(base, definition, ignore);
      await readEvents(context, following, follow, { from: 0, parts: 0 }, { waitMs: BATCH_MS });
      return { life, state: follow.state() };
    }
    base = await stateAfter(context, following, result);
    latest = { life, state: base };
  }
}

function ignore(): void {
  // Only the state matters.
}

/** Which life of a run is the latest, without reading how the run stands; undefined for an unknown run. */
export async function latestOf(
  context: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
): Promise<{ readonly key: string; readonly isUnderWay: boolean } | undefined> {
  let latest: string | undefined;
  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    if (result === 'unknown' && life === 1) {
      const known = await knownRun(context, agent, runId);
      if (known === undefined) return undefined;
      latest = keyOf(runId, known.life);
      life = known.isResting ? known.life : known.life - 1;
    } else if (result === 'unknown')
      return latest === undefined ? undefined : { key: latest, isUnderWay: false };
    else if (result === 'under way') return { key, isUnderWay: true };
    else latest = key;
  }
}
