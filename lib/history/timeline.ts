import type { RunEvent } from '../model/event';
import type { Plan, PlanStep } from '../model/plan';
import { compositeOf } from '../model/stepPath';

/**
 * What a step did with a piece of its time: it `waited` for its turn after all that it reads was there, it `ran`, it paused
 * between two attempts (`gap`), or it was `asked` and waited for an answer or a deadline.
 */
export type SpanKind = 'waited' | 'ran' | 'gap' | 'asked';

/** A piece of a step's time. */
export interface Span {
  /** Of the step. */
  readonly path: string;
  /** What the step did. */
  readonly kind: SpanKind;
  /** Number of the attempt, over all lives; for `waited` the one that follows. */
  readonly attempt: number;
  /** Which life of the run it belongs to, from 1. */
  readonly life: number;
  /** Epoch milliseconds. */
  readonly from: number;
  /** Epoch milliseconds; undefined while it lasts. */
  readonly to: number | undefined;
}

/** A span that may get its end. */
export interface OpenSpan extends Omit<Span, 'to'> {
  to: number | undefined;
}

/**
 * The times of all steps of a run, from its events: a span for each attempt, with what came before and between. In the order in
 * which they began. Linear in the number of events.
 */
export function timeline(events: Iterable<RunEvent>): readonly Span[] {
  const line = new Timeline();
  for (const event of events) line.add(event);
  return line.spans;
}

/**
 * A timeline that grows with the events as they come: each costs the same, however many came before. A class, because every
 * event changes the same few maps.
 */
export class Timeline {
  /** All spans so far; one that lasts gets its end later. */
  readonly spans: OpenSpan[] = [];
  readonly #open = new Map<string, OpenSpan>();
  readonly #ends = new Map<string, number>();
  readonly #attempts = new Map<string, number>();
  #sources = new Map<string, readonly string[]>();
  #life = 0;
  #lifeBegan = 0;

  /** The next event of the run. */
  add(event: RunEvent): void {
    const { at } = event;
    switch (event.type) {
      case 'run.started':
      case 'run.resumed':
        this.#life = event.type === 'run.started' ? 1 : event.life;
        this.#lifeBegan = at;
        if (event.plan !== undefined) this.#sources = sourcesOf(event.plan);
        break;
      case 'step.started':
        this.#start(event.path, event.attempt, at);
        break;
      case 'step.retrying':
        this.#close(event.path, at);
        this.#begin(event.path, 'gap', event.attempt, at);
        break;
      case 'step.suspended':
        this.#close(event.path, at);
        this.#begin(event.path, 'asked', event.attempt, at);
        break;
      case 'step.answered':
        this.#close(event.path, at);
        this.#begin(event.path, 'ran', this.#attempts.get(event.path) ?? 1, at);
        break;
      case 'step.completed':
      case 'step.failed':
      case 'step.skipped':
      case 'step.cancelled':
        this.#close(event.path, at);
        this.#ends.set(event.path, at);
        break;
      case 'run.completed':
      case 'run.failed':
      case 'run.suspended':
      case 'run.cancelled':
        this.#rest(at, event.type === 'run.suspended');
        break;
      default:
        break;
    }
  }

  #start(path: string, attempt: number, at: number): void {
    const before = this.#open.get(path);
    this.#close(path, at);
    this.#attempts.set(path, attempt);
    const ready = before === undefined ? this.#readyAt(path) : at;
    if (ready < at) this.#push({ path, kind: 'waited', attempt, life: this.#life, from: ready, to: at });
    this.#begin(path, 'ran', attempt, at);
  }

  /** The moment from which on the step could have begun: everything that it reads had ended, or what it stands in had begun. */
  #readyAt(path: string): number {
    const slash = path.lastIndexOf('/');
    const parent = slash === -1 ? '' : path.slice(0, slash).replace(/\[[^\]]*\]$/, '');
    let ready = Math.max(this.#lifeBegan, this.#open.get(parent)?.from ?? 0);
    for (const source of this.#sources.get(path) ?? []) ready = Math.max(ready, this.#ends.get(source) ?? 0);
    return ready;
  }

  /** At the end of a life only questions go on; what still ran was stopped. */
  #rest(at: number, isSuspended: boolean): void {
    for (const [path, span] of this.#open) if (!isSuspended || span.kind !== 'asked') this.#close(path, at);
  }

  #begin(path: string, kind: SpanKind, attempt: number, at: number): void {
    const span: OpenSpan = { path, kind, attempt, life: this.#life, from: at, to: undefined };
    this.#open.set(path, span);
    this.#push(span);
  }

  #push(span: OpenSpan): void {
    this.spans.push(span);
  }

  #close(path: string, at: number): void {
    const span = this.#open.get(path);
    if (span === undefined) return;
    span.to = at;
    this.#open.delete(path);
  }
}

/**
 * The steps that the length of a run depends on, in the order in which they ran: shortening any other step would not have ended
 * the run earlier. Between declared steps it follows what they read; in a group whose members are decided while it runs, such as
 * `each`, it follows who freed the place. A step is named with its path; steps below a named one follow it.
 *
 * Linear in the number of spans, but for groups, which are sorted.
 */
export function criticalPath(plan: Plan, spans: readonly Span[]): readonly string[] {
  const steps = new Map<string, Stretch>();
  for (const { path, kind, from, to } of spans) {
    // Waiting for a turn is the time of somebody else.
    if (kind === 'waited') continue;
    const end = to ?? Infinity;
    const known = steps.get(path);
    if (known === undefined) steps.set(path, { path, from, to: end });
    else steps.set(path, { path, from: Math.min(known.from, from), to: Math.max(known.to, end) });
  }
  const groups = new Map<string, Stretch[]>();
  for (const step of steps.values()) {
    const group = groupOf(step.path, steps);
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [step]);
    else members.push(step);
  }
  const sources = sourcesOf(plan);
  const found: string[] = [];
  const pending = [''];
  for (let group = pending.pop(); group !== undefined; group = pending.pop()) {
    if (group !== '') found.push(group);
    const way = wayThrough(groups.get(group) ?? [], sources);
    // Taken from the end, so the first of the way comes out first, with all that is below it.
    pending.push(...way.reverse());
  }
  return found;
}

interface Stretch {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** From the member that ended last back to the first one; in the order in which they ran. */
function wayThrough(members: Stretch[], sources: ReadonlyMap<string, readonly string[]>): string[] {
  const byEnd = members.sort((a, b) => a.to - b.to);
  const byPath = new Map(members.map((member) => [member.path, member]));
  const way: string[] = [];
  let place = byEnd.length - 1;
  let current = byEnd[place];
  while (current !== undefined) {
    way.push(current.path);
    const declared = sources.get(current.path);
    if (declared !== undefined) {
      current = latest(declared.flatMap((source) => byPath.get(source) ?? []));
      continue;
    }
    const { from } = current;
    while (place >= 0 && (byEnd[place]?.to ?? Infinity) > from) place -= 1;
    current = byEnd[place];
    place -= 1;
  }
  return way.reverse();
}

function latest(steps: readonly Stretch[]): Stretch | undefined {
  return steps.reduce<Stretch | undefined>(
    (last, step) => (last === undefined || step.to > last.to ? step : last),
    undefined,
  );
}

/** The nearest step above a path that has a time of its own; the empty path for the run. */
function groupOf(path: string, steps: ReadonlyMap<string, unknown>): string {
  for (let end = path.length - 1; end > 0; end -= 1) {
    if (path[end] !== '/' && path[end] !== '[') continue;
    const above = path.slice(0, end);
    if (steps.has(above)) return above;
  }
  return '';
}

/** For each declared step the paths that it reads; the text of a source may be an adaptor around several. */
function sourcesOf(plan: Plan): Map<string, readonly string[]> {
  const below = new Map<string, PlanStep[]>();
  for (const step of plan) {
    const parent = compositeOf(step.path);
    const siblings = below.get(parent);
    if (siblings === undefined) below.set(parent, [step]);
    else siblings.push(step);
  }
  const sources = new Map<string, readonly string[]>();
  for (const [parent, siblings] of below) {
    const ids = new Map(
      siblings.map(({ path }) => [path.slice(parent === '' ? 0 : parent.length + 1), path]),
    );
    for (const step of siblings) {
      const read = step.sources.flatMap((source) =>
        ids.has(source) ? [source] : source.endsWith(')') ? namesIn(source, ids) : [],
      );
      sources.set(
        step.path,
        read.flatMap((id) => ids.get(id) ?? []).filter((path) => path !== step.path),
      );
    }
  }
  return sources;
}

/** `settled(a, b)` reads `a` and `b`. */
function namesIn(source: string, ids: ReadonlyMap<string, string>): string[] {
  const inside = source.slice(source.indexOf('(') + 1, -1);
  const parts = inside.split(',').map((part) => part.trim());
  return parts.flatMap((part) => (ids.has(part) ? [part] : part.endsWith(')') ? namesIn(part, ids) : []));
}
