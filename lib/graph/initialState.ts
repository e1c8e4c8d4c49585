import type { Agent } from '../model/agent';
import type { RunState } from '../model/state';
import { idleState } from '../model/state';
import type { Definition } from './definition';
import { definitionOf, planOf } from './definition';

/** How a run of an agent stands before it begins: IDLE, with every declared step PENDING. */
export function initialState<I, O>(agent: Agent<I, O>, runId = ''): RunState<O> {
  return idleState(runId, agent.name, planOf(definitionOf(agent) as Definition));
}
