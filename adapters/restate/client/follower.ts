import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { Definition } from '../../../lib/definition/definition';
import { decodedOutput, planOf } from '../../../lib/definition/definition';
import { Transitions } from '../../../lib/engine/transitions';
import type { RunEvent, Transition } from '../../../lib/model/event';
import { isJournaled } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { idleState, withStored } from '../../../lib/model/state';
import type { CallEvent, SideEvent, WireEvent } from '../protocol/protocol';
import { callText, isOfNested } from '../protocol/wireEvent';

/** Puts what is told of a life in order again and scans it. */
export interface Follower<O> {
  /** Events of the life from this position on. */
  events(from: number, events: readonly WireEvent[]): void;
  parts(parts: readonly SideEvent[]): void;
  state(): RunState<O>;
}

/**
 * Events of the journal come in the order of their positions, each once, however often it is told. What was told beside it
 * goes where it belongs: behind the start of its call, and before its end.
 *
 * @param base - How the run stands before this life; a fork tells it with its first event.
 */
export function follower<O>(
  base: RunState<O>,
  definition: Definition,
  tell: (transition: Transition<O>) => void,
): Follower<O> {
  return new LifeFollower(base, definition, tell);
}

class LifeFollower<O> implements Follower<O> {
  readonly #base: RunState<O>;
  readonly #definition: Definition;
  readonly #tell: (transition: Transition<O>) => void;
  #transitions: Transitions<O>;
  #seq: number;
  /** Events of the journal that came before one in front of them, by their positions. */
  readonly #early = new Map<number, WireEvent>();
  /** Position of the next event of the journal. */
  #next = 0;
  /** Keys of what was told beside the journal and has come. */
  readonly #heard = new Set<string>();
  /** What was told of calls whose start has not come yet. */
  readonly #held = new Map<string, CallEvent[]>();
  /** The call that is under way at each path. */
  readonly #running = new Map<string, string>();
  /** Calls whose end has come. */
  readonly #ended = new Set<string>();

  constructor(base: RunState<O>, definition: Definition, tell: (transition: Transition<O>) => void) {
    this.#base = base;
    this.#definition = definition;
    this.#tell = tell;
    this.#transitions = new Transitions(base);
    this.#seq = base.seq;
  }

  events(from: number, events: readonly WireEvent[]): void {
    events.forEach((event, offset) => {
      if (from + offset >= this.#next) this.#early.set(from + offset, event);
    });
    for (let event = this.#early.get(this.#next); event !== undefined; event = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      this.#next += 1;
      this.#take(event);
    }
  }

  parts(parts: readonly SideEvent[]): void {
    for (const part of parts) {
      if ('index' in part) this.events(part.index, [part.event]);
      else if (!this.#heard.has(part.key)) {
        this.#heard.add(part.key);
        this.#hear(part);
      }
    }
  }

  state(): RunState<O> {
    return this.#transitions.state();
  }

  #take(event: WireEvent): void {
    const { runId, status } = this.#base;
    if ('path' in event && ENDS.has(event.type)) {
      this.#ended.add(this.#running.get(event.path) ?? '');
      this.#running.delete(event.path);
    }
    // What the lives before it have left, if anything, is not what it begins with.
    if (event.type === 'run.started' && status !== 'IDLE')
      this.#transitions = new Transitions(idleState(runId, this.#definition.name, planOf(this.#definition)));
    if (event.type === 'run.resumed' && event.seed !== undefined) this.#begin(event);
    else this.#show(event);
    if (event.type !== 'step.started') return;
    const call = callText(event);
    this.#running.set(event.path, call);
    for (const extra of this.#held.get(call) ?? []) this.#show(extra.event);
    this.#held.delete(call);
  }

  #hear(part: CallEvent): void {
    const call = callText(part.under);
    const current = this.#running.get(part.under.path);
    // Of a call that was stopped more may come than its end waits for, and the next life knows it.
    const isLate = current === undefined && this.#ended.has(call) && isOfNested(part);
    if (current === call || isLate) {
      this.#show(part.event);
      return;
    }
    const others = this.#held.get(call);
    if (others === undefined) this.#held.set(call, [part]);
    else others.push(part);
  }

  #begin({ seed, ...told }: Extract<WireEvent, { type: 'run.resumed' }>): void {
    const before = validate(StateCodec, seed, `state of run "${this.#base.runId}"`) as RunState<O>;
    this.#transitions = new Transitions(before);
    this.#seq = before.seq;
    this.#show(told);
  }

  #show(told: WireEvent): void {
    if (isJournaled(told as RunEvent)) this.#seq += 1;
    // Not `{ ...told, runId, seq }`: to put more behind what is spread takes V8 ten times as long.
    const numbers = { runId: this.#base.runId, seq: this.#seq };
    // And again behind it: what was told beside the journal has a number of its worker.
    const event = Object.assign({ type: told.type, ...numbers }, told, numbers) as RunEvent;
    this.#tell(this.#transitions.next(liveEvent(event, this.#definition)));
  }
}

const ENDS: ReadonlySet<RunEvent['type']> = new Set([
  'step.completed',
  'step.failed',
  'step.retrying',
  'step.cancelled',
  'step.skipped',
]);

/** The beginning of a run carries its plan, and its end the output as it is used, not as it is saved. */
function liveEvent(event: RunEvent, definition: Definition): RunEvent {
  if (event.type === 'run.started') return { ...event, plan: planOf(definition) };
  if (event.type !== 'run.completed') return event;
  const output = decodedOutput(definition, event.output, event.givenBy);
  return withStored({ ...event, output }, event.output);
}
