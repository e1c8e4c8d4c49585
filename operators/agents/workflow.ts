import type * as t from 'io-ts';

import type {
  Check,
  CheckedBy,
  GivenTo,
  SchemaInput,
  SchemaOutput,
  StandardSchema,
} from '../../lib/codec/schema';
import { codecFrom } from '../../lib/codec/schema';
import {
  checkName,
  checkPolicy,
  checkPolicyNames,
  circuitOfSeveral,
  policyOf,
} from '../../lib/definition/checks';
import type { DagStep } from '../../lib/definition/dag';
import { dagOf } from '../../lib/definition/dag';
import type { Definition, StructureDefinition } from '../../lib/definition/definition';
import { checkCache, definitionOf, depthOf, isStructure } from '../../lib/definition/definition';
import type { TaskPolicy } from '../../lib/definition/scope';
import type { CompiledSource } from '../../lib/definition/source';
import { compileSource } from '../../lib/definition/source';
import type { Resolved, Source, SourceFor, Wire, WireOwner } from '../../lib/definition/wire';
import { wireOf } from '../../lib/definition/wire';
import { beginDag } from '../../lib/engine/dag/runDag';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type {
  Agent,
  AGENT,
  AgentPolicy,
  Answered,
  Emitted,
  SharesWith,
  StepContext,
  StepPolicy,
} from '../../lib/model/agentType';
import type { Bail } from '../../lib/model/bail';
import { withoutGaps } from '../../lib/model/givenBy';
import type { SharedOptions } from '../../lib/model/shared';
import { agent as agentOf, outputPart } from './agent';
import { sharedDefinition } from './internal/sharedDefinition';
import { agentFrom } from './internal/asOperator';
import { resultForm } from './internal/outputCodec';

/** How a step is carried out that may be left out. */
export interface ConditionalPolicy<I, D> extends StepPolicy {
  /** Whether the step runs at all; called once a run, when its sources are there. */
  readonly when: (input: I) => boolean;
  /** What dependent steps get when it does not run; `undefined` when left out. */
  readonly otherwise?: D;
}

/** How a step is carried out that always runs. */
export interface UnconditionalPolicy extends StepPolicy {
  readonly when?: never;
  readonly otherwise?: never;
}

/** The work of a step as a function written on the spot; not an agent. */
export type StepFunction<I, R, S = unknown, A = never> = ((input: I, context: StepContext<S, A>) => R) & {
  readonly [AGENT]?: never;
};

/** What is wanted of the work of a step: of an agent, that it fits the shared state; of a function, that it takes the source. */
export type WorkFor<F, W, S, A> =
  F extends Agent<never, unknown> ? SharesWith<S> : StepFunction<Resolved<W>, unknown, S, A>;

/** What is wanted of the source of a step: where the work is an agent, what that takes. */
export type SourceOf<F, W> = F extends Agent<infer I, unknown> ? SourceFor<I> : W;

/**
 * Declares a step: its agent, or a function written on the spot, is called with the value of the source as soon as all of it
 * is there. Gives the wire of its output; with a `when`, the wire carries `otherwise` when the step does not run.
 *
 * `X` is what steps may end the workflow with, by `bail()`: say it where `build` takes the builder, `step: StepBuilder<string>`.
 *
 * @throws DefinitionError when the id is empty or repeated, or a wire belongs to another workflow.
 */
export interface StepBuilder<X = never, S = unknown, A = never> {
  // Agents first: inferring an agent written inside this call from the type of a function would never end.
  /** An agent that needs no input. */
  <O, P>(id: string, agent: Agent<undefined, O, P> & SharesWith<S>): Wire<Exclude<O, Bail<X>>, P>;
  /** An agent that may be left out. */
  <I, O, P, D = undefined>(
    id: string,
    agent: Agent<I, O, P> & SharesWith<S>,
    source: SourceFor<I>,
    policy: ConditionalPolicy<I, D>,
  ): Wire<Exclude<O, Bail<X>> | NoInfer<D>, P>;
  /** An agent. */
  <I, O, P>(
    id: string,
    agent: Agent<I, O, P> & SharesWith<S>,
    source: SourceFor<I>,
    policy?: UnconditionalPolicy,
  ): Wire<Exclude<O, Bail<X>>, P>;
  /** A function that may be left out; what it takes is inferred from the source. */
  <const W extends Source, R, D = undefined>(
    id: string,
    work: StepFunction<Resolved<W>, R, S, A>,
    source: W,
    policy: ConditionalPolicy<Resolved<W>, D>,
  ): Wire<Exclude<Answered<R>, Bail<X>> | NoInfer<D>, Emitted<R>>;
  /** A function; what it takes is inferred from the source. */
  <const W extends Source, R>(
    id: string,
    work: StepFunction<Resolved<W>, R, S, A>,
    source: W,
    policy?: UnconditionalPolicy,
  ): Wire<Exclude<Answered<R>, Bail<X>>, Emitted<R>>;
  // What fits this fits one of the others first. Compilers tell only what is wrong with the last one, so that one blames the right argument.
  /** The work, what it reads, and how it is carried out. */
  <const W extends Source, F>(
    id: string,
    work: F & WorkFor<F, W, S, A>,
    source: SourceOf<F, W>,
    policy?: UnconditionalPolicy,
  ): Wire<unknown>;
}

/** What the steps of a workflow share. */
export interface Sharing<H, A> {
  /**
   * A state that the steps of the workflow share, however deep: `context.shared` reads it, `context.update` changes it. It is `state.shared`
   * of the run, or of the row where the workflow is a step. Its steps read the one of the nearest workflow that has one.
   *
   * @example
   * ```ts
   * workflow('survey', (input, step) => step('ask', ask, input), { shared: { initial: { answers: [] as string[] } } });
   * ```
   */
  readonly shared?: SharedOptions<H, A>;
}

/** How a workflow is carried out where it is a step, and what may go in and out. */
export interface WorkflowOptions<I, O> extends AgentPolicy<I>, Sharing<unknown, never> {
  readonly input?: t.Type<I, unknown>;
  readonly output?: t.Type<O, unknown>;
}

/** How a workflow is carried out whose input has a schema of zod, valibot, arktype or another library. */
export interface CheckedInput<S extends StandardSchema> extends AgentPolicy<NoInfer<SchemaOutput<S>>> {
  /** Checks the input, and makes of it what the steps get. */
  readonly input: S;
}

/** The same for its output: what the schema makes of the result is the output. */
export interface CheckedOutput<C extends StandardSchema, I> extends AgentPolicy<NoInfer<I>> {
  readonly input?: t.Type<I, unknown>;
  readonly output: C;
}

/** The same for both. */
export interface CheckedBoth<S extends StandardSchema, C extends StandardSchema> extends CheckedInput<S> {
  readonly output: C;
}

/**
 * Makes an agent of a DAG of steps. `build` is called once, at once: it gets the wire of the input and `step`, which
 * declares a step and gives its wire; what it returns, a wire or a record or tuple of wires, is the output.
 *
 * A step starts the moment its own sources are there; there are no levels and no barriers. Steps that nothing waits for
 * run too, and the workflow waits for them. A step that fails stops the workflow and aborts what is running, unless every
 * way from it to the result crosses `settled`.
 *
 * @throws DefinitionError when a source cannot be wired.
 */
export function workflow<G extends StandardSchema, C extends StandardSchema, H = unknown, A = never>(
  name: string,
  build: (input: Wire<SchemaOutput<G>>, step: StepBuilder<SchemaInput<C>, H, A>) => SourceFor<SchemaInput<C>>,
  options: CheckedBoth<G, C> & Sharing<H, A>,
): Agent<SchemaInput<G>, SchemaOutput<C>>;
/** With a schema for its input. */
export function workflow<G extends StandardSchema, const S extends Source, X = never, H = unknown, A = never>(
  name: string,
  build: (input: Wire<SchemaOutput<G>>, step: StepBuilder<X, H, A>) => S,
  options: CheckedInput<G> & Sharing<H, A> & { readonly output?: never },
): Agent<SchemaInput<G>, Resolved<S> | NoInfer<X>>;
/** With a schema for its output. */
export function workflow<I, C extends StandardSchema, H = unknown, A = never>(
  name: string,
  build: (input: Wire<I>, step: StepBuilder<SchemaInput<C>, H, A>) => SourceFor<SchemaInput<C>>,
  options: CheckedOutput<C, I> & Sharing<H, A>,
): Agent<I, SchemaOutput<C>>;
/** With codecs of io-ts, or none. */
export function workflow<I, const S extends Source, X = never, H = unknown, A = never>(
  name: string,
  build: (input: Wire<I>, step: StepBuilder<X, H, A>) => S,
  options?: AgentPolicy<NoInfer<I>> &
    Sharing<H, A> & { readonly input?: t.Type<I, unknown>; readonly output?: never },
): Agent<I, Resolved<S> | NoInfer<X>>;
/** With a codec of io-ts for its output. */
// Apart from the first, because inferring S from the type of a codec may never end in the compiler.
export function workflow<I, const S extends Source, X = never, H = unknown, A = never>(
  name: string,
  build: (input: Wire<I>, step: StepBuilder<X, H, A>) => S,
  options: AgentPolicy<NoInfer<I>> &
    Sharing<H, A> & {
      readonly input?: t.Type<I, unknown>;
      readonly output: t.Type<NoInfer<Resolved<S> | X>, unknown>;
    },
): Agent<I, Resolved<S> | NoInfer<X>>;
// What fits this fits one of the others first. Compilers tell only what is wrong with the last one: this one takes both kinds of checks.
/** With schemas, codecs, or neither. */
export function workflow<
  I = never,
  G extends Check = never,
  C extends Check = never,
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- it is inferred from what `build` takes
  X = never,
  H = unknown,
  A = never,
>(
  name: string,
  build: (
    input: Wire<CheckedBy<G, I>>,
    step: StepBuilder<[C] extends [never] ? X : GivenTo<C>, H, A>,
  ) => [C] extends [never] ? Source : SourceFor<GivenTo<C>>,
  options?: AgentPolicy<NoInfer<CheckedBy<G, I>>> &
    Sharing<H, A> & { readonly input?: G; readonly output?: C },
): Agent<never, unknown>;
export function workflow<I, const S extends Source>(
  name: string,
  build: (input: Wire<I>, step: StepBuilder) => S,
  options: WorkflowOptions<I, Resolved<S>> = {},
): Agent<I, Resolved<S>> {
  checkName(name, 'the name of the workflow', name);
  const owner: WireOwner = { name };
  const steps: DagStep[] = [];
  const ids = new Set<string>();
  let isBuilt = false;

  const step = (id: string, given: unknown, source?: Source, policy: TaskPolicy = {}): Wire<unknown> => {
    if (isBuilt) throw new DefinitionError(name, `step "${id}" was added after the workflow was built`);
    checkName(name, 'the id of a step', id);
    if (ids.has(id)) throw new DefinitionError(name, `two steps have the id "${id}"; rename one of them`);
    if (typeof given !== 'function') {
      throw new DefinitionError(name, `step "${id}" needs an agent or a function, got ${typeof given}`);
    }
    checkPolicyNames(name, policy, ['when', 'otherwise']);
    checkPolicy(name, policy);
    ids.add(id);
    const agent = (
      definitionOf(given) === undefined ? agentOf(id, given as (input: unknown) => unknown) : given
    ) as Agent<never, unknown>;
    checkCache(definitionOf(agent) as Definition, policy.cache);
    checkStepPolicy(name, id, definitionOf(agent) as Definition, policy);
    steps.push({
      id,
      agent,
      source: compileSource(owner, source ?? nothing(owner), `step "${id}"`, source !== undefined),
      policy: { ...definitionOf(agent)?.policy, ...policy },
    });
    return wireOf({ kind: 'step', owner, index: steps.length - 1, id });
  };

  const built = build(wireOf({ kind: 'input', owner }), step);
  isBuilt = true;
  const { input, output, shared, ...given } = options;
  const result = compileSource(owner, built, 'the result');
  // The codec decides about undefined values in it.
  const givenBy: CompiledSource['givenBy'] = (...read) => withoutGaps(result.givenBy(...read));
  const dag = dagOf(steps, output === undefined ? result : { ...result, givenBy });
  const { policy, version } = policyOf('workflow', name, given);
  const definition: StructureDefinition = {
    kind: 'workflow',
    name,
    policy,
    ...(version !== undefined && { version }),
    shape: 'graph',
    depth: depthOf(
      name,
      steps.map(({ agent }) => agent),
    ),
    parts: steps.map(({ id, agent, source, policy: { when, limit } }) => ({
      id,
      agent,
      sources: source.text,
      ...(source.reads !== undefined && { reads: source.reads }),
      isPlanned: true,
      isConditional: when !== undefined,
      ...(limit !== undefined && { limit }),
    })),
    ...(shared !== undefined && { shared: sharedDefinition(name, shared) }),
    result: dag.result.text,
    madeWith: [
      ...steps.map(({ source, policy: { when, otherwise } }) => [source.madeWith, when, otherwise]),
      result.madeWith,
    ],
    arrows: { parts: steps.map(({ source }) => source.arrows), result: dag.result.arrows },
    ...(input !== undefined && { input: codecFrom(name, 'input', input) }),
    ...(output !== undefined && outputPart(codecFrom(name, 'output', output))),
    form: resultForm(steps, built),
    begin: (value, scope) => beginDag(dag, value, scope),
  };
  return agentFrom(definition);
}

/** Refuses what only an agent that is called itself can honour. */
function checkStepPolicy(name: string, id: string, definition: Definition, policy: TaskPolicy): void {
  if (!isStructure(definition)) return;
  if (policy.idleTimeoutMs !== undefined)
    throw new DefinitionError(
      name,
      `step "${id}" runs several steps, or waits: give idleTimeoutMs to those that stream`,
    );
  if (policy.circuit !== undefined)
    throw new DefinitionError(name, `step "${id}": ${circuitOfSeveral(definition.kind)}`);
}

/** The source of a step that reads nothing. */
function nothing(owner: WireOwner): Source {
  return wireOf({ kind: 'pick', of: wireOf({ kind: 'input', owner }), project: () => undefined });
}
