import type { Either } from 'fp-ts/lib/Either';
import type { Observable } from 'rxjs';

import { DefinitionError } from '../errors/definitionErrors';
import type { Live } from '../streams/pull';

/**
 * What will come out of a step, as a value to wire other steps with. Only a step that was declared before has a wire, so a
 * cycle cannot be written.
 */
export interface Wire<out T, out P = unknown> {
  /** Only for the compiler: the type of what it carries. */
  readonly [WIRE]: WireNode;
  /** Never present: tells the compiler what comes out. */
  readonly __carries?: T;
  /** Never present: tells the compiler what comes on the way. */
  readonly __emits?: P;
}

/** What a step reads: a wire, or a record or tuple of sources, joined when all of them are done. */
export type Source = Wire<unknown> | readonly Source[] | { readonly [key: string]: Source };

/** What comes out of a source. */
export type Resolved<S> = [Source] extends [S] // nothing is known of it: its parts would never end
  ? unknown
  : S extends Wire<infer T>
    ? T
    : { -readonly [K in keyof S]: Resolved<S[K]> };

/** The sources that fit an agent which takes `I`. */
export type SourceFor<I> =
  | Wire<I>
  | (unknown extends I
      ? Source
      : I extends Observable<unknown> | AsyncIterable<unknown> | IterableIterator<unknown>
        ? never
        : I extends object
          ? { readonly [K in keyof I]: SourceFor<I[K]> }
          : never);

/** What a wire is made of. */
export type WireNode =
  | { readonly kind: 'input'; readonly owner: WireOwner }
  | { readonly kind: 'step'; readonly owner: WireOwner; readonly index: number; readonly id: string }
  | { readonly kind: 'pick'; readonly of: Source; readonly project: (value: never) => unknown }
  | { readonly kind: 'settled'; readonly of: Source }
  | {
      readonly kind: 'quorum';
      readonly of: Source;
      readonly count: number;
      readonly cancelRest: boolean;
    }
  | { readonly kind: 'live'; readonly of: Wire<unknown>; readonly keep: 'all' | 'none' };

/** The workflow under definition to which a wire belongs. */
export interface WireOwner {
  readonly name: string;
}

const WIRE: unique symbol = Symbol.for('millrace.wire') as never;

/** Makes a wire. */
export function wireOf<T>(node: WireNode): Wire<T> {
  return Object.freeze({ [WIRE]: node });
}

/** What a wire is made of; undefined for anything else. */
export function nodeOf(value: unknown): WireNode | undefined {
  return typeof value === 'object' && value !== null
    ? (value as { readonly [WIRE]?: WireNode })[WIRE]
    : undefined;
}

/**
 * The parts of a record or tuple of sources.
 *
 * @throws DefinitionError when it is neither a wire nor a plain record or an array.
 */
export function partsOf(
  owner: WireOwner,
  source: unknown,
  where: string,
): readonly (readonly [string, Source])[] {
  const isPlain =
    typeof source === 'object' &&
    source !== null &&
    (Array.isArray(source) ||
      [Object.prototype, null].includes(Object.getPrototypeOf(source) as object | null));
  if (!isPlain) {
    const got =
      source instanceof Promise
        ? 'a Promise; build must not be async'
        : source === null
          ? 'null'
          : typeof source;
    throw new DefinitionError(
      owner.name,
      `${where} must be a wire, or a record or an array of wires, got ${got}`,
    );
  }
  return Object.entries(source as Record<string, Source>);
}

/**
 * A source seen through a function: `pick(report, (r) => r.title)`.
 *
 * The function must be pure: it is called again when a run is resumed. When it throws, the step that reads it fails.
 */
export function pick<S extends Source, U>(source: S, project: (value: Resolved<S>) => U): Wire<U> {
  return wireOf({ kind: 'pick', of: source, project: project as unknown as (value: never) => unknown });
}

/**
 * Reads a step while it runs: the step that reads this starts when that one *starts*, and gets its partial results as a
 * stream. It ends when the step completes, fails when the step fails, and is empty when the step is skipped.
 *
 * The partial results are saved with the output, so a reader that is resumed gets all of them again. When the step that
 * gives them is called again, after a failure or a crash, its readers begin anew.
 *
 * With `keep: 'none'` they are not saved, and each is forgotten once every reader under way has taken it: a step that gives
 * millions takes no more memory than one. A reader that iterates loses nothing, it slows the step down; one that is called again, in
 * this life or a later one, gets what comes from then on, and nothing when the step has completed.
 *
 * The type of a partial result is inferred from the stream that the agent's function returns; say it where it calls
 * `ctx.emit`: `live<Token>(answer)`.
 *
 * @example
 * ```ts
 * const text = step('write', write, topic);
 * step('speak', async (words) => { for await (const word of words) await say(word); }, live(text));
 * ```
 */
export function live<T, P>(
  wire: Wire<T, P>,
  options?: { readonly keep?: 'all' | 'none' },
): Wire<Live<NoInfer<P>>>;
/** The same when the compiler cannot infer the type of the partial results. */
export function live<P>(wire: Wire<unknown>, options?: { readonly keep?: 'all' | 'none' }): Wire<Live<P>>;
export function live<P>(
  wire: Wire<unknown>,
  { keep = 'all' }: { readonly keep?: 'all' | 'none' } = {},
): Wire<Live<P>> {
  return wireOf({ kind: 'live', of: wire, keep });
}

/**
 * Waits until `count` of these sources have completed and gives their outputs, in the order of the sources.
 *
 * What only the others need is withdrawn then, questions too: it is SKIPPED (`abandoned`). A step with a saga in it goes on, because
 * what it has done must be kept or undone. A skipped source is no vote. When too many have failed or were skipped, the step that
 * reads the quorum cannot run.
 *
 * @param options - `cancelRest: false` lets the others go on; the run waits for them.
 * @throws QuorumError (the step that reads it fails) when there are too few because of those that were skipped.
 */
export function quorum<S extends readonly Source[] | Readonly<Record<string, Source>>>(
  count: number,
  sources: S,
  options: { readonly cancelRest?: boolean } = {},
): Wire<readonly Resolved<S[keyof S & (S extends readonly unknown[] ? number : keyof S)]>[]> {
  const { cancelRest = true } = options;
  return wireOf({ kind: 'quorum', of: sources, count, cancelRest });
}

/** A failure that became a value: the same live and after a resume. */
export interface SettledFailure {
  readonly name: string;
  readonly message: string;
  /** Path of the step that failed. */
  readonly path: string;
}

/** What comes out of `settled`: an `Either` for each wire, in the shape of the sources. */
export type Settled<S> =
  S extends Wire<infer T> ? Either<SettledFailure, T> : { -readonly [K in keyof S]: Settled<S[K]> };

/**
 * Waits until every one of these sources has ended and gives successes and failures as `Either`: a failure here does not
 * stop the run, when every way from the failed step to the result crosses `settled`.
 */
export function settled<const S extends Source>(sources: S): Wire<Settled<S>> {
  return wireOf({ kind: 'settled', of: sources });
}
