import { createHash } from 'node:crypto';

import * as t from 'io-ts';
import type { OperatorFunction } from 'rxjs';

import { typeName } from '../codec/typeName';
import { validate } from '../codec/validate';
import { DefinitionError } from '../errors/definitionErrors';
import type { Agent, LimitPolicy, StepContext, StepPolicy } from '../model/agentType';
import { AGENT } from '../model/agentType';
import { bailIn, isBailedOutput } from '../model/bail';
import type { GivenBy } from '../model/givenBy';
import { gapsOf } from '../model/givenBy';
import type { AgentKind, Plan, PlanStep } from '../model/plan';
import type { RunState } from '../model/state';
import { idleState } from '../model/state';
import type { Stop } from '../streams/pull';
import type { Scope } from './scope';
import type { Arrow } from './source';

/** What an agent consists of, as the engines see it. */
export type Definition = FunctionDefinition | StructureDefinition;

interface Common {
  readonly name: string;
  readonly policy: StepPolicy;
  /** Saved outputs of one version are not used for another version of the same agent. */
  readonly version?: string;
  /** Checks the input before anything runs. */
  readonly input?: t.Type<unknown, unknown>;
  /** Encodes the output to be saved, and decodes it again. */
  readonly output?: t.Type<unknown, unknown>;
  /** Checks what it gives. What it makes of that is the output, saved as it is. */
  readonly checks?: t.Type<unknown, unknown>;
  /** What it does in the words of tracing, where it is no agent like any other. */
  readonly does?: ModelWork;
  /** What an adapter made its functions with, beside what stands here; null where nobody can tell. Its answers depend on it. */
  readonly madeWith?: MadeWith | null;
}

/** Functions and values on which the answers of an agent depend: their texts are part of the key of cached answers. */
export type MadeWith = readonly unknown[];

/** Asking a language model, or calling a tool that one has asked for. */
export type ModelWork =
  | { readonly operation: 'chat'; readonly model: string; readonly provider?: string }
  | { readonly operation: 'execute_tool'; readonly tool: string };

/**
 * The codec with which an output is saved; undefined for plain JSON. It may depend on which agent gave the output.
 */
export type OutputForm = (givenBy: GivenBy | undefined) => t.Type<unknown, unknown> | undefined;

/** An agent whose work is a function of the user's. */
export interface FunctionDefinition extends Common {
  readonly kind: 'function' | 'operator';
  readonly invoke: (input: unknown, context: StepContext) => unknown;
  /** How the values of a stream become one output; the last value when left out. */
  readonly reduce?: {
    readonly fold: (accumulated: unknown, value: unknown) => unknown;
    readonly seed: unknown;
  };
  /** Undoes what a call did; it gets the output of the call. */
  readonly compensate?: (output: unknown, context: StepContext) => unknown;
  /** How many inputs are handled at once in a plain `pipe`. */
  readonly concurrency?: number;
}

/** The state that the steps of a composite share. */
export interface SharedDefinition {
  /** Frozen JSON. */
  readonly initial: unknown;
  readonly reduce?: (draft: unknown, action: unknown) => unknown;
}

/** An agent made from agents: a synchronous machine that asks its scope for steps. */
export interface StructureDefinition extends Common {
  readonly kind: Exclude<AgentKind, 'function' | 'operator'>;
  /** Whatever `begin` uses that decides its answers and that no other field says; empty where there is none. */
  readonly madeWith: MadeWith | null;
  /** Begins to run. Returns a function that stops it and everything it asked for. */
  readonly begin: (input: unknown, scope: Scope) => Stop;
  /** How its output is saved when it has no codec of its own: as its parts are. */
  readonly form?: OutputForm;
  /** The steps it declares, in order. Steps further down belong to the agents of these steps. */
  readonly parts: readonly Part[];
  /** How many structures stand inside each other here. */
  readonly depth: number;
  /** What its steps share, where it has a state of their own. */
  readonly shared?: SharedDefinition;
  /** How pictures link its parts: `sequence` one after another, `graph` by their sources; side by side when left out. */
  readonly shape: 'sequence' | 'graph' | 'alternatives';
  /** What an answer from outside looks like, where it asks for one. */
  readonly answers?: t.Type<unknown, unknown>;
  /** Whether a signal of its name is for a step with this input, where it waits for one. May throw. */
  readonly takes?: (signal: unknown, input: unknown) => boolean;
  /** Texts of the sources that make the result, for a graph. */
  readonly result?: readonly string[];
  /** The same sources as data, and those of each part. */
  readonly arrows?: { readonly parts: readonly (readonly Arrow[])[]; readonly result: readonly Arrow[] };
}

/** One declared step of a structure. */
export interface Part {
  readonly id: string;
  /** Its id in runs of releases that took the name of a round or an item for it; absent where that is the same. */
  readonly earlierId?: string;
  readonly agent: Agent<never, unknown>;
  readonly sources: readonly string[];
  /** How it is given them, where it is not the one source as it is. */
  readonly reads?: string;
  /** Whether the plan names the step before the run begins; it cannot name those of a branch or of an item. */
  readonly isPlanned: boolean;
  /** Whether the step has a `when` and may be left out. */
  readonly isConditional: boolean;
  /** The limit of the step, where it has one. */
  readonly limit?: LimitPolicy;
}

/** Makes an agent of an operator and the definition behind it. */
export function defineAgent<I, O>(operator: OperatorFunction<I, O>, definition: Definition): Agent<I, O> {
  return Object.defineProperties(operator, {
    name: { value: definition.name, configurable: true },
    [AGENT]: { value: definition },
  }) as Agent<I, O>;
}

/** The definition behind an agent; undefined for any other operator. */
export function definitionOf(operator: unknown): Definition | undefined {
  return typeof operator === 'function' ? (operator as { readonly [AGENT]?: Definition })[AGENT] : undefined;
}

/** The form in which the output of an agent is saved. */
export function outputFormOf(definition: Definition): OutputForm {
  const form = ownForm(definition);
  // What a step has bailed with is no output of its agent; a codec of the whole is for every output of the whole.
  if (form === PLAIN || (definition.output !== undefined && isStructure(definition))) return form;
  return (givenBy) => (isBailedOutput(givenBy) ? undefined : form(givenBy));
}

const PLAIN: OutputForm = () => undefined;

function ownForm(definition: Definition): OutputForm {
  const { output, checks } = definition;
  if (output !== undefined) return () => output;
  if (checks !== undefined) return PLAIN;
  return (isStructure(definition) ? definition.form : undefined) ?? PLAIN;
}

/**
 * The output of an agent, made of what it has given.
 *
 * @throws ValidationError when that does not fit the agent's schema.
 */
export function checkedOutput({ name, checks }: Definition, given: unknown): unknown {
  if (checks === undefined || bailIn(given) !== undefined) return given;
  return validate(checks, given, `output of "${name}"`);
}

/** An output in the form in which it is saved. */
export function encodedOutput(
  definition: Definition,
  output: unknown,
  givenBy: GivenBy | undefined,
): unknown {
  const codec = outputFormOf(definition)(givenBy);
  return codec === undefined ? output : codec.encode(output);
}

/**
 * An output from the form in which it is saved.
 *
 * @throws ValidationError when the codec cannot read it.
 */
export function decodedOutput(
  definition: Definition,
  stored: unknown,
  givenBy: GivenBy | undefined,
): unknown {
  const codec = outputFormOf(definition)(givenBy);
  if (codec === undefined) return stored;
  const gaps = definition.output === undefined ? undefined : gapsOf(givenBy);
  // The list was saved before the definition had a codec for the whole output.
  const value =
    gaps !== undefined && Array.isArray(stored)
      ? stored.map((item: unknown, index) => (gaps.includes(index) ? undefined : item))
      : stored;
  return validate(codec, value, `saved output of "${definition.name}"`);
}

/**
 * How many structures stand inside each other in a structure of these agents, itself included.
 *
 * @throws DefinitionError when there are more than 256: each level lengthens every path below it.
 */
export function depthOf(name: string, agents: readonly unknown[]): number {
  let depth = 1;
  for (const agent of agents) {
    const inner = definitionOf(agent);
    if (inner !== undefined && isStructure(inner)) depth = Math.max(depth, inner.depth + 1);
  }
  if (depth > DEEPEST) {
    throw new DefinitionError(
      name,
      `more than ${String(DEEPEST)} structures stand inside each other; use loop() or each()`,
    );
  }
  return depth;
}

const DEEPEST = 256;

/**
 * The declared steps of an agent, each with its full path, parents before what is below them.
 *
 * @param ids - Which ids the steps have: those of runs that begin now, or those of earlier runs, see `idsIn`.
 */
export function planOf(definition: Definition, ids: StepIds = 'own'): readonly PlanStep[] {
  const known = plans[ids].get(definition);
  if (known !== undefined) return known;
  const plan = Object.freeze(
    isContainer(definition) ? partsBelow(definition, '', ids) : [planned(definition, '', { sources: [] })],
  );
  plans[ids].set(definition, plan);
  return plan;
}

/** Which ids the parts of an agent have in a run: `id`, or `earlierId` where a part has one. */
export type StepIds = 'own' | 'earlier';

/** The id that a part has in a run of these ids, by its own one; ids of what is no declared part stay as they are. */
export function idIn({ parts }: StructureDefinition, id: string, ids: StepIds): string {
  return ids === 'own' ? id : (parts.find((part) => part.id === id)?.earlierId ?? id);
}

/**
 * Whether an agent only holds steps, so that it is not a step itself at the root of a run. An agent that waits is always a
 * step: its record says what it waits for.
 */
export function isContainer(definition: Definition): definition is StructureDefinition {
  return isStructure(definition) && definition.kind !== 'approval' && definition.kind !== 'sleep';
}

/** Whether an agent is a machine that asks for steps, not a function. */
export function isStructure(definition: Definition): definition is StructureDefinition {
  return definition.kind !== 'function' && definition.kind !== 'operator';
}

/**
 * Who carries out the steps that no plan names: by the place of each, such as `pages[]/ocr` or `choose/large`, the identity of the agent.
 * The empty place has the version of a composite that is the root of a run. Undefined when there is none of either.
 */
export function unplannedOf(
  definition: Definition,
  ids: StepIds = 'own',
): Readonly<Record<string, string>> | undefined {
  const known = unplanned[ids].get(definition);
  if (known !== undefined) return known.places;
  const isRoot = isContainer(definition);
  const own = isRoot && definition.version !== undefined ? [['', definition.version] as const] : [];
  const all = [...own, ...placesBelow(definition, isRoot ? '' : definition.name, ids)];
  const places = all.length === 0 ? undefined : Object.freeze(Object.fromEntries(all));
  unplanned[ids].set(definition, { places });
  return places;
}

function placesBelow(
  definition: Definition,
  base: string,
  ids: StepIds,
): (readonly [place: string, identity: string])[] {
  if (!isStructure(definition)) return [];
  return definition.parts.flatMap(({ id: ownId, agent, isPlanned }) => {
    const id = idIn(definition, ownId, ids);
    const part = definitionOf(agent) as Definition;
    if (isPlanned) return placesBelow(part, base === '' ? id : `${base}/${id}`, ids);
    return [[placeOf(definition.kind, base, id), identityOf(part, ids)] as const];
  });
}

/** Where a composite puts the steps of a part, with empty brackets for the number of a round or the key of an item. */
function placeOf(kind: AgentKind, base: string, id: string): string {
  if (kind === 'loop') return `${base}[]`;
  if (kind === 'each') return `${base}[]/${id}`;
  return base === '' ? id : `${base}/${id}`;
}

interface Places {
  readonly places: Readonly<Record<string, string>> | undefined;
}

const unplanned = byIds<Places>();
const plans = byIds<readonly PlanStep[]>();

function byIds<T>(): Readonly<Record<StepIds, WeakMap<Definition, T>>> {
  return { own: new WeakMap(), earlier: new WeakMap() };
}

function partsBelow(structure: StructureDefinition, base: string, ids: StepIds): PlanStep[] {
  return structure.parts.flatMap((part, position) => {
    if (!part.isPlanned) return [];
    const definition = definitionOf(part.agent) as Definition;
    const id = idIn(structure, part.id, ids);
    const path = base === '' ? id : `${base}/${id}`;
    const sources = ids === 'own' ? part.sources : part.sources.map((source) => idIn(structure, source, ids));
    const result = position === 0 ? structure.result : undefined;
    const own = planned(definition, path, { ...part, sources }, result);
    return isStructure(definition) ? [own, ...partsBelow(definition, path, ids)] : [own];
  });
}

function planned(
  definition: Definition,
  path: string,
  { sources, reads }: Pick<Part, 'sources' | 'reads'>,
  result?: readonly string[],
): PlanStep {
  return Object.freeze({
    path: path === '' ? definition.name : path,
    kind: definition.kind,
    agent: definition.name,
    sources,
    ...(reads !== undefined && { reads }),
    ...(definition.version !== undefined && { version: definition.version }),
    ...(result !== undefined && { result }),
  });
}

/** A short text that two plans share exactly when they are equal: SHA-256 over their JSON, 64 hexadecimal digits. */
export function fingerprint(plan: Plan): string {
  const rows = plan.map(({ path, kind, agent, sources, result, version }) => [
    path,
    kind,
    agent,
    sources,
    result ?? [],
    // Plans without versions keep the fingerprint they had before there were versions.
    ...(version === undefined ? [] : [version]),
  ]);
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
}

/**
 * A short text that two agents share exactly when they have the same name, kind and version, and parts of which the same is
 * true, also parts that no plan names. It says nothing about the functions.
 */
export function identityOf(definition: Definition, ids: StepIds = 'own'): string {
  const known = identities[ids].get(definition);
  if (known !== undefined) return known;
  const { kind, name, version = null } = definition;
  const below = !isStructure(definition)
    ? []
    : definition.parts.map(({ id, agent, sources }) => [
        idIn(definition, id, ids),
        sources.map((source) => idIn(definition, source, ids)),
        identityOf(definitionOf(agent) as Definition, ids),
      ]);
  const text = JSON.stringify([[kind, name, version], ...below]);
  const identity = createHash('sha256').update(text).digest('base64url').slice(0, 11);
  identities[ids].set(definition, identity);
  return identity;
}

/**
 * The same, made from the source text of the functions too: a version that nobody has to maintain. Only for what may be lost
 * without harm. Where an agent has a version, that is used instead of the text.
 */
export function workOf(definition: Definition): string {
  const known = works.get(definition);
  if (known !== undefined) return known;
  const texts: string[] = [];
  const seen = new Set<Definition>();
  const waiting: Definition[] = [definition];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    if (isStructure(next)) waiting.push(...next.parts.map(({ agent }) => definitionOf(agent) as Definition));
    if (next.version === undefined) texts.push(...decidingTexts(next));
  }
  const work = createHash('sha256')
    .update(JSON.stringify([identityOf(definition), ...texts]))
    .digest('base64url');
  works.set(definition, work);
  return work;
}

/** The texts of the fields that decide what an agent answers. */
function decidingTexts(definition: Definition): string[] {
  return Object.entries(definition).flatMap(([field, value]: [string, unknown]) =>
    value === undefined || value === null || !isDeciding[field as Field] ? [] : [textOf(value)],
  );
}

type Field = keyof FunctionDefinition | keyof StructureDefinition;

/**
 * Whether the text of a field is looked at. The others are part of the identity, follow from the parts, say how the work is carried out,
 * or come after the answer. A new field stops the build here.
 */
const isDeciding: Readonly<Record<Field, boolean>> = {
  kind: false,
  name: false,
  version: false,
  parts: false,
  depth: false,
  shape: false,
  arrows: false,
  form: false,
  policy: false,
  concurrency: false,
  does: false,
  compensate: false,
  begin: false,
  takes: false,
  invoke: true,
  reduce: true,
  input: true,
  output: true,
  checks: true,
  answers: true,
  shared: true,
  result: true,
  madeWith: true,
};

/** A value as text, with the text of the functions in it. Codecs are their name and their functions. */
function textOf(value: unknown): string {
  if (typeof value === 'function') return String(value);
  try {
    return JSON.stringify(value, textInside);
  } catch {
    return typeName(value);
  }
}

function textInside(_: string, value: unknown): unknown {
  if (value instanceof t.Type) {
    const { name, validate: check, encode } = value as t.Type<unknown>;
    return [name, String(check), String(encode)];
  }
  return ['function', 'bigint', 'symbol'].includes(typeof value) ? String(value) : value;
}

/**
 * Checks that answers which are cached by their input alone are those of one agent.
 *
 * @param cache - The policy of the agent, or of a step.
 * @throws DefinitionError when nobody can tell what an agent asks, and neither a key nor a version says so.
 */
export function checkCache(definition: Definition, cache = definition.policy.cache): void {
  if (cache === undefined || cache.key !== undefined) return;
  const unknown = unknownIn(definition, new Set());
  if (unknown !== undefined)
    throw new DefinitionError(
      definition.name,
      `an answer for the same input may be that of another server or model than "${unknown}" asks; give cache: { key } or version`,
    );
}

/** Name of the agent, this one or one below, of which nobody can tell what it was made with. */
function unknownIn(definition: Definition, seen: Set<Definition>): string | undefined {
  if (seen.has(definition) || definition.version !== undefined) return undefined;
  seen.add(definition);
  if (definition.madeWith === null) return definition.name;
  if (!isStructure(definition)) return undefined;
  for (const { agent } of definition.parts) {
    const unknown = unknownIn(definitionOf(agent) as Definition, seen);
    if (unknown !== undefined) return unknown;
  }
  return undefined;
}

const identities = byIds<string>();
const works = new WeakMap<Definition, string>();

/** Name of a composite, among this one and all below it that are declared, whose steps share a state; undefined where none does. */
export function sharingIn(definition: Definition): string | undefined {
  const seen = new Set<Definition>();
  const waiting: Definition[] = [definition];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next) || !isStructure(next)) continue;
    if (next.shared !== undefined) return next.name;
    seen.add(next);
    waiting.push(...next.parts.map(({ agent }) => definitionOf(agent) as Definition));
  }
  return undefined;
}

/** How a run of an agent stands before it begins: IDLE, with every declared step PENDING. */
export function initialState<I, O>(agent: Agent<I, O>, runId = ''): RunState<O> {
  return idleState(runId, agent.name, planOf(definitionOf(agent) as Definition));
}
