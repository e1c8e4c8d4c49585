import { DefinitionError } from './definitionError';

/**
 * Refuses names that cannot stand in a path: empty ones, and those with `/`, `[` or `]`.
 *
 * @throws DefinitionError
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
