import type { Plan } from '../lib/model/plan';
import type { RunState } from '../lib/model/state';
import { isBelow } from '../lib/model/stepPath';
import type { StepStatus } from '../lib/model/stepResult';
import type { GraphNode } from './graph';
import { curveThrough, graphOf } from './graph';
import { placed } from './graphLayout';

interface Look {
  readonly fill: string;
  readonly stroke: string;
  readonly text: string;
  readonly icon: string;
}

const looks: Readonly<Record<StepStatus, Look>> = {
  PENDING: { fill: '#eee', stroke: '#777', text: '#444', icon: '·' },
  RUNNING: { fill: '#cfe8ff', stroke: '#1b6ec2', text: '#0b3d6e', icon: '◐' },
  SUSPENDED: { fill: '#fff1c2', stroke: '#8f6a00', text: '#5c4600', icon: '‖' },
  COMPLETED: { fill: '#d5f2d8', stroke: '#2e7d32', text: '#144d18', icon: '✔' },
  FAILED: { fill: '#ffd9d6', stroke: '#c62828', text: '#7a1414', icon: '✘' },
  SKIPPED: { fill: '#f5f5f5', stroke: '#999', text: '#666', icon: '↷' },
};
const plain: Look = { fill: '#fff', stroke: '#555', text: '#222', icon: '' };

/**
 * A plan as a picture: its steps and what each reads, from left to right. With a run each step has the colour and the sign of its
 * status, and steps that hold others say how many of those are done. It needs no style sheet and no font of its own.
 */
export function graphSvg(plan: Plan, state?: RunState): string {
  const graph = graphOf(plan);
  const { nodes, edges, width, height } = placed(graph);
  const byId = new Map(graph.nodes.map((node) => [node.id, node]));
  const boxes = nodes.map(({ id, x, y }) => {
    const node = byId.get(id) as GraphNode;
    return boxOf(node, x - node.width / 2, y - node.height / 2, state);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0 L8 4 L0 8 z" fill="#777"/></marker></defs>',
    ...edges.map(
      ({ points }) =>
        `<path d="${curveThrough(points)}" fill="none" stroke="#777" stroke-width="1.2" marker-end="url(#tip)"/>`,
    ),
    ...boxes,
    '</svg>',
  ].join('\n');
}

function boxOf(node: GraphNode, x: number, y: number, state: RunState | undefined): string {
  const { id, label, kind, width, height } = node;
  const isInput = kind === 'input';
  const status = isInput || state === undefined ? undefined : (state.steps.get(id)?.status ?? 'PENDING');
  const { fill, stroke, text, icon } = status === undefined ? plain : looks[status];
  const side = isInput ? '' : sideOf(node, state);
  const title = [label, status ?? kind, side].filter((part) => part !== '').join(', ');
  const middle = height / 2 + 4;
  return [
    `<g transform="translate(${x} ${y})" fill="${text}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="${isInput ? height / 2 : 5}" fill="${fill}" stroke="${stroke}" stroke-width="1.2"/>`,
    isInput
      ? `<text x="${width / 2}" y="${middle}" text-anchor="middle">input</text>`
      : `<text x="11" y="${middle}">${escaped(`${icon} ${label}`.trim())}</text>`,
    ...(side === ''
      ? []
      : [`<text x="${width - 8}" y="${middle}" text-anchor="end" font-size="11">${escaped(side)}</text>`]),
    '</g>',
  ].join('');
}

/** How many of the steps inside are done; without a run, what kind of agent it is. */
function sideOf({ id, kind }: GraphNode, state: RunState | undefined): string {
  const inside = [...(state?.steps ?? [])].filter(({ stepId }) => isBelow(stepId, id, state?.steps));
  const done = inside.filter(({ status }) => status === 'COMPLETED' || status === 'SKIPPED').length;
  if (inside.length > 0) return `${done}/${inside.length}`;
  return kind === 'function' ? '' : kind;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
