import { jsonValue } from '../../../lib/codec/jsonValue';
import type { SharedDefinition } from '../../../lib/definition/definition';
import { DefinitionError } from '../../../lib/errors/definitionErrors';
import { toFailure } from '../../../lib/model/failure';
import type { SharedOptions } from '../../../lib/model/shared';
import { frozenCopy } from '../../../lib/model/shared';

/**
 * The shared state of a composite, from what its constructor was given.
 *
 * @throws DefinitionError when there is no `initial`, JSON does not keep it, or `reduce` is not a function.
 */
export function sharedDefinition<H, A>(name: string, given: SharedOptions<H, A>): SharedDefinition {
  const options: unknown = given;
  if (
    typeof options !== 'object' ||
    options === null ||
    (options as { initial?: unknown }).initial === undefined
  )
    throw new DefinitionError(name, 'shared needs what it begins with: { shared: { initial: {} } }');
  const { initial, reduce } = given;
  if (reduce !== undefined && typeof reduce !== 'function')
    throw new DefinitionError(name, `shared.reduce must be a function, got ${typeof reduce}`);
  return {
    initial: frozenCopy(kept(name, initial)),
    ...(reduce !== undefined && { reduce: reduce as unknown as NonNullable<SharedDefinition['reduce']> }),
  };
}

function kept(name: string, initial: unknown): unknown {
  try {
    return jsonValue(initial, '');
  } catch (error) {
    throw new DefinitionError(
      name,
      `shared.initial must be a value that JSON keeps: ${toFailure(error).message}`,
    );
  }
}
