import type { Definition, Part, StructureDefinition } from '../lib/definition/definition';
import { defineAgent, definitionOf, isContainer, isStructure } from '../lib/definition/definition';
import { definitionBelow } from '../lib/definition/definitionAt';
import type { Scope, StepRequest } from '../lib/definition/scope';
import { pathBelow } from '../lib/engine/task';
import type { Agent, StepContext } from '../lib/model/agentType';
import { agent as agentOf } from '../operators/agents/agent';
import { undoing } from '../operators/agents/saga';
import { withPolicy } from '../operators/agents/withPolicy';
import { UnknownPathError } from './testingErrors';

/** What stands in the place of an agent: another one, or a function. */
export type Override = Agent<never, unknown> | ((input: never, context: StepContext) => unknown);

/**
 * The same definition with other agents at some of its places, for tests. The places keep their names, policies and codecs, so that
 * runs have the same plan and the same paths; the agent that is given stays as it is. In a saga what it did is undone by its own
 * `compensate`, or by one that does nothing: never by that of the agent in whose place it stands.
 *
 * @param at - By the path of the step as the plan has it, such as `read` or `inner/read`; items and rounds without their brackets:
 * `pages/ocr` stands for `pages[3]/ocr`. Below a function, which decides its steps while it runs, any path is taken.
 * @throws UnknownPathError for a path that no run of the agent can have; it names those that are near.
 *
 * @example
 * ```ts
 * const tested = override(report, { 'pages/ocr': fakeAgent('ocr', [{ answer: 'text' }]) });
 * ```
 */
export function override<I, O, P, S>(
  agent: Agent<I, O, P, S>,
  at: Readonly<Record<string, Override>>,
): Agent<I, O, P, S> {
  const definition = definitionOf(agent);
  if (definition === undefined) throw new UnknownPathError(agent.name, Object.keys(at)[0] ?? '', []);
  const all = Object.entries(at).map(([path, by]) => ({ path, rest: path, by }));
  if (isContainer(definition))
    return withDefinition(replacedIn(definition, all, { root: agent.name, known: pathsIn(definition, '') }));
  const whole = { root: agent.name, known: [definition.name, ...pathsIn(definition, definition.name)] };
  const below = all.flatMap((one) => restBehind(one, definition.name) ?? refuse(one, whole));
  return withDefinition(replaced(definition, below, whole));
}

interface Replacement {
  /** As it was given. */
  readonly path: string;
  /** What of it lies below the definition at hand; empty for the definition itself. */
  readonly rest: string;
  readonly by: Override;
}

/** The agent as a whole, for the error. */
interface Whole {
  readonly root: string;
  readonly known: readonly string[];
}

function replaced(definition: Definition, all: readonly Replacement[], whole: Whole): Definition {
  const here = all.find(({ rest }) => rest === '');
  if (here !== undefined) return inThePlaceOf(definition, here.by);
  if (all.length === 0) return definition;
  if (isStructure(definition)) return replacedIn(definition, all, whole);
  // A function decides its steps while it runs.
  return {
    ...definition,
    invoke: (input, context) => definition.invoke(input, replacingContext(context, all, whole)),
  };
}

function replacedIn(
  definition: StructureDefinition,
  all: readonly Replacement[],
  whole: Whole,
): StructureDefinition {
  const taken = new Set<Replacement>();
  const parts = definition.parts.map((part) => {
    const own = all.flatMap((one) => {
      const behind = restOf(definition, part, one);
      if (behind === undefined) return [];
      taken.add(one);
      return [behind];
    });
    return own.length === 0 ? part : replacedPart(part, own, whole);
  });
  const lost = all.find((one) => !taken.has(one));
  if (lost !== undefined) refuse(lost, whole);
  return {
    ...definition,
    parts,
    begin: (input, scope) => definition.begin(input, replacingScope(scope, definition, parts)),
  };
}

function replacedPart(part: Part, own: readonly Replacement[], whole: Whole): Part {
  const agent = withDefinition<never, unknown>(replaced(definitionOf(part.agent) as Definition, own, whole));
  return { ...part, agent };
}

/** What of a path lies below a part; undefined when the path leads elsewhere. */
function restOf({ kind, parts }: StructureDefinition, part: Part, one: Replacement): Replacement | undefined {
  // The body of a loop has no name in the paths of its rounds.
  if (kind === 'loop') return restBehind(one, part.id) ?? (parts.length === 1 ? one : undefined);
  // `trim[1]` is a part of its own, beside `trim`.
  const isOther = parts.some(
    ({ id }) => id.length > part.id.length && id.startsWith(part.id) && restBehind(one, id) !== undefined,
  );
  return isOther ? undefined : restBehind(one, part.id);
}

function restBehind(one: Replacement, id: string): Replacement | undefined {
  if (one.rest === id) return { ...one, rest: '' };
  return one.rest.startsWith(`${id}/`) ? { ...one, rest: one.rest.slice(id.length + 1) } : undefined;
}

/** Asks for the agents that stand in the places of others. */
function replacingScope(
  scope: Scope,
  { parts: before, kind }: StructureDefinition,
  parts: readonly Part[],
): Scope {
  return new Proxy(scope, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key !== 'step') return (value as (...given: unknown[]) => unknown).bind(target);
      const step: Scope['step'] = (request, answer) => {
        const undo = undoingOther(request, target.path, before, parts);
        if (undo !== undefined) return target.step({ ...request, agent: undo }, answer);
        const place = before.findIndex(
          ({ id, agent }) =>
            agent === request.agent && (kind === 'each' || kind === 'loop' || id === request.id),
        );
        const part = parts[place] ?? parts[before.findIndex(({ agent }) => agent === request.agent)];
        return target.step(part === undefined ? request : { ...request, agent: part.agent }, answer);
      };
      return step;
    },
  });
}

/** What undoes a step of a saga whose agent was replaced; undefined where none was. */
function undoingOther(
  { undoes }: StepRequest,
  path: string,
  before: readonly Part[],
  parts: readonly Part[],
): Agent<never, unknown> | undefined {
  if (undoes === undefined) return undefined;
  const [was, is] = [before, parts].map(([work]) => {
    const definition = work && definitionOf(work.agent);
    const below = undoes.stepId.slice(pathBelow(path, work?.id ?? '').length);
    return definition && definitionBelow(definition, below);
  });
  if (is === undefined || is === 'unknown' || is === was || isStructure(is)) return undefined;
  return undoing(is, undoes);
}

function replacingContext(context: StepContext, all: readonly Replacement[], whole: Whole): StepContext {
  const swapped = <I, O>(id: string, agent: Agent<I, O>): Agent<I, O> => {
    const own = all.flatMap((one) => restBehind(one, id) ?? []);
    const definition = definitionOf(agent);
    return own.length === 0 || definition === undefined
      ? agent
      : withDefinition(replaced(definition, own, whole));
  };
  return new Proxy(context, {
    get(target, key) {
      if (key === 'step' || key === 'call') {
        const step: StepContext['step'] = (id, agent, input) => target.step(id, swapped(id, agent), input);
        const call: StepContext['call'] = (id, agent, input) => target.call(id, swapped(id, agent), input);
        return key === 'step' ? step : call;
      }
      return Reflect.get(target, key, target) as unknown;
    },
  });
}

/** Named, carried out, checked and saved as what was there. */
function inThePlaceOf(before: Definition, by: Override): Definition {
  const given = definitionOf(by) ?? definitionOf(agentOf(before.name, by as (input: unknown) => unknown));
  const { version, input, output, checks } = before;
  const canBeUndone = !isStructure(before) && before.compensate !== undefined;
  return {
    // The record says that it can be undone, so it is undone; never by what undoes the real one.
    ...(canBeUndone && { compensate: () => undefined }),
    ...(given as Definition),
    name: before.name,
    policy: before.policy,
    ...(version !== undefined && { version }),
    ...(input !== undefined && { input }),
    ...(output !== undefined && { output }),
    ...(checks !== undefined && { checks }),
  };
}

/** An agent of a definition that was made from another one. */
export function withDefinition<I, O, P = unknown, S = unknown>(definition: Definition): Agent<I, O, P, S> {
  // What it does in a plain pipe comes with the policy.
  return withPolicy(defineAgent<I, O>((source) => source as never, definition) as Agent<I, O, P, S>, {});
}

/** The paths that can be given for an agent, without brackets. */
function pathsIn(definition: Definition, base: string): readonly string[] {
  if (!isStructure(definition)) return [];
  return definition.parts.flatMap(({ id, agent }) => {
    const path = base === '' ? id : `${base}/${id}`;
    return [path, ...pathsIn(definitionOf(agent) as Definition, path)];
  });
}

function refuse({ path }: Replacement, { root, known }: Whole): never {
  throw new UnknownPathError(root, path, known);
}
