import type { StepPolicy } from '../model/agent';
import { DefinitionError } from './definitionError';

/**
 * Refuses limits and lifetimes that make no sense.
 *
 * @throws DefinitionError
 */
export function checkPolicy(owner: string, { limit, cache }: Pick<StepPolicy, 'limit' | 'cache'>): void {
  const { concurrency = 1, rate } = limit ?? {};
  if (limit !== undefined && limit.concurrency === undefined && rate === undefined)
    throw new DefinitionError(owner, 'a limit needs a concurrency or a rate');
  if (!isCount(concurrency)) refuse(owner, 'limit.concurrency', 'a whole number from 1', concurrency);
  if (rate !== undefined && !isCount(rate.count))
    refuse(owner, 'limit.rate.count', 'a whole number from 1', rate.count);
  if (rate !== undefined && !(rate.perMs > 0 && rate.perMs < Infinity))
    refuse(owner, 'limit.rate.perMs', 'positive', rate.perMs);
  if (cache?.ttlMs !== undefined && !(cache.ttlMs >= 0))
    refuse(owner, 'cache.ttlMs', 'at least 0', cache.ttlMs);
}

const isCount = (value: number): boolean => value === Infinity || (Number.isInteger(value) && value >= 1);

function refuse(owner: string, what: string, must: string, got: number): never {
  throw new DefinitionError(owner, `${what} must be ${must}, got ${String(got)}`);
}
