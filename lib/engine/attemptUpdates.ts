import { enablePatches, Immer } from 'immer';

import { grownSize, keptPatches } from '../codec/keptPatches';
import { InvalidArgumentError } from '../model/failure';
import type { SharedPatch } from '../model/shared';
import { frozenCopy, patchedShared } from '../model/shared';

enablePatches();
// Whatever a recipe puts into the state belongs to the user: it is copied before anything is frozen.
const immer = new Immer({ autoFreeze: false });

/** A state after changes, and the changes. */
export interface Updated {
  readonly shared: unknown;
  readonly patches: readonly SharedPatch[];
}

/** Changes a draft, or gives the next state. */
export type Recipe = (draft: unknown) => unknown;

/** What one attempt has changed so far: recipes, which are made again when the state below them has changed. */
export class AttemptUpdates {
  readonly #path: string;
  readonly #recipes: Recipe[] = [];
  #base: unknown;
  #made: Updated | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes one more change, so that whoever asks for it hears at once what is wrong with it. */
  add(recipe: Recipe, base: unknown): void {
    const before = this.over(base);
    const next = this.#after(before, recipe);
    this.#recipes.push(recipe);
    this.#made = next;
  }

  /** The state after the changes. */
  over(base: unknown): Updated {
    if (this.#made === undefined || this.#base !== base) {
      let made: Updated = { shared: base, patches: [] };
      for (const recipe of this.#recipes) made = this.#after(made, recipe);
      this.#base = base;
      this.#made = made;
    }
    return this.#made;
  }

  #after({ shared, patches }: Updated, recipe: Recipe): Updated {
    const [next, made] = immer.produceWithPatches(
      shared as object,
      (draft: unknown) => recipe(draft) as object,
    );
    if (isPromise(next))
      throw new InvalidArgumentError(
        `Cannot update the shared state in step "${this.#path}": the change is not done at once`,
        'await first, then update',
        { tellsNext: false },
      );
    if (made.length === 0) return { shared, patches };
    const checked = keptPatches(made, this.#path);
    const kept = checked.patches.map(({ op, path, value }) => ({
      op,
      path,
      ...(op !== 'remove' && { value: frozenCopy(value) }),
    }));
    const after = patchedShared(shared, kept);
    if (typeof after === 'object' && after !== null)
      sizes.set(after, grownSize(sizes.get(shared as object), checked.added, after, this.#path));
    return { shared: after, patches: [...patches, ...kept] };
  }
}

/** Bytes of JSON that states have at most. */
const sizes = new WeakMap<object, number>();

function isPromise(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}
