import { signal } from '@preact/signals-core';

import type { EventLine } from '../../adapters/http/contract';
import { StepTree } from '../../lib/history/stepTree';
import type { Span } from '../../lib/history/timeline';
import { criticalPath, Timeline } from '../../lib/history/timeline';
import type { RunEvent } from '../../lib/model/event';
import { reduceRunAll } from '../../lib/model/reduce';
import type { RunState } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import type { StepStatus } from '../../lib/model/stepResult';

/** So many events are folded between two frames at most. */
const MOST_A_FRAME = 4_000;
/** The state after every so many events is kept: no move of the slider folds more. */
const BETWEEN_STATES = 1_000;

/** A step with what the page knows of it besides its result. */
export interface PathNode {
  readonly path: string;
  /** The part of the path that is its own, such as `[3]`. */
  readonly name: string;
  readonly above: PathNode | undefined;
  readonly steps: PathNode[];
  /** Undefined where no step of this path has been told so far, as for `pages[3]` of `pages[3]/ocr`. */
  status: StepStatus | undefined;
  /** How many steps below it stand where. */
  readonly below: Record<StepStatus, number>;
  /** In the order in which they began. */
  readonly spans: Span[];
  /** The latest look at all steps that has met it. */
  turn: number;
}

const none = (): Record<StepStatus, number> => ({
  PENDING: 0,
  RUNNING: 0,
  SUSPENDED: 0,
  COMPLETED: 0,
  FAILED: 0,
  SKIPPED: 0,
});

/**
 * A run as its events come in: its state now and at any moment, its steps as a tree, its times.
 *
 * A class, because all of these grow together with every event.
 */
export class RunFold {
  /** Changes when there is something new to draw. */
  readonly version = signal(0);
  /** Whether all events that are there have been read. */
  readonly isCaughtUp = signal(false);
  readonly #lines: EventLine[] = [];
  readonly #states: RunState[];
  readonly #timeline = new Timeline();
  /** All nodes, in the order in which they were first named. */
  readonly #nodes: PathNode[] = [];
  readonly #tree = new StepTree<PathNode>(
    (path, name, above) => {
      const node = { path, name, above, steps: [], status: undefined, below: none(), spans: [], turn: 0 };
      this.#nodes.push(node);
      return node;
    },
    { get: (path) => this.#head.steps.get(path) },
  );
  #turn = 0;
  readonly #lifeStarts: number[] = [];
  #incoming: EventLine[] = [];
  #takenIn = 0;
  #isScheduled = false;
  #head: RunState;
  #shown: RunState;
  #shownAt: number | undefined;
  #spansKnown = 0;
  #critical: ReadonlySet<string> = new Set();
  #criticalOf = -1;
  #hasEnded = false;

  constructor(runId: string) {
    this.#head = idleState(runId, '', []);
    this.#shown = this.#head;
    this.#states = [this.#head];
  }

  /** How many events have been folded. */
  get size(): number {
    return this.#lines.length;
  }

  /** How many of them make up what is shown. */
  get at(): number {
    return Math.min(this.#shownAt ?? this.size, this.size);
  }

  /** Offset of the latest event that has come, folded or not. */
  get latestOffset(): number {
    return (this.#incoming.at(-1) ?? this.#lines.at(-1))?.offset ?? 0;
  }

  /** The run after all of its events. */
  get head(): RunState {
    return this.#head;
  }

  /** The run at the moment that is shown. */
  get state(): RunState {
    return this.#shown;
  }

  /** The steps at the moment that is shown. */
  get root(): PathNode {
    return this.#tree.root;
  }

  get spans(): readonly Span[] {
    return this.#timeline.spans;
  }

  /** When each life began, epoch milliseconds. */
  get lifeStarts(): readonly number[] {
    return this.#lifeStarts;
  }

  node(path: string): PathNode | undefined {
    return this.#tree.get(path);
  }

  /** The event of this number, counted from 1. */
  event(number: number): RunEvent | undefined {
    return this.#lines[number - 1]?.event;
  }

  line(number: number): EventLine | undefined {
    return this.#lines[number - 1];
  }

  /** Epoch milliseconds of the beginning and of the latest event. */
  range(): readonly [from: number, to: number] {
    const from = this.#lines[0]?.event.at ?? 0;
    return [
      Math.min(from, this.#head.startedAt === 0 ? from : this.#head.startedAt),
      this.#lines.at(-1)?.event.at ?? from,
    ];
  }

  /** Takes in what has come; it is folded with the next frame, at most 4,000 events at once. */
  add(lines: readonly EventLine[]): void {
    const latest = this.latestOffset;
    // After a reconnect a line may come twice.
    for (const line of lines) if (line.offset > latest) this.#incoming.push(line);
    this.#schedule();
  }

  /** All events that are there now have been handed in. */
  caughtUp(): void {
    this.#hasEnded = true;
    this.#schedule();
  }

  /** Folds all that has come, without waiting for frames. */
  flush(): void {
    while (this.#takenIn < this.#incoming.length) this.#foldSome();
    this.#told();
  }

  /** The state after so many events: a fold of at most 1,000 of them from a state that was kept. */
  stateAt(events: number): RunState {
    if (events >= this.size) return this.#head;
    const from = Math.floor(Math.max(0, events) / BETWEEN_STATES);
    const before = this.#states[from] ?? this.#head;
    return reduceRunAll(before, this.#events(from * BETWEEN_STATES, events));
  }

  /** Shows the run after so many events; undefined goes along with what comes. */
  show(events: number | undefined): void {
    const at = events !== undefined && events >= this.size && this.isCaughtUp.peek() ? undefined : events;
    if (at === this.#shownAt) return;
    this.#shownAt = at;
    this.#refresh(at === undefined ? this.#head : this.stateAt(at));
    this.version.value += 1;
  }

  /** The steps that the length of the run depends on; of what has come until it was last asked for. */
  critical(): ReadonlySet<string> {
    if (this.#criticalOf !== this.size) {
      this.#criticalOf = this.size;
      this.#critical = new Set(criticalPath(this.#head.plan, this.spans));
    }
    return this.#critical;
  }

  /** Numbers of the events that tell of a step, or of one below it. */
  eventsOf(path: string, most: number): number[] {
    const found: number[] = [];
    for (let number = this.at; number > 0 && found.length < most; number -= 1) {
      const event = this.event(number);
      if (event === undefined) continue;
      if (path === '' ? !('path' in event) || event.path === '' : 'path' in event && event.path === path)
        found.push(number);
    }
    return found.reverse();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const work = (): void => {
      this.#isScheduled = false;
      const hadWork = this.#takenIn < this.#incoming.length;
      this.#foldSome();
      if (this.#takenIn < this.#incoming.length) this.#schedule();
      else if (this.#hasEnded && !this.isCaughtUp.peek()) this.isCaughtUp.value = true;
      if (hadWork || this.#hasEnded) this.#told();
    };
    // A page in the background gets no frames.
    if (document.hidden) setTimeout(work, 50);
    else requestAnimationFrame(work);
  }

  #told(): void {
    this.version.value += 1;
  }

  #foldSome(): void {
    let budget = MOST_A_FRAME;
    while (budget > 0 && this.#takenIn < this.#incoming.length) {
      const room = BETWEEN_STATES - (this.#lines.length % BETWEEN_STATES);
      const lines = this.#incoming.slice(this.#takenIn, this.#takenIn + Math.min(room, budget));
      this.#takenIn += lines.length;
      budget -= lines.length;
      this.#foldLines(lines);
    }
    if (this.#takenIn === this.#incoming.length) {
      this.#incoming = [];
      this.#takenIn = 0;
    }
  }

  #foldLines(lines: readonly EventLine[]): void {
    const events = lines.map(({ event }) => event);
    for (const line of lines) this.#lines.push(line);
    this.#head = reduceRunAll(this.#head, events);
    if (this.#lines.length % BETWEEN_STATES === 0) this.#states.push(this.#head);
    for (const event of events) {
      this.#timeline.add(event);
      if (event.type === 'run.started' || event.type === 'run.resumed') this.#lifeStarts.push(event.at);
      if ('path' in event && event.path !== '' && event.type !== 'step.logged') this.#tree.add(event.path);
    }
    const { spans } = this.#timeline;
    for (; this.#spansKnown < spans.length; this.#spansKnown += 1) {
      const span = spans[this.#spansKnown];
      if (span !== undefined) this.#tree.add(span.path).spans.push(span);
    }
    if (this.#shownAt !== undefined) {
      // A moment that was asked for before its events had come.
      const before = this.#lines.length - lines.length;
      if (before < this.#shownAt) this.#refresh(this.stateAt(this.#shownAt));
      return;
    }
    if (events.every(touchesOne)) {
      this.#shown = this.#head;
      for (const event of events) if ('path' in event) this.#settle(event.path);
    } else this.#refresh(this.#head);
  }

  /** The step stands as the state says. */
  #settle(path: string): void {
    if (path === '') return;
    const node = this.#tree.add(path);
    this.#put(node, this.#head.steps.get(path)?.status);
  }

  #put(node: PathNode, status: StepStatus | undefined): void {
    const before = node.status;
    if (before === status) return;
    node.status = status;
    for (let { above } = node; above !== undefined; above = above.above) {
      if (before !== undefined) above.below[before] -= 1;
      if (status !== undefined) above.below[status] += 1;
    }
  }

  /** All steps stand as this state says; those that it does not have stand nowhere. */
  #refresh(state: RunState): void {
    this.#shown = state;
    this.#turn += 1;
    for (const { stepId, status } of state.steps) {
      const node = this.#tree.add(stepId);
      node.turn = this.#turn;
      this.#put(node, status);
    }
    for (const node of this.#nodes)
      if (node.turn !== this.#turn && node.status !== undefined) this.#put(node, undefined);
  }

  #events(from: number, to: number): RunEvent[] {
    return this.#lines.slice(from, to).map(({ event }) => event);
  }
}

/** Events after which only the step that they name stands otherwise than before. */
function touchesOne(event: RunEvent): boolean {
  switch (event.type) {
    case 'step.started':
      return event.dropped === undefined && event.caught === undefined;
    case 'step.retrying':
      return event.reset === undefined;
    case 'step.failed':
      return event.exposes === undefined;
    case 'step.completed':
    case 'step.emitted':
    case 'step.logged':
    case 'step.cancelled':
    case 'step.suspended':
    case 'step.answered':
    case 'step.skipped':
      return true;
    default:
      return false;
  }
}
