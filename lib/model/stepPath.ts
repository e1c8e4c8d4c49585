// By the path alone: `trim[1]`, the second link of that name in a chain, counts as below `trim`. Only the plan tells (`stepsAbove`).

/** The paths above the path of a step, nearest first: `pages[3]` and `pages` for `pages[3]/ocr`. Not all of them need be steps. */
export function pathsAbove(path: string): readonly string[] {
  const above: string[] = [];
  for (let end = path.length - 1; end > 0; end -= 1)
    if (path[end] === '/' || path[end] === '[') above.push(path.slice(0, end));
  return above;
}

/** Whether a step stands below another one: `pages[3]/ocr` does below `pages`, `pages2` does not. The run itself (`''`) is no step. */
export function isBelow(path: string, above: string): boolean {
  return path.startsWith(above) && (path[above.length] === '/' || path[above.length] === '[');
}

/** Whether a path is another one or stands below it. Every path is within the run itself (`''`). */
export function isWithin(path: string, above: string): boolean {
  return above === '' || path === above || isBelow(path, above);
}

/** Whether a path is one of these or stands below one of them. */
export function isWithinAny(path: string, others: ReadonlySet<string>): boolean {
  return others.has(path) || pathsAbove(path).some((above) => others.has(above));
}

/** The path of the composite in which a step of a plan is declared; empty for the run itself. */
export function compositeOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
