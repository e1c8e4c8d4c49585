import type { JSX } from 'preact';

import type { Plan } from '../../lib/model/plan';
import type { StepStatus } from '../../lib/model/stepResult';
import type { Graph, GraphNode, Placed } from '../graph';
import { curveThrough } from '../graph';
import { icons, numberText } from './format';
import { act, view } from './machine';
import { insideOf, nodeStatus } from './rowList';
import type { RunFold } from './runFold';
import { laidOutGraph } from './pageState';
import { t } from './texts';

/** The steps of a structure and what each reads, as a picture. Without a run it shows kinds instead of states. */
export function GraphView({
  plan,
  fold,
}: {
  readonly plan: Plan;
  readonly fold: RunFold | undefined;
}): JSX.Element {
  const { scope } = view.value;
  void fold?.version.value;
  const { graph, places } = laidOutGraph(plan, scope);
  return (
    <section class="graph" aria-label={t('graph')}>
      {scope === '' ? null : <Crumbs scope={scope} />}
      {places === undefined ? null : (
        <Picture graph={graph} places={places} fold={fold} critical={criticalOf(fold)} />
      )}
    </section>
  );
}

function criticalOf(fold: RunFold | undefined): ReadonlySet<string> {
  return fold?.isCaughtUp.value === true && fold.head.status !== 'RUNNING' ? fold.critical() : new Set();
}

function Crumbs({ scope }: { readonly scope: string }): JSX.Element {
  const parts = scope.split('/');
  const go = (to: string): void => {
    act({ type: 'show', change: { scope: to } });
  };
  return (
    <nav class="crumbs">
      <button class="link" onClick={() => go('')}>
        {t('wholeRun')}
      </button>
      {parts.map((part, index) => (
        <>
          {' › '}
          <button class="link" onClick={() => go(parts.slice(0, index + 1).join('/'))}>
            {part}
          </button>
        </>
      ))}
    </nav>
  );
}

function Picture({
  graph,
  places,
  fold,
  critical,
}: {
  readonly graph: Graph;
  readonly places: Placed;
  readonly fold: RunFold | undefined;
  readonly critical: ReadonlySet<string>;
}): JSX.Element {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const { width, height } = places;
  return (
    <svg
      class="dag"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="group"
      aria-label={t('graph')}
    >
      <defs>
        <marker
          id="tip"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="8"
          markerHeight="8"
          orient="auto"
          markerUnits="userSpaceOnUse"
        >
          <path d="M0 0 L8 4 L0 8 z" />
        </marker>
      </defs>
      {places.edges.map(({ from, to, points }) => (
        <path
          key={`${from} ${to}`}
          class={`edge${critical.has(to) && (critical.has(from) || nodes.get(from)?.kind === 'input') ? ' critical' : ''}`}
          d={curveThrough(points)}
          marker-end="url(#tip)"
        />
      ))}
      {places.nodes.map(({ id, x, y }) => {
        const node = nodes.get(id);
        return node === undefined ? null : (
          <Box
            key={id}
            node={node}
            x={x - node.width / 2}
            y={y - node.height / 2}
            fold={fold}
            isCritical={critical.has(id)}
          />
        );
      })}
    </svg>
  );
}

function Box({
  node,
  x,
  y,
  fold,
  isCritical,
}: {
  readonly node: GraphNode;
  readonly x: number;
  readonly y: number;
  readonly fold: RunFold | undefined;
  readonly isCritical: boolean;
}): JSX.Element {
  const { id, label, kind, width, height, isOpenable } = node;
  const isInput = kind === 'input';
  const step = isInput ? undefined : fold?.node(id);
  const status: StepStatus | undefined = isInput
    ? 'COMPLETED'
    : step === undefined
      ? undefined
      : nodeStatus(step);
  const inside = step === undefined ? undefined : insideOf(step);
  const counts =
    inside === undefined || inside.total === 0
      ? ''
      : `${numberText(inside.done)}/${numberText(inside.total)}`;
  const isSelected = !isInput && view.value.step === id;
  const name = [label, status === undefined || isInput ? kind : t(status), counts]
    .filter((it) => it !== '')
    .join(', ');
  return (
    <g
      class={`box ${fold === undefined ? '' : (status ?? 'PENDING')}${isSelected ? ' selected' : ''}${isCritical ? ' critical' : ''}${isInput ? ' input' : ''}`}
      transform={`translate(${x} ${y})`}
      role="button"
      aria-label={name}
      aria-pressed={isSelected}
      onClick={() => {
        act({ type: 'show', change: { step: isInput ? undefined : id } });
      }}
      onDblClick={() => {
        if (isOpenable) act({ type: 'show', change: { scope: id } });
      }}
    >
      <title>{isOpenable ? `${name} (${t('doubleClickGoesIn')})` : name}</title>
      <rect width={width} height={height} rx={isInput ? height / 2 : 5} />
      <text x={isInput ? width / 2 : 11} y={height / 2 + 4} text-anchor={isInput ? 'middle' : 'start'}>
        {fold === undefined || isInput ? null : (
          <tspan class="state" dx="0">
            {icons[status ?? 'PENDING']}{' '}
          </tspan>
        )}
        <tspan>{label}</tspan>
      </text>
      {isInput ? null : (
        <text class="side" x={width - 8} y={height / 2 + 4} text-anchor="end">
          {counts === '' ? (kind === 'function' ? '' : kind) : counts}
        </text>
      )}
    </g>
  );
}
