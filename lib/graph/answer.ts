import type { Failure } from '../model/failure';

/** How a step ended, as the structure it belongs to hears it. */
export type Answer =
  | { readonly kind: 'completed'; readonly output: unknown; readonly kept?: readonly unknown[] }
  | { readonly kind: 'skipped'; readonly output: unknown }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly cause: unknown };

/** Stops what is under way; calling it again does nothing. */
export type Stop = () => void;

/** What a function of the user's decided, or how it failed. */
export type Decided<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };
