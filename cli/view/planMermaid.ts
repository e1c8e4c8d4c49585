import type { Plan } from '../../lib/model/plan';
import type { RunState } from '../../lib/model/state';
import { compositeOf, isBelow } from '../../lib/model/stepPath';
import type { StepStatus } from '../../lib/model/stepResult';

const classes: Readonly<Record<StepStatus, string>> = {
  PENDING: 'fill:#eee,stroke:#999,color:#555',
  RUNNING: 'fill:#cfe8ff,stroke:#1b6ec2,color:#0b3d6e',
  SUSPENDED: 'fill:#fff1c2,stroke:#b58900,color:#5c4600',
  COMPLETED: 'fill:#d5f2d8,stroke:#2e7d32,color:#144d18',
  FAILED: 'fill:#ffd9d6,stroke:#c62828,color:#7a1414',
  SKIPPED: 'fill:#f5f5f5,stroke:#bbb,color:#888',
};

/** A plan as a Mermaid flowchart; with a run each step has the colour of its status, and groups say how far they are. */
export function mermaidOf(plan: Plan, state?: RunState): string {
  const ids = new Map(plan.map(({ path }, index) => [path, `s${index}`]));
  const lines = ['flowchart TD', '  input(["input"])'];
  drawLevel('', '  ', { plan, ids, state, lines });
  for (const { path, sources } of plan) {
    const to = ids.get(path) as string;
    for (const source of sources) {
      for (const from of namesIn(source)) {
        const id = from === 'input' ? inputOf(path, ids) : ids.get(beside(path, from));
        if (id !== undefined) lines.push(`  ${id} --> ${to}`);
      }
    }
  }
  if (state !== undefined) {
    for (const [status, style] of Object.entries(classes)) lines.push(`  classDef ${status} ${style}`);
    for (const [path, id] of ids) lines.push(`  class ${id} ${state.steps.get(path)?.status ?? 'PENDING'}`);
  }
  return lines.join('\n');
}

interface Drawing {
  readonly plan: Plan;
  readonly ids: ReadonlyMap<string, string>;
  readonly state: RunState | undefined;
  readonly lines: string[];
}

/** The steps directly below a path; those that hold others are a frame around them. */
function drawLevel(above: string, indent: string, drawing: Drawing): void {
  const { plan, ids, lines } = drawing;
  for (const step of plan) {
    if (compositeOf(step.path) !== above) continue;
    const id = ids.get(step.path) as string;
    const label = labelOf(step.path, step.agent, drawing);
    if (!plan.some(({ path }) => compositeOf(path) === step.path)) {
      lines.push(`${indent}${id}["${label}"]`);
      continue;
    }
    lines.push(`${indent}subgraph ${id}["${label} (${step.kind})"]`);
    drawLevel(step.path, `${indent}  `, drawing);
    lines.push(`${indent}end`);
  }
}

function labelOf(path: string, agent: string, { state }: Drawing): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const label = quoted(name === agent ? name : `${name}: ${agent}`);
  if (state === undefined) return label;
  // What stands below by a name has a frame.
  const inside = [...state.steps].filter(
    ({ stepId }) => stepId[path.length] === '[' && isBelow(stepId, path, state.steps),
  );
  const done = inside.filter(({ status }) => status === 'COMPLETED' || status === 'SKIPPED').length;
  return inside.length === 0 ? label : `${label} ${done}/${inside.length}`;
}

function quoted(text: string): string {
  return text
    .replaceAll('#', '#35;')
    .replaceAll('"', '#quot;')
    .replaceAll('<', '#lt;')
    .replaceAll('>', '#gt;')
    .replaceAll('\n', ' ');
}

function beside(path: string, name: string): string {
  const parent = compositeOf(path);
  return parent === '' ? name : `${parent}/${name}`;
}

/** What is given to the whole structure comes from what stands around it. */
function inputOf(path: string, ids: ReadonlyMap<string, string>): string | undefined {
  const parent = compositeOf(path);
  return parent === '' ? 'input' : ids.has(parent) ? undefined : 'input';
}

/** `settled(a, b)` reads `a` and `b`. */
function namesIn(source: string): readonly string[] {
  if (!source.endsWith(')') || !source.includes('(')) return [source];
  return source
    .slice(source.indexOf('(') + 1, -1)
    .split(',')
    .flatMap((part) => namesIn(part.trim()));
}
