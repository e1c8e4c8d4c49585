import { MissingServiceError } from '../../errors/stepErrors';
import { InvalidArgumentError } from '../../model/failure';
import type { Services } from '../../model/agentType';

/** @throws InvalidArgumentError for services that are not a record. */
export function checkServices(services: unknown): void {
  if (services === undefined || (typeof services === 'object' && services !== null)) return;
  throw new InvalidArgumentError(
    `Cannot run with services of type ${typeof services}`,
    'give a record, such as { db, mailer }',
  );
}

/**
 * The services as agents see them: each by its name, and a named error for one that was not given. Nothing else shows what is in it, so
 * that a context that ends up in a log or an output takes nothing along.
 */
export function servicesView(given: object | undefined): Services {
  if (given === undefined) return NONE;
  return viewOf(given);
}

function viewOf(given: object): Services {
  return new Proxy(Object.freeze({}) as Services, {
    get(_, name) {
      if (name in given) return Reflect.get(given, name) as unknown;
      if (typeof name === 'symbol' || LOOKED_FOR.has(name)) return undefined;
      throw new MissingServiceError(name);
    },
    has: (_, name) => name in given,
  });
}

/** What JavaScript itself, `await` and what prints values look for in any object. */
const LOOKED_FOR: ReadonlySet<string> = new Set([
  'then',
  'toJSON',
  '$$typeof',
  'asymmetricMatch',
  'nodeType',
]);

/** For calls that were given none. */
const NONE = viewOf({});
