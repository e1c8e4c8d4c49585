import type { StepsByPath } from '../model/stepPath';
import { isRepeat } from '../model/stepPath';
import type { StepTable } from '../model/stepTable';

/** A step and those below it. */
export interface StepNode {
  /** From the root of the run; empty for the run itself. */
  readonly path: string;
  /** The part of the path that is its own, such as `[3]` or `read`. */
  readonly name: string;
  /** In the order in which they were first named. */
  readonly steps: readonly StepNode[];
}

/**
 * Paths of steps as a tree; what stands above a named step is in it too. `pages[1]/read` stands in `pages[1]`, and that in `pages`.
 * Linear in the length of the paths.
 */
export function stepTree(paths: Iterable<string>): StepNode {
  return treeOf(paths);
}

/** The steps of a run as a tree. The second step of a name, `pay[1]`, stands beside `pay`, as only the run itself tells. */
export function treeOfSteps(steps: StepTable): StepNode {
  return treeOf(
    Array.from(steps, ({ stepId }) => stepId),
    steps,
  );
}

function treeOf(paths: Iterable<string>, steps?: StepsByPath): StepNode {
  const tree = new StepTree<OpenNode>((path, name) => ({ path, name, steps: [] }), steps);
  for (const path of paths) tree.add(path);
  return tree.root;
}

interface OpenNode extends StepNode {
  readonly steps: OpenNode[];
}

/** A tree of steps that grows, of nodes that can carry more than their path. A class, because all paths share one index. */
export class StepTree<N extends { readonly path: string; readonly steps: N[] }> {
  readonly root: N;
  readonly #nodes = new Map<string, N>();
  readonly #make: (path: string, name: string, above: N | undefined) => N;
  readonly #steps: StepsByPath | undefined;

  /**
   * @param make - Makes a node without steps; `above` is undefined for the root.
   * @param steps - The steps of the run, which tell what stands below what; by its path alone `pay[1]` counts as below `pay`.
   */
  constructor(make: (path: string, name: string, above: N | undefined) => N, steps?: StepsByPath) {
    this.#make = make;
    this.#steps = steps;
    this.root = make('', '', undefined);
    this.#nodes.set('', this.root);
  }

  /** The node of this path, if it has been named or stands above one that has. */
  get(path: string): N | undefined {
    return this.#nodes.get(path);
  }

  /** The node of this path, made with all that stand above it where they are not there. */
  add(path: string): N {
    let above = this.root;
    const known = this.#nodes.get(path);
    if (known !== undefined) return known;
    for (const end of endsIn(path, this.#steps)) {
      const here = path.slice(0, end);
      let node = this.#nodes.get(here);
      if (node === undefined) {
        const own = here.slice(above.path.length);
        node = this.#make(here, own.startsWith('/') ? own.slice(1) : own, above);
        this.#nodes.set(here, node);
        above.steps.push(node);
      }
      above = node;
    }
    return above;
  }
}

/** Where the parts of a path end. */
function endsIn(path: string, steps: StepsByPath | undefined): number[] {
  const ends: number[] = [];
  for (let at = 1; at <= path.length; at += 1)
    if (at === path.length || path[at] === '/' || (path[at] === '[' && !isRepeat(path, at, steps)))
      ends.push(at);
  return ends;
}
