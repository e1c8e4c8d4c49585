/** A step and those below it. */
export interface StepNode {
  /** From the root of the run; empty for the run itself. */
  readonly path: string;
  /** The part of the path that is its own, such as `[3]` or `read`. */
  readonly name: string;
  /** In the order in which they were first named. */
  readonly steps: readonly StepNode[];
}

interface OpenNode extends StepNode {
  readonly steps: OpenNode[];
}

/**
 * Paths of steps as a tree; what stands above a named step is in it too. `pages[1]/read` stands in `pages[1]`, and that in `pages`.
 * Linear in the length of the paths.
 */
export function stepTree(paths: Iterable<string>): StepNode {
  const root: OpenNode = { path: '', name: '', steps: [] };
  const known = new Map<string, OpenNode>([['', root]]);
  for (const path of paths) {
    let above = root;
    for (const end of endsIn(path)) {
      const here = path.slice(0, end);
      let node = known.get(here);
      if (node === undefined) {
        const own = here.slice(above.path.length);
        node = { path: here, name: own.startsWith('/') ? own.slice(1) : own, steps: [] };
        known.set(here, node);
        above.steps.push(node);
      }
      above = node;
    }
  }
  return root;
}

/** Where the parts of a path end. */
function endsIn(path: string): number[] {
  const ends: number[] = [];
  for (let at = 1; at <= path.length; at += 1)
    if (at === path.length || path[at] === '/' || path[at] === '[') ends.push(at);
  return ends;
}
