import type { Definition } from '../../../lib/definition/definition';
import { fingerprint, planOf } from '../../../lib/definition/definition';
import type { Plan } from '../../../lib/model/plan';

const PREFIX = 'millrace.';

/**
 * The name under which runs of a definition are served: the agent's name and the fingerprint of its plan, so that old runs
 * finish on the definition with which they began while new ones begin on another.
 */
export function serviceOf(definition: Definition): string {
  let name = known.get(definition);
  if (name === undefined) {
    name = serviceOfPlan(definition.name, planOf(definition));
    known.set(definition, name);
  }
  return name;
}

/** The same for a run of which only the name and the plan are known. */
export function serviceOfPlan(name: string, plan: Plan): string {
  return `${servicesNamed(name)}${fingerprint(plan).slice(0, 12)}`;
}

const known = new WeakMap<Definition, string>();

/** Says under which name runs of a definition are served, where only that is known of it. */
export function nameService(definition: Definition, service: string): void {
  known.set(definition, service);
}

/** What the names of all versions of an agent's service begin with. */
export function servicesNamed(agent: string): string {
  const safe = agent.replace(/[^A-Za-z0-9-]/gu, (letter) => `_${(letter.codePointAt(0) ?? 0).toString(16)}_`);
  return `${PREFIX}${safe}.`;
}

/** The name of the agent that a service runs; undefined for a service of somebody else. */
export function agentOf(service: string): string | undefined {
  const match = /^millrace\.([A-Za-z0-9_-]*)\.[0-9a-f]{12}$/.exec(service);
  return match?.[1]?.replace(/_([0-9a-f]+)_/g, (_, code: string) => String.fromCodePoint(parseInt(code, 16)));
}

/** The version of the definition that a service serves: the last part of its name. */
export function versionOf(service: string): string {
  return service.slice(service.lastIndexOf('.') + 1);
}

/** The name under which single steps of a definition are served to whoever carries out its runs. */
export function stepsServiceOf(service: string, pool: string): string {
  return `${service}.steps.${pool}`;
}

/** The key of one life of a run: the id of the run for the first, `2~id` for the second. */
export function keyOf(runId: string, life: number): string {
  return life === 1 && !/^\d+~/.test(runId) ? runId : `${life}~${runId}`;
}

/** The run and the life that a key stands for. */
export function lifeOf(key: string): { readonly runId: string; readonly life: number } {
  const match = /^(\d+)~(.*)$/s.exec(key);
  return match === null ? { runId: key, life: 1 } : { runId: match[2] ?? '', life: Number(match[1]) };
}

/** The service that keeps how runs stand between their lives. */
export const RECORDS_SERVICE = `${PREFIX}runs`;

/** Under which a run is kept there. */
export function recordKey(service: string, runId: string): string {
  return `${service}/${runId}`;
}

/** The run that a key stands for. */
export function recordedRun(key: string): { readonly service: string; readonly runId: string } {
  const at = key.indexOf('/');
  return { service: key.slice(0, at), runId: key.slice(at + 1) };
}

/**
 * The idempotency key of a call that waits for a hundred years as long as a run is kept: the server says without a worker
 * whether it is there.
 */
export const KEPT_MARK = 'kept';
