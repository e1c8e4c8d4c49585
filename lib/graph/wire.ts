import type { Observable } from 'rxjs';

import { DefinitionError } from './definitionError';

/**
 * What will come out of a step, as a value to wire other steps with. Only a step that was declared before has a wire, so a
 * cycle cannot be written.
 */
export interface Wire<out T, out P = unknown> {
  readonly [WIRE]: WireNode;
  /** Never present: tells the compiler what comes out. */
  readonly __carries?: T;
  /** Never present: tells the compiler what comes on the way. */
  readonly __emits?: P;
}

/** What a step reads: a wire, or a record or tuple of sources, joined when all of them are done. */
export type Source = Wire<unknown> | readonly Source[] | { readonly [key: string]: Source };

/** What comes out of a source. */
export type Resolved<S> = S extends Wire<infer T> ? T : { -readonly [K in keyof S]: Resolved<S[K]> };

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
  | { readonly kind: 'quorum'; readonly of: Source; readonly count: number }
  | { readonly kind: 'live'; readonly of: Wire<unknown> };

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
