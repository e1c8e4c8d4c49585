import type { Definition } from '../../lib/graph/definition';
import { definitionOf } from '../../lib/graph/definition';
import type { Agent } from '../../lib/model/agent';
import type { Ingress } from './ingress';
import { serviceOf } from './names';
import type { Pace } from './pace';

/** What following and beginning runs needs of an engine. */
export interface EngineContext {
  readonly ingress: Ingress;
  readonly admin: Ingress | undefined;
  readonly patienceMs: number;
  readonly pace: Pace;
}

/** The name under which runs of an agent are served. */
export function serviceFor(agent: Agent<never, unknown>): string {
  return serviceOf(definitionOf(agent) as Definition);
}
