import { typeName } from '../codec/typeName';
import { DefinitionError } from '../errors/definitionErrors';
import type { AgentPolicy, CircuitPolicy, RetryPolicy, StepPolicy } from '../model/agentType';
import { InvalidArgumentError } from '../model/failure';
import type { AgentKind } from '../model/plan';

/**
 * Checks that a name can be part of a path.
 *
 * @throws DefinitionError when the name is empty or contains `/`, `[` or `]`.
 */
export function checkName(agent: string, what: string, name: unknown): void {
  if (typeof name !== 'string')
    throw new DefinitionError(agent, `${what} must be a string, got ${typeof name}`);
  if (name === '') throw new DefinitionError(agent, `${what} is empty; give it a name`);
  const wrong = /[/[\]]/.exec(name)?.[0];
  if (wrong !== undefined) {
    throw new DefinitionError(
      agent,
      `${what} "${name}" contains "${wrong}", which separates the parts of a path`,
    );
  }
}

/**
 * Checks the retries, times, limits and lifetimes of a policy.
 *
 * @throws DefinitionError when one of them has the wrong type or is out of range.
 */
export function checkPolicy(owner: string, policy: StepPolicy): void {
  const { retry, timeoutMs, idleTimeoutMs, limit, cache, circuit } = policy;
  if (retry !== undefined) checkRetry(owner, retry);
  checkTime(owner, 'timeoutMs', timeoutMs);
  checkTime(owner, 'idleTimeoutMs', idleTimeoutMs);
  checkTime(owner, 'cache.ttlMs', cache?.ttlMs);
  if (circuit !== undefined) checkCircuit(owner, circuit);
  if (limit === undefined) return;
  const { concurrency, rate } = limit;
  if (concurrency === undefined && rate === undefined)
    throw new DefinitionError(owner, 'a limit needs a concurrency or a rate');
  checkConcurrency(owner, 'limit.concurrency', concurrency);
  checkConcurrency(owner, 'limit.rate.count', rate?.count);
  if (rate === undefined) return;
  checkTime(owner, 'limit.rate.perMs', rate.perMs);
  if (!(rate.perMs > 0 && rate.perMs < Infinity)) refuse(owner, 'limit.rate.perMs', 'positive', rate.perMs);
}

function checkRetry(owner: string, retry: number | RetryPolicy | null): void {
  // Without a number, what fails would be called again for ever.
  const isRecord = typeof retry === 'object' && retry !== null;
  const { count, delayMs, maxMs, retryIf }: Partial<RetryPolicy> = isRecord ? retry : {};
  const retries: unknown = isRecord ? count : retry;
  if (!isCount(retries, 0))
    refuse(owner, isRecord ? 'retry.count' : 'retry', 'a whole number from 0', retries);
  if (retryIf !== undefined && typeof retryIf !== 'function')
    refuse(owner, 'retry.retryIf', 'a function', kindOf(retryIf));
  if (typeof delayMs !== 'function') checkTime(owner, 'retry.delayMs', delayMs);
  if (delayMs === Infinity) refuse(owner, 'retry.delayMs', 'finite', delayMs);
  checkTime(owner, 'retry.maxMs', maxMs);
}

function checkCircuit(owner: string, circuit: CircuitPolicy): void {
  const { failures, rate, withinMs, openMs, countIf } = circuit;
  if (failures === undefined && rate === undefined)
    throw new DefinitionError(owner, 'a circuit needs failures or a rate after which it opens');
  checkConcurrency(owner, 'circuit.failures', failures);
  checkConcurrency(owner, 'circuit.rate.minCalls', rate?.minCalls);
  if (rate !== undefined && !(rate.percent > 0 && rate.percent <= 100))
    refuse(owner, 'circuit.rate.percent', 'above 0 and at most 100', rate.percent);
  checkTime(owner, 'circuit.withinMs', withinMs);
  checkTime(owner, 'circuit.openMs', openMs);
  if (countIf !== undefined) checkFunction(owner, 'circuit.countIf', countIf);
}

/** Why an agent that calls nothing itself cannot have a circuit. */
export function circuitOfSeveral(kind: AgentKind): string {
  return `circuit is for agents that call a service, and this ${kind} calls none itself: give it to the agents within`;
}

/**
 * What is given among the options of an agent about how it is carried out, and its version apart from that.
 *
 * @throws DefinitionError for names that are none of a policy, what this kind of agent cannot honour, and a version that is none.
 */
export function policyOf(
  kind: AgentKind,
  owner: string,
  given: AgentPolicy<never>,
): { readonly policy: StepPolicy; readonly version?: string } {
  checkPolicyOf(kind, owner, given);
  const { version, ...policy } = given;
  return {
    policy,
    ...(version !== undefined && { version: checkedVersion(owner, version) }),
  };
}

export function checkedVersion(owner: string, version: unknown): string {
  if (typeof version === 'string' || (typeof version === 'number' && Number.isFinite(version)))
    return String(version);
  throw new DefinitionError(owner, `version is ${String(version)}; give a text or a number`);
}

/**
 * Refuses names that are no policy: what is misspelt would do nothing, unseen.
 *
 * @throws DefinitionError for such a name.
 */
export function checkPolicyNames(owner: string, policy: object, others: readonly string[]): void {
  for (const name of Object.keys(policy)) {
    if (POLICIES.has(name) || others.includes(name)) continue;
    const known = [...POLICIES, ...others.filter((other) => other !== 'version')].join(', ');
    throw new DefinitionError(owner, `"${name}" is no policy; there are ${known}`);
  }
}

function checkPolicyOf(kind: AgentKind, owner: string, policy: AgentPolicy<never>): void {
  const given: unknown = policy;
  if (typeof given !== 'object' || given === null)
    throw new DefinitionError(owner, `a policy must be a record, got ${String(given)}`);
  checkPolicyNames(owner, given, ['version']);
  checkPolicy(owner, policy);
  if (kind === 'function' || kind === 'operator') return;
  if (policy.idleTimeoutMs !== undefined) {
    const why = kind === 'approval' || kind === 'sleep' ? 'only waits' : 'runs several steps';
    throw new DefinitionError(
      owner,
      `idleTimeoutMs is for agents that stream, and this ${kind} ${why}: give timeoutMs, or give it to those that stream`,
    );
  }
  if (policy.circuit !== undefined) throw new DefinitionError(owner, circuitOfSeveral(kind));
  if (kind === 'saga' && policy.retry !== undefined) {
    throw new DefinitionError(
      owner,
      'a saga that has begun to undo only goes back, so retry cannot be honoured: give it to the agent within',
    );
  }
}

const POLICIES: ReadonlySet<string> = new Set([
  'retry',
  'timeoutMs',
  'idleTimeoutMs',
  'limit',
  'circuit',
  'cache',
  'critical',
] satisfies readonly (keyof StepPolicy)[]);

/**
 * Refuses what is no number of things at once.
 *
 * @throws DefinitionError when that is neither a whole number from 1 nor Infinity.
 */
export function checkConcurrency(owner: string, what: string, concurrency: number | undefined): void {
  if (concurrency !== undefined && !isCount(concurrency, 1))
    refuse(owner, what, 'a whole number from 1', concurrency);
}

function checkTime(owner: string, what: string, ms: number | undefined): void {
  if (ms === undefined) return;
  if (typeof ms !== 'number') refuse(owner, what, 'a number of milliseconds', kindOf(ms));
  if (!(ms >= 0)) refuse(owner, what, 'at least 0', ms);
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : `a ${typeof value}`;
}

const isCount = (value: unknown, least: number): boolean =>
  value === Infinity || (Number.isInteger(value) && (value as number) >= least);

function refuse(owner: string, what: string, must: string, got: unknown): never {
  throw new DefinitionError(owner, `${what} must be ${must}, got ${String(got)}`);
}

/**
 * Checks the answer of a user's predicate. In plain JavaScript no compiler does: a Promise would always count as true.
 *
 * @param what - Which predicate, for the error: `when of step "pay"`.
 */
export function yesOrNo(answer: unknown, what: string): boolean {
  if (typeof answer === 'boolean') return answer;
  // The error below is thrown in any case; how the Promise settles does not matter.
  if (answer instanceof Promise) answer.catch(() => undefined);
  const got = answer instanceof Promise ? 'a Promise; it must answer at once' : typeof answer;
  throw new InvalidArgumentError(
    `Cannot decide: ${what} must give true or false, got ${got}`,
    'give true or false at once',
    { tellsNext: false },
  );
}

/** @throws DefinitionError when the value is not a function. */
export function checkFunction(owner: string, what: string, given: unknown): void {
  if (typeof given !== 'function') {
    throw new DefinitionError(owner, `${what} must be a function, got ${typeof given}`);
  }
}

/** What stands where an agent has to stand is something else. @param action - What was to be done with it, such as `run`. */
export function notAnAgent(action: string, given: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `Cannot ${action}: an agent is needed, got ${typeName(given)}`,
    'make one with agent()',
  );
}
