import type { Agent } from '../model/agentType';
import type { Definition } from './definition';
import { definitionOf, isContainer, isStructure } from './definition';

/**
 * The definition behind a step of a run, by its path: `undefined` where a run of this agent can have no such step, `'unknown'`
 * below a function, which decides its steps while it runs.
 */
export function definitionAt(agent: Agent<never, unknown>, path: string): Definition | 'unknown' | undefined {
  const root = definitionOf(agent);
  if (root === undefined) return undefined;
  if (isContainer(root)) return stepBelow(root, path);
  // A single agent is the one step of its run.
  const rest = restAfter(root.name, path);
  return rest === undefined ? undefined : definitionBelow(root, rest);
}

/**
 * The same for a step below one of this definition, under the limit that the step has there.
 *
 * @param rest - What follows in the path behind the step of this definition.
 */
export function definitionBelow(definition: Definition, rest: string): Definition | 'unknown' | undefined {
  if (rest === '') return definition;
  if (definition.kind === 'function') return 'unknown';
  return stepBelow(definition, rest.startsWith('/') ? rest.slice(1) : rest);
}

function stepBelow(definition: Definition, path: string): Definition | 'unknown' | undefined {
  if (!isStructure(definition)) return undefined;
  const [only] = definition.parts;
  // A key in a path has `/`, `[` and `]` escaped.
  const item = /^\[[^\]]*\]/.exec(path)?.[0];
  if (definition.kind === 'loop' || definition.kind === 'each') {
    const body = only && definitionOf(only.agent);
    if (item === undefined || body === undefined) return undefined;
    const behind = path.slice(item.length);
    if (definition.kind === 'loop') return definitionBelow(body, behind);
    const rest = restAfter(`/${body.name}`, behind);
    return rest === undefined ? undefined : definitionBelow(body, rest);
  }
  // `trim[1]` may be a step of its own, beside `trim`.
  const parts = definition.parts.map((part) => [part.id, part] as const).sort(longestFirst);
  // In a run of earlier ids. Where the path may also be one of a round, both have the same questions as a rule.
  const earlier = definition.parts.flatMap((part) =>
    part.earlierId === undefined ? [] : [[part.earlierId, part] as const],
  );
  for (const [id, { agent, limit }] of [...parts, ...earlier.sort(longestFirst)]) {
    const rest = restAfter(id, path);
    const part = definitionOf(agent);
    if (rest === undefined || part === undefined) continue;
    const limited = limit === undefined ? part : { ...part, policy: { ...part.policy, limit } };
    const found = definitionBelow(limited, rest);
    if (found !== undefined) return found;
  }
  return undefined;
}

function longestFirst([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return other.length - one.length;
}

/** What follows in a path behind an id; undefined when the path does not begin with it. */
function restAfter(id: string, path: string): string | undefined {
  if (!path.startsWith(id)) return undefined;
  const rest = path.slice(id.length);
  return rest === '' || rest.startsWith('/') || rest.startsWith('[') ? rest : undefined;
}
