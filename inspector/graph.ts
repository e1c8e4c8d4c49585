import type { Plan, PlanStep } from '../lib/model/plan';
import { compositeOf } from '../lib/model/stepPath';

/** A structure as a graph to be laid out: its steps and what each reads. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** A step of a graph, or where its structure begins. */
export interface GraphNode {
  /** Path of the step; `input` in the scope for where it begins. */
  readonly id: string;
  /** What stands in its box. */
  readonly label: string;
  /** What kind of agent it is; `input` for where the structure begins. */
  readonly kind: PlanStep['kind'] | 'input';
  /** Whether it has an inside of its own that can be shown. */
  readonly isOpenable: boolean;
  readonly width: number;
  readonly height: number;
}

/** An arrow from what is read to who reads it. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
}

/** A graph with places, in pixels from the upper left corner. */
export interface Placed {
  readonly nodes: readonly { readonly id: string; readonly x: number; readonly y: number }[];
  readonly edges: readonly (GraphEdge & { readonly points: readonly (readonly [x: number, y: number])[] })[];
  readonly width: number;
  readonly height: number;
}

/** More nodes nobody can read. */
export const MOST_NODES = 150;

const CHARACTER = 7.3;
const HEIGHT = 30;

/**
 * What stands directly in a structure of a plan: the run itself when `scope` is empty. A step that holds others, such as a nested
 * workflow or an `each`, is one node. Of more than 150 nodes the first 150 are kept.
 */
export function graphOf(plan: Plan, scope = ''): Graph {
  const base = scope === '' ? '' : `${scope}/`;
  const steps = plan.filter(
    ({ path }) => path.startsWith(base) && path !== '' && !path.slice(base.length).includes('/'),
  );
  const shown = steps.slice(0, MOST_NODES);
  const ids = new Map(shown.map((step) => [step.path.slice(base.length), step.path]));
  const begin = `${base}input`;
  const edges = shown.flatMap((step) =>
    readsOf(step, ids).map((from) => ({
      from: from === 'input' ? begin : (ids.get(from) ?? begin),
      to: step.path,
    })),
  );
  const openable = new Set(plan.map(({ path }) => compositeOf(path)));
  const nodes = shown.map((step): GraphNode => {
    const label = step.path.slice(base.length);
    return {
      id: step.path,
      label,
      kind: step.kind,
      isOpenable: openable.has(step.path),
      // Room for the icon, and for the kind or how many steps inside have ended.
      width: Math.round(widthOf(label) * CHARACTER) + (step.kind === 'function' ? 52 : 124),
      height: HEIGHT,
    };
  });
  const hasInput = edges.some(({ from }) => from === begin);
  const input: GraphNode = {
    id: begin,
    label: 'input',
    kind: 'input',
    isOpenable: false,
    width: 64,
    height: HEIGHT,
  };
  return { nodes: hasInput ? [input, ...nodes] : nodes, edges };
}

/** All structures of a plan that can be shown as a graph: the run itself first. */
export function scopesOf(plan: Plan): readonly string[] {
  return [...new Set(['', ...plan.map(({ path }) => compositeOf(path))])];
}

/** A smooth line through the points of an edge. */
export function curveThrough(points: readonly (readonly [number, number])[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  const last = rest.at(-1) ?? first;
  if (rest.length < 2) return `M${first.join(' ')} L${last.join(' ')}`;
  let path = `M${first.join(' ')}`;
  for (let index = 0; index < rest.length - 1; index += 1) {
    const here = rest[index] ?? first;
    const next = rest[index + 1] ?? last;
    const end = index === rest.length - 2 ? next : [(here[0] + next[0]) / 2, (here[1] + next[1]) / 2];
    path += ` Q${here.join(' ')} ${end.join(' ')}`;
  }
  return path;
}

/** Ids of the steps that a step reads, and `input`; the text of a source may be an adaptor around several. */
function readsOf({ sources, path }: PlanStep, ids: ReadonlyMap<string, string>): string[] {
  const own = path.slice(path.lastIndexOf('/') + 1);
  const found = sources.flatMap((source) =>
    source === 'input' || ids.has(source)
      ? [source]
      : source.split(/[(),\s]+/).filter((word) => word === 'input' || ids.has(word)),
  );
  return [...new Set(found)].filter((id) => id !== own);
}

/** Wide characters take two columns. */
function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += (letter.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
  return width;
}
