import type { GivenBy } from './givenBy';

/** Registered, so that two copies of this package agree. */
const BAIL: unique symbol = Symbol.for('millrace.bail') as never;

/** What a step gives instead of its output to end the chain or workflow that it belongs to; `bail()` makes it. */
export class Bail<out X> {
  /** Tells it from any value that an agent may give. */
  readonly [BAIL] = true;
  /** The output of the chain or workflow. */
  readonly value: X;

  constructor(value: X) {
    this.value = value;
  }
}

/**
 * Ends the chain or workflow around a step early: what the step returns is the output of the whole, and the steps that are left
 * are SKIPPED. That it was so is on record, and a run that is resumed ends the same.
 *
 * A step below `branch`, `fallback`, `firstOf`, `loop` or `saga` ends the chain or workflow around that. What `context.step` gives
 * is handed to the function, which may return it. Where there is no chain or workflow around the step, it fails by name.
 *
 * The value is saved as it is, so it must be one that JSON keeps.
 *
 * @example
 * ```ts
 * const known = agent('known', (question: string) => (question in faq ? bail(faq[question]) : question));
 * chain('answer', known, search, write); // gives what `write` gives, or what is known
 * ```
 */
export function bail<X>(value: X): Bail<X> {
  return new Bail(value);
}

/** What a step has given that ends early; undefined for any other output. */
export function bailIn(output: unknown): Bail<unknown> | undefined {
  if (typeof output !== 'object' || output === null) return undefined;
  try {
    return BAIL in output ? (output as Bail<unknown>) : undefined;
  } catch {
    return undefined; // A Proxy that nobody may ask.
  }
}

/** On record beside the output of a step that has ended what is around it. */
export const BAILED: GivenBy = Object.freeze({ bailed: true });

/** Whether a step has ended what is around it. */
export function hasBailed(givenBy: GivenBy | undefined): boolean {
  return typeof givenBy === 'object' && givenBy !== null && 'bailed' in givenBy;
}

/** Whether an output is a value with which a step has ended what is around it, here or further below. */
export function isBailedOutput(givenBy: GivenBy | undefined): boolean {
  let by = givenBy;
  while (typeof by === 'object' && by !== null && 'id' in by) ({ by } = by);
  return hasBailed(by);
}
