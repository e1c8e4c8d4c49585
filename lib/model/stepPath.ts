/** The steps of a run, by their paths. */
export interface StepsByPath {
  /** Something for each step that there is; undefined for any other path. */
  get(path: string): unknown;
}

/**
 * The paths above the path of a step, nearest first: `pages[3]` and `pages` for `pages[3]/ocr`. Not all of them need be steps.
 *
 * @param steps - The steps of the run. By the path alone `trim[1]`, the second link of that name in a chain, counts as below `trim`.
 */
export function pathsAbove(path: string, steps?: StepsByPath): readonly string[] {
  const above: string[] = [];
  for (let end = path.length - 1; end > 0; end -= 1)
    if (path[end] === '/' || (path[end] === '[' && !isRepeat(path, end, steps)))
      above.push(path.slice(0, end));
  return above;
}

/** Whether a step stands below another one: `pages[3]/ocr` does below `pages`, `pages2` does not. The run itself (`''`) is no step. */
export function isBelow(path: string, above: string, steps?: StepsByPath): boolean {
  const end = above.length;
  return path.startsWith(above) && (path[end] === '/' || (path[end] === '[' && !isRepeat(path, end, steps)));
}

/** Whether a path is another one or stands below it. Every path is within the run itself (`''`). */
export function isWithin(path: string, above: string, steps?: StepsByPath): boolean {
  return above === '' || path === above || isBelow(path, above, steps);
}

/** Whether a path is one of these or stands below one of them. */
export function isWithinAny(path: string, others: ReadonlySet<string>, steps?: StepsByPath): boolean {
  return others.has(path) || pathsAbove(path, steps).some((above) => others.has(above));
}

/** The path of the composite in which a step of a plan is declared; empty for the run itself. */
export function compositeOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/**
 * Whether `trim[1]` is a step beside `trim` and not one below it: it has a row, and rounds and items begin with `trim[0]`. Of an item,
 * `pages[3]/ocr`, only what handles it has one. What undoes, `undo["a"]`, stands below nothing of that name.
 *
 * @param bracket - Where the bracket stands.
 */
export function isRepeat(path: string, bracket: number, steps: StepsByPath | undefined): boolean {
  const own = path.slice(0, path.indexOf(']', bracket) + 1);
  return steps?.get(own) !== undefined && steps.get(`${path.slice(0, bracket)}[0]`) === undefined;
}
