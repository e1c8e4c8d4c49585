/**
 * Takes the place of Immer in the page, which folds events with the reducer of the project: that changes a run's own record only
 * at its top, so a shallow copy is all it needs. A quarter of the script would be Immer otherwise.
 */
export class Immer {
  produce<T extends object>(base: T, change: (draft: T) => void): T {
    const copy = { ...base };
    change(copy);
    return copy;
  }
}
