import type { Agent } from '../../lib/model/agent';
import type { EngineContext } from './engineContext';
import { resultOf } from './lifeResult';
import { keyOf } from './names';

/** The key of the latest life of a run, without reading how the run stands; undefined for an unknown run. */
export async function latestKey(
  context: EngineContext,
  agent: Agent<never, unknown>,
  runId: string,
): Promise<string | undefined> {
  let latest: string | undefined;
  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const result = await resultOf(context, agent, key);
    if (result === 'unknown') return latest;
    if (result === 'under way') return key;
    latest = key;
  }
}
