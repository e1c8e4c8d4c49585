import type { RunEvent } from '../model/event';
import type { Plan, PlanStep } from '../model/plan';
import { pathsAbove } from '../model/stepPath';

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
  /** When steps ended, and the latest one of those that stand side by side. */
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
        this.#begin(event.path, 'gap', event.attempt, at);
        break;
      case 'step.suspended':
        this.#begin(event.path, 'asked', event.attempt, at);
        break;
      case 'step.answered':
        this.#begin(event.path, 'ran', this.#attempts.get(event.path) ?? 1, at);
        break;
      case 'step.completed':
      case 'step.failed':
      case 'step.skipped':
      case 'step.cancelled':
        this.#close(event.path, at);
        this.#ends.set(event.path, at);
        this.#ends.set(levelOf(event.path), at);
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
    this.#attempts.set(path, attempt);
    const ready = this.#open.has(path) ? at : this.#readyAt(path);
    if (ready < at) this.spans.push({ path, kind: 'waited', attempt, life: this.#life, from: ready, to: at });
    this.#begin(path, 'ran', attempt, at);
  }

  /**
   * The moment from which on the step could have begun: everything that it reads had ended, or what it stands in had begun. What it
   * reads is only known of a declared step; any other one may have read what ended before it beside it.
   */
  #readyAt(path: string): number {
    let ready = this.#lifeBegan;
    for (const above of pathsAbove(path, this.#attempts))
      ready = Math.max(ready, this.#open.get(above)?.from ?? 0);
    for (const source of this.#sources.get(path) ?? [levelOf(path)])
      ready = Math.max(ready, this.#ends.get(source) ?? 0);
    return ready;
  }

  /** At the end of a life only questions go on; what still ran was stopped. */
  #rest(at: number, isSuspended: boolean): void {
    for (const [path, span] of this.#open) if (!isSuspended || span.kind !== 'asked') this.#close(path, at);
  }

  #begin(path: string, kind: SpanKind, attempt: number, at: number): void {
    this.#close(path, at);
    const span: OpenSpan = { path, kind, attempt, life: this.#life, from: at, to: undefined };
    this.#open.set(path, span);
    this.spans.push(span);
  }

  #close(path: string, at: number): void {
    const span = this.#open.get(path);
    if (span === undefined) return;
    span.to = at;
    this.#open.delete(path);
  }
}

/** Names the steps beside this one, apart from the others of items: those do not read one another. No step is called so. */
function levelOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
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
    const known = steps.get(path) ?? { from, to: end };
    steps.set(path, { path, from: Math.min(known.from, from), to: Math.max(known.to, end) });
  }
  // The nearest step above that has a time of its own; the empty path for the run.
  const groups = new Map<string, Stretch[]>();
  for (const step of steps.values()) {
    const group = pathsAbove(step.path, steps).find((above) => steps.has(above)) ?? '';
    addTo(groups, group, step);
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

/** The first of those that ended last. */
function latest(steps: readonly Stretch[]): Stretch | undefined {
  return [...steps].sort((a, b) => b.to - a.to)[0];
}

function addTo<T>(groups: Map<string, T[]>, name: string, member: T): void {
  const members = groups.get(name) ?? [];
  groups.set(name, members);
  members.push(member);
}

/** For each declared step the paths that it reads; the text of a source may be an adaptor around several. */
function sourcesOf(plan: Plan): Map<string, readonly string[]> {
  const below = new Map<string, PlanStep[]>();
  for (const step of plan) addTo(below, levelOf(step.path), step);
  const sources = new Map<string, readonly string[]>();
  for (const [level, siblings] of below) {
    const ids = new Map(siblings.map(({ path }) => [path.slice(level.length), path]));
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
