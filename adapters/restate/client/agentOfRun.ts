import type { StructureDefinition } from '../../../lib/definition/definition';
import { defineAgent, definitionOf } from '../../../lib/definition/definition';
import { UnknownRunError } from '../../../lib/errors/storageErrors';
import type { Agent } from '../../../lib/model/agentType';
import { InvalidArgumentError } from '../../../lib/model/failure';
import type { Plan } from '../../../lib/model/plan';
import {
  agentOf,
  keyOf,
  nameService,
  recordedRun,
  RECORDS_SERVICE,
  serviceOfPlan,
} from '../protocol/serviceNames';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { query, sqlText } from './askAdmin';

/** The agents whose runs this engine has been asked for. */
export interface MetRuns {
  /** A run of this agent was asked for. */
  meet(agent: Agent<never, unknown>, runId: string): void;
  /** The agents that have a run of this id. */
  agentsOf(runId: string): readonly Agent<never, unknown>[];
  /** The agent whose runs this service carries out; undefined when none of them was asked for. */
  servedBy(service: string): Agent<never, unknown> | undefined;
}

const MOST_RUNS = 10_000;

/** Remembers the agents of the newest 10,000 runs. */
export function metRuns(): MetRuns {
  const runs = new Map<string, readonly Agent<never, unknown>[]>();
  const services = new Map<string, Agent<never, unknown>>();
  return {
    meet(agent, runId) {
      const service = serviceFor(agent);
      services.set(service, agent);
      const others = (runs.get(runId) ?? []).filter((other) => serviceFor(other) !== service);
      runs.delete(runId);
      runs.set(runId, [...others, agent]);
      if (runs.size > MOST_RUNS) runs.delete(runs.keys().next().value as string);
    },
    agentsOf: (runId) => runs.get(runId) ?? [],
    servedBy: (service) => services.get(service),
  };
}

/**
 * The agent of a run that is named by its id alone: the one that was given, else the one for which this engine has been asked
 * for the run, else whoever the server says.
 *
 * @throws UnknownRunError when the server has no run of this id.
 * @throws InvalidArgumentError when several agents have a run of this id, or nobody can be asked.
 */
export async function agentOfRun(
  context: Pick<EngineContext, 'admin'>,
  known: MetRuns,
  runId: string,
  given: Agent<never, unknown> | undefined,
): Promise<Agent<never, unknown>> {
  if (given !== undefined) return given;
  const met = known.agentsOf(runId);
  if (met.length === 1) return met[0] as Agent<never, unknown>;
  const names = met.length > 1 ? met.map(serviceFor) : await servicesWith(context, runId);
  const [service] = names;
  if (service === undefined) throw new UnknownRunError(runId);
  if (names.length > 1) {
    throw new InvalidArgumentError(
      `Cannot tell which run "${runId}" is meant: ${names.join(' and ')} have one`,
      'give its agent: { engine, agent }',
    );
  }
  return known.servedBy(service) ?? standInFor(service);
}

/** The services that have begun a run of this id. */
async function servicesWith(
  { admin }: Pick<EngineContext, 'admin'>,
  runId: string,
): Promise<readonly string[]> {
  if (admin === undefined) {
    throw new InvalidArgumentError(
      `Cannot tell whose run "${runId}" is: this engine has not run it, and does not know the admin of the server`,
      'give its agent, { engine, agent }, or restateEngine({ ingress, admin })',
    );
  }
  // The first lives of a run that waits may be forgotten: it is kept by another service then.
  const rows = await query(
    admin,
    `select distinct target_service_name, target_service_key from sys_invocation where (target_service_key = '${sqlText(keyOf(runId, 1))}' and target_handler_name = 'run') or (target_service_name = '${RECORDS_SERVICE}' and target_handler_name = 'mark' and ends_with(target_service_key, '/${sqlText(runId)}'))`,
  );
  const names = rows.flatMap((row) => {
    const [service, key] = [String(row['target_service_name']), String(row['target_service_key'])];
    if (service !== RECORDS_SERVICE) return [service];
    const recorded = recordedRun(key);
    return recorded.runId === runId ? [recorded.service] : [];
  });
  return [...new Set(names)].filter((service) => agentOf(service) !== undefined);
}

/** The agent that a run of this name and plan belongs to: one that was met, or one that stands for it. */
export function agentOfPlan(known: MetRuns, name: string, plan: Plan): Agent<never, unknown> {
  const service = serviceOfPlan(name, plan);
  return known.servedBy(service) ?? standInFor(service);
}

/** Stands for an agent of which only the service is known: enough to talk about its runs, not to begin any. */
function standInFor(service: string): Agent<never, unknown> {
  const definition: StructureDefinition = {
    kind: 'workflow',
    name: agentOf(service) ?? service,
    policy: {},
    parts: [],
    depth: 1,
    shape: 'graph',
    madeWith: [],
    begin() {
      throw new InvalidArgumentError(`Cannot run service "${service}" here`, 'run its agent');
    },
  };
  nameService(definition, service);
  standIns.add(definition);
  return defineAgent<never, unknown>((source) => source, definition);
}

const standIns = new WeakSet<object>();

/** Whether only the service of this agent is known, not what its runs consist of. */
export function isStandIn(agent: Agent<never, unknown>): boolean {
  return standIns.has(definitionOf(agent) as object);
}
