import * as library from '@dagrejs/dagre';

import type { Graph, Placed } from './graph';

/** What is used of dagre, whose types need a package that it does not bring. */
interface Dagre {
  readonly Graph: new () => Laid;
  readonly layout: (graph: Laid) => void;
}

interface Laid {
  setGraph(options: object): void;
  setDefaultEdgeLabel(label: () => object): void;
  setNode(id: string, size: { readonly width: number; readonly height: number }): void;
  setEdge(from: string, to: string): void;
  graph(): { readonly width?: number; readonly height?: number };
  node(id: string): Point;
  edges(): readonly { readonly v: string; readonly w: string }[];
  edge(edge: { readonly v: string; readonly w: string }): { readonly points: readonly Point[] };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const { Graph: DagreGraph, layout } = library as unknown as Dagre;
const MOST_KEPT = 200;
const known = new Map<string, Placed>();

/** Gives each node of a graph its place, from left to right. The same graph is laid out once. */
export function placed(graph: Graph): Placed {
  const key = JSON.stringify(graph);
  const before = known.get(key);
  if (before !== undefined) return before;
  const places = laidOut(graph);
  if (known.size >= MOST_KEPT) known.delete(known.keys().next().value ?? '');
  known.set(key, places);
  return places;
}

function laidOut({ nodes, edges }: Graph): Placed {
  if (nodes.length === 0) return { nodes: [], edges: [], width: 0, height: 0 };
  const dagre = new DagreGraph();
  dagre.setGraph({ rankdir: 'LR', nodesep: 14, ranksep: 34, marginx: 12, marginy: 12 });
  dagre.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of nodes) dagre.setNode(id, { width, height });
  const ids = new Set(nodes.map(({ id }) => id));
  for (const { from, to } of edges) if (ids.has(from) && ids.has(to)) dagre.setEdge(from, to);
  layout(dagre);
  const { width = 0, height = 0 } = dagre.graph();
  const round = (value: number | undefined): number => Math.round((value ?? 0) * 10) / 10;
  return {
    nodes: nodes.map(({ id }) => {
      const { x, y } = dagre.node(id);
      return { id, x: round(x), y: round(y) };
    }),
    edges: dagre.edges().map((edge) => {
      const { points } = dagre.edge(edge);
      return { from: edge.v, to: edge.w, points: points.map(({ x, y }) => [round(x), round(y)] as const) };
    }),
    width: round(width),
    height: round(height),
  };
}
