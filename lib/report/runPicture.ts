import type { PlanStep } from '../model/plan';
import type { RunState } from '../model/state';
import type { StepResult } from '../model/stepResult';
import { clipped, durationText, padded, printable, widthOf } from './columns';
import { marks } from './runSummary';
import type { WatchedRun } from './watchedRun';

/** How a picture is drawn. */
export interface PictureOptions {
  /** Now, epoch milliseconds: how far the bars of running steps reach. */
  readonly now: number;
  /** Columns of the terminal. */
  readonly width: number;
  /** The most lines the picture may have; with one line it is only the head. */
  readonly height: number;
  readonly hasColor: boolean;
}

/**
 * A run as lines for a terminal: a head, and a line for each step with its state, a bar on the time axis of this life, its
 * duration and a note. When there are too many steps, those that need no attention are left out first.
 */
export function runPicture(run: WatchedRun, options: PictureOptions): string[] {
  const { width, height, hasColor } = options;
  const all = [...run.state.steps];
  const { shown, hidden } = height < 2 ? { shown: [], hidden: [] } : pickSteps(all, height - 1);
  const plan = new Map(run.state.plan.map((step) => [step.path, step]));
  const names = shown.map((step) => printable(step.stepId));
  const nameWidth = Math.min(Math.max(0, ...names.map(widthOf)), Math.floor(width / 3));
  const times = shown.map((step) => timeOf(step, run, options.now));
  const timeWidth = Math.max(8, ...times.map(widthOf));
  const barWidth = Math.max(6, Math.min(30, width - nameWidth - timeWidth - 22));
  const rows = shown.map((step, index) => {
    const name = padded(clipped(names[index] ?? '', nameWidth), nameWidth);
    const bar = padded(barOf(step, run, barWidth, options.now), barWidth);
    const time = padded(times[index] ?? '', timeWidth);
    const line = ` ${marks[step.status]} ${name} ${bar} ${time} ${printable(noteOf(step, run, plan))}`;
    return painted(clipped(line.trimEnd(), width), colorOf(step.status), hasColor);
  });
  const rest = hidden.length === 0 ? [] : [clipped(` … ${countText(hidden)} not shown`, width)];
  return [painted(clipped(runHead(run, options.now), width), 'bold', hasColor), ...rows, ...rest];
}

/** The head of the picture: name, run, time since this life began, and how many steps stand where. */
export function runHead({ state, beganAt }: WatchedRun, now: number): string {
  const until = state.endedAt ?? now;
  const ending =
    state.status === 'RUNNING' || state.status === 'IDLE' ? '' : `${state.status.toLowerCase()}, `;
  const time = durationText(Math.max(0, until - beganAt) / 1_000);
  return `${printable(state.name)}  run ${shortId(state.runId)}  ${time}  ${ending}${countText([...state.steps])}`;
}

/** An id short enough for a line: the end of a long one, because ULIDs of one moment begin alike. */
export function shortId(runId: string): string {
  const id = printable(runId);
  return widthOf(id) <= 16 ? id : `…${id.slice(-8)}`;
}

/** What needs attention first. */
const byWorth: readonly StepResult['status'][] = [
  'FAILED',
  'RUNNING',
  'SUSPENDED',
  'PENDING',
  'SKIPPED',
  'COMPLETED',
];

/** As many steps as there is room for, in their order. Of steps that matter equally, the latest are kept. */
function pickSteps(
  steps: readonly StepResult[],
  room: number,
): { readonly shown: readonly StepResult[]; readonly hidden: readonly StepResult[] } {
  if (steps.length <= room) return { shown: steps, hidden: [] };
  const kept = new Set<number>();
  for (const status of byWorth) {
    for (let index = steps.length - 1; index >= 0 && kept.size < room - 1; index -= 1) {
      if (steps[index]?.status === status) kept.add(index);
    }
  }
  return {
    shown: steps.filter((_, index) => kept.has(index)),
    hidden: steps.filter((_, index) => !kept.has(index)),
  };
}

function barOf(step: StepResult, run: WatchedRun, width: number, now: number): string {
  const times = run.times.get(step.stepId);
  if (times === undefined || step.status === 'PENDING' || step.status === 'SKIPPED') return '';
  const axis = Math.max(1, (run.state.endedAt ?? now) - run.beganAt);
  const cell = (at: number): number => Math.min(width, Math.max(0, ((at - run.beganAt) / axis) * width));
  const from = Math.min(width - 1, Math.floor(cell(times.startedAt)));
  const to = Math.max(from + 1, Math.round(cell(times.endedAt ?? now)));
  return `${' '.repeat(from)}${'█'.repeat(to - from)}`;
}

function timeOf(step: StepResult, run: WatchedRun, now: number): string {
  const times = run.times.get(step.stepId);
  switch (step.status) {
    case 'COMPLETED':
    case 'FAILED':
      return durationText(step.duration);
    case 'RUNNING':
      return times === undefined ? '' : durationText(Math.max(0, now - times.startedAt) / 1_000);
    default:
      return '';
  }
}

function noteOf(step: StepResult, run: WatchedRun, plan: ReadonlyMap<string, PlanStep>): string {
  const note = run.notes.get(step.stepId) ?? '';
  switch (step.status) {
    case 'PENDING':
      return note !== '' ? note : waitsFor(step.stepId, run.state, plan);
    case 'RUNNING':
      return [note, step.partials === undefined ? '' : `${step.partials} partial results`]
        .filter((it) => it !== '')
        .join(', ');
    case 'SUSPENDED':
      return step.deadline === undefined
        ? 'waits for an answer'
        : `waits for an answer until ${new Date(step.deadline).toISOString()}`;
    case 'FAILED':
      return [note.replace(/, last: .*$/, ''), step.error?.message ?? '']
        .filter((it) => it !== '')
        .join(': ');
    case 'COMPLETED':
      return run.times.has(step.stepId) || run.state.life < 2 ? note : 'done in an earlier life';
    case 'SKIPPED':
      return note;
  }
}

/** The sources of a step that are not there yet. */
function waitsFor(path: string, state: RunState, plan: ReadonlyMap<string, PlanStep>): string {
  const within = path.slice(0, path.lastIndexOf('/') + 1);
  const missing = (plan.get(path)?.sources ?? []).filter((source) => {
    if (source === 'input') return false;
    const status = state.steps.get(`${within}${source}`)?.status;
    return status !== 'COMPLETED' && status !== 'SKIPPED';
  });
  return missing.length === 0 ? '' : `waits for ${missing.join(', ')}`;
}

function countText(steps: readonly StepResult[]): string {
  const counts = { PENDING: 0, RUNNING: 0, SUSPENDED: 0, COMPLETED: 0, FAILED: 0, SKIPPED: 0 };
  for (const step of steps) counts[step.status] += 1;
  const parts: readonly (readonly [number, string])[] = [
    [counts.RUNNING, 'running'],
    [counts.FAILED, 'failed'],
    [counts.SUSPENDED, 'suspended'],
    [counts.PENDING, 'waiting'],
    [counts.SKIPPED, 'skipped'],
  ];
  const others = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  return [`${counts.COMPLETED}/${steps.length} done`, ...others].join(', ');
}

type Color = 'bold' | 'green' | 'red' | 'cyan' | 'yellow' | 'dim' | 'none';

const codes: Readonly<Record<Color, readonly [number, number] | undefined>> = {
  bold: [1, 22],
  green: [32, 39],
  red: [31, 39],
  cyan: [36, 39],
  yellow: [33, 39],
  dim: [2, 22],
  none: undefined,
};

function colorOf(status: StepResult['status']): Color {
  switch (status) {
    case 'COMPLETED':
      return 'green';
    case 'FAILED':
      return 'red';
    case 'RUNNING':
      return 'cyan';
    case 'SUSPENDED':
      return 'yellow';
    case 'SKIPPED':
    case 'PENDING':
      return 'dim';
  }
}

function painted(text: string, color: Color, hasColor: boolean): string {
  const code = codes[color];
  return hasColor && code !== undefined ? `\u001b[${code[0]}m${text}\u001b[${code[1]}m` : text;
}
