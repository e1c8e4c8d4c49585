import type * as t from 'io-ts';
import type { Observable } from 'rxjs';

import type {
  Check,
  CheckedBy,
  GivenTo,
  SchemaInput,
  SchemaOutput,
  StandardSchema,
} from '../../lib/codec/schema';
import { codecFrom, SchemaCodec } from '../../lib/codec/schema';
import { checkConcurrency, checkedVersion, checkName, checkPolicy } from '../../lib/definition/checks';
import type { FunctionDefinition } from '../../lib/definition/definition';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type {
  Agent,
  AgentPolicy,
  Answered,
  Emitted,
  StepContext,
  StepPolicy,
} from '../../lib/model/agentType';
import type { Bail } from '../../lib/model/bail';
import { agentFrom } from './internal/asOperator';

/** How an agent is carried out wherever it is used, and what may go in and out. */
export interface AgentOptions<I, O> extends AgentPolicy<I> {
  /** Checks the input before the function is called. */
  readonly input?: t.Type<I, unknown>;
  /** Encodes the output to be saved, and decodes it again. Needed for values that JSON does not keep, such as dates and maps. */
  readonly output?: t.Type<O, unknown>;
  /**
   * Undoes what a call did, when the agent works within a `saga` that fails; it gets the output of the call. It may be called
   * again after a crash, with the same `context.idempotencyKey`.
   */
  compensate?(output: O, context: StepContext): unknown;
  /** How many inputs are handled at once in a plain `pipe`; 1 when left out. */
  readonly concurrency?: number;
}

/** The same where the input has a schema of zod, valibot, arktype or another library that follows Standard Schema. */
export interface InputSchema<S extends StandardSchema> {
  /** Checks the input, and makes of it what the function gets. */
  readonly input: S;
}

/** The same where the output has such a schema. */
export interface OutputSchema<C extends StandardSchema> {
  /**
   * Checks what the function gives. What it makes of that is the output, and is saved as it is, so it must be a value that JSON
   * keeps; take a codec of io-ts for others.
   */
  readonly output: C;
}

/** What a function may return to give `T` in the end. */
export type Answering<T> =
  T | Observable<T> | AsyncIterable<T> | PromiseLike<T | Observable<T> | AsyncIterable<T>>;

/** How the values of a stream become the one output of a step. */
export interface Reduction<V, A> {
  readonly fold: (accumulated: A, value: V) => A;
  readonly seed: A;
}

/** What ends what is around an agent early, as part of its type: nothing where it never does. */
type EarlyWith<X> = [X] extends [never] ? never : Bail<X>;

/** What a function that returns `R` should have returned, for the check of its output. */
type ReturnedTo<C, R> = [C] extends [never]
  ? R
  : [Exclude<Answered<R>, Bail<unknown>>] extends [GivenTo<C>]
    ? R
    : R extends PromiseLike<unknown>
      ? Promise<GivenTo<C>>
      : GivenTo<C>;

type OptionsBeside<Given extends 'input' | 'output', I, O> = Omit<AgentOptions<I, O>, Given>;

/**
 * Makes an agent of a function.
 *
 * The function may return a value, a Promise, an Observable, an AsyncIterable, or a Promise of those. A plain value is one
 * output, arrays and strings included. Every value of a stream is a partial result. The output is the last one, or
 * what `reduce` makes of all of them.
 *
 * @example
 * ```ts
 * const upper = agent('upper', (text: string) => text.toUpperCase());
 * of('a', 'b').pipe(upper).subscribe(console.log); // A, B
 * ```
 *
 * @throws DefinitionError when the name is empty or contains `/`, `[` or `]`, or a codec is neither one of io-ts nor a Standard
 * Schema.
 */
export function agent<S extends StandardSchema, C extends StandardSchema, V, Shared = unknown>(
  name: string,
  work: (input: SchemaOutput<S>, context: StepContext<Shared>) => Answering<V>,
  options: InputSchema<S> &
    OutputSchema<C> &
    OptionsBeside<'input' | 'output', SchemaOutput<S>, SchemaOutput<C>> & {
      readonly reduce: Reduction<V, SchemaInput<C>>;
    },
): Agent<SchemaInput<S>, SchemaOutput<C>, V, Shared>;
/** Schemas for the input and the output. */
export function agent<S extends StandardSchema, C extends StandardSchema, X = never, Shared = unknown>(
  name: string,
  work: (input: SchemaOutput<S>, context: StepContext<Shared>) => Answering<SchemaInput<C> | Bail<X>>,
  options: InputSchema<S> &
    OutputSchema<C> &
    OptionsBeside<'input' | 'output', SchemaOutput<S>, SchemaOutput<C>> & { readonly reduce?: never },
): Agent<SchemaInput<S>, SchemaOutput<C> | EarlyWith<X>, unknown, Shared>;
/** A schema for the input, and `reduce`. */
export function agent<S extends StandardSchema, R, A, Shared = unknown>(
  name: string,
  work: (input: SchemaOutput<S>, context: StepContext<Shared>) => R,
  options: InputSchema<S> &
    OptionsBeside<'input', SchemaOutput<S>, A> & { readonly reduce: Reduction<Answered<R>, A> },
): Agent<SchemaInput<S>, A, Emitted<R>, Shared>;
/** A schema for the input. */
export function agent<S extends StandardSchema, R, Shared = unknown>(
  name: string,
  work: (input: SchemaOutput<S>, context: StepContext<Shared>) => R,
  options: InputSchema<S> &
    OptionsBeside<'input', SchemaOutput<S>, Exclude<Answered<R>, Bail<unknown>>> & {
      readonly reduce?: never;
    },
): Agent<SchemaInput<S>, Answered<R>, Emitted<R>, Shared>;
/** A schema for the output, and `reduce`. */
export function agent<I, C extends StandardSchema, V, Shared = unknown>(
  name: string,
  work: (input: I, context: StepContext<Shared>) => Answering<V>,
  options: OutputSchema<C> &
    OptionsBeside<'output', I, SchemaOutput<C>> & { readonly reduce: Reduction<V, SchemaInput<C>> },
): Agent<I, SchemaOutput<C>, V, Shared>;
/** A schema for the output. */
export function agent<I, C extends StandardSchema, X = never, Shared = unknown>(
  name: string,
  work: (input: I, context: StepContext<Shared>) => Answering<SchemaInput<C> | Bail<X>>,
  options: OutputSchema<C> & OptionsBeside<'output', I, SchemaOutput<C>> & { readonly reduce?: never },
): Agent<I, SchemaOutput<C> | EarlyWith<X>, unknown, Shared>;
/** Codecs of io-ts, or none. */
export function agent<I, R, A, Shared = unknown>(
  name: string,
  work: (input: I, context: StepContext<Shared>) => R,
  options: AgentOptions<I, A> & { readonly reduce: Reduction<Answered<R>, A> },
): Agent<I, A, Emitted<R>, Shared>;
/** The same without `reduce`: the last value is the output. */
export function agent<I, R, Shared = unknown>(
  name: string,
  work: (input: I, context: StepContext<Shared>) => R,
  options?: AgentOptions<I, Exclude<Answered<R>, Bail<unknown>>> & { readonly reduce?: never },
): Agent<I, Answered<R>, Emitted<R>, Shared>;
// What fits this fits one of the others first. Compilers tell only what is wrong with the last one: this one takes both kinds of checks.
/** With schemas, codecs, or neither. */
export function agent<
  I,
  R,
  S extends Check = never,
  C extends Check = never,
  A = Exclude<Answered<R>, Bail<unknown>>,
  Shared = unknown,
>(
  name: string,
  work: (input: CheckedBy<S, I>, context: StepContext<Shared>) => ReturnedTo<C, R>,
  options?: OptionsBeside<'input' | 'output', CheckedBy<S, I>, CheckedBy<C, NoInfer<A>>> & {
    readonly input?: S;
    readonly output?: C;
    readonly reduce?: Reduction<Answered<R>, A>;
  },
): Agent<never, unknown>;
export function agent<I, O>(
  name: string,
  work: (input: I, context: StepContext) => unknown,
  options: AgentOptions<I, O> & { readonly reduce?: Reduction<never, O> } = {},
): Agent<I, O> {
  checkName(name, 'the name of the agent', name);
  const kind: string = typeof work;
  if (kind !== 'function') throw new DefinitionError(name, `its work must be a function, got ${kind}`);
  checkPolicy(name, options);
  checkConcurrency(name, 'concurrency', options.concurrency);
  const { input, output, concurrency, reduce, version, ...rest } = options;
  const { compensate, ...policy } = rest as StepPolicy & Pick<FunctionDefinition, 'compensate'>;
  const definition = {
    kind: 'function',
    name,
    policy,
    invoke: work,
    ...(version !== undefined && { version: checkedVersion(name, version) }),
    ...(input !== undefined && { input: codecFrom(name, 'input', input) }),
    ...(output !== undefined && outputPart(codecFrom(name, 'output', output))),
    ...(concurrency !== undefined && { concurrency }),
    ...(reduce !== undefined && { reduce }),
    ...(compensate !== undefined && { compensate }),
  } as unknown as FunctionDefinition;
  return agentFrom(definition);
}

/** A codec is for what is saved, a schema for what is given. */
export function outputPart(codec: t.Type<unknown, unknown>): Pick<FunctionDefinition, 'checks' | 'output'> {
  return codec instanceof SchemaCodec ? { checks: codec } : { output: codec };
}
