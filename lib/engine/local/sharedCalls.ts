import type { SchedulerLike } from 'rxjs';

import type { LimitPolicy } from '../../model/agentType';
import type { AnswerCache } from '../../store/answerCache';
import type { Stop } from '../../streams/pull';
import type { KnownAnswer, RecallCallbacks } from '../engine';
import type { LeaveCall, StepTask } from '../task';
import { isAbove } from '../task';
import { perClock } from './clocks';
import { startTimer } from './startTimer';

/** A step that looks for its answer in a cache. */
export interface Caller extends RecallCallbacks {
  readonly task: StepTask;
  /** Which run it belongs to. */
  readonly run: object;
}

/** Looks into the cache for an answer that this step may use. */
export type Look = () => KnownAnswer | undefined | Promise<KnownAnswer | undefined>;

/** What is under way for one key of a cache. */
interface Shared {
  readonly key: string;
  /** How many look into the cache right now: what they find may be older than the answer of a call. */
  looking: number;
  /** Whose call the others wait for. */
  leader: Caller | undefined;
  /** Each with what stops its own time limit. */
  readonly waiting: Map<Caller, Stop | undefined>;
  /** Steps at and below that of the leader that wait for the room of a limit, each with that limit. */
  readonly blocked: Map<StepTask, LimitPolicy>;
  /** The answer of the latest call as JSON, and which call that was. */
  text: string | undefined;
  /** What gave that answer, where it can be undone. */
  doneBy: string | undefined;
  calls: number;
  /** Whether that answer may not be in the cache yet. */
  isWriting: boolean;
}

/**
 * Makes one call of the steps of this process that ask the same at the same time: the first of them calls, and the others take
 * its answer.
 *
 * A failure is not shared: when the call fails for good, each of the others calls for itself, all at once, so that one bad
 * call does not line them up one behind the other. When whoever calls is stopped, the next one calls.
 */
export class SharedCalls {
  readonly #scheduler: SchedulerLike;
  readonly #shared = new Map<string, Shared>();
  readonly #byLeader = new WeakMap<StepTask, Shared>();

  constructor(scheduler: SchedulerLike) {
    this.#scheduler = scheduler;
  }

  /** Finds the answer in the cache, or waits for that of another step; with neither, the step calls. */
  recall(key: string, caller: Caller, look: Look): LeaveCall {
    const shared = this.#sharedOf(key);
    const { calls } = shared;
    let hasLeft = false;
    shared.looking += 1;
    const looked = (known: KnownAnswer | undefined): void => {
      shared.looking -= 1;
      if (!hasLeft) {
        if (known !== undefined) caller.answer(known);
        else this.#join(shared, caller, calls);
      }
      this.#tidy(shared);
    };
    const found = look();
    if (found instanceof Promise) void found.then(looked);
    else looked(found);
    return (hasFailed) => {
      if (hasLeft) return;
      hasLeft = true;
      this.#leave(shared, caller, hasFailed);
      this.#tidy(shared);
    };
  }

  /**
   * A step that called has its answer: the others get copies.
   *
   * @param isWritten - Settles once the cache has it.
   * @param doneBy - What gave the answer, for `forget`.
   */
  answered(task: StepTask, known: KnownAnswer, isWritten: void | Promise<void>, doneBy: string): void {
    const shared = this.#byLeader.get(task);
    if (shared === undefined) return;
    this.#byLeader.delete(task);
    const text = JSON.stringify(known);
    Object.assign(shared, { leader: undefined, text, doneBy, calls: shared.calls + 1 });
    if (isWritten !== undefined) {
      shared.isWriting = true;
      const written = (): void => {
        shared.isWriting = false;
        this.#tidy(shared);
      };
      isWritten.then(written, written);
    }
    for (const caller of this.#takeWaiting(shared)) caller.answer(copyFor(caller, text));
    this.#tidy(shared);
  }

  /** What this has done is being undone: nobody gets its answer any more, also while the cache still writes it down. */
  forget(doneBy: string): void {
    for (const shared of this.#shared.values()) if (shared.doneBy === doneBy) shared.text = undefined;
  }

  /** @param calls - How many calls had ended when the caller began to look. */
  #join(shared: Shared, caller: Caller, calls: number): void {
    const { leader, text } = shared;
    if (text !== undefined && (shared.isWriting || shared.calls > calls))
      caller.answer(copyFor(caller, text));
    else if (leader === undefined) this.#lead(shared, caller);
    // Waiting for a call that waits for this one would never end.
    else if (isAbove(leader.task, caller.task) || isInWay(caller, shared.blocked.values()))
      caller.answer(undefined);
    else this.#wait(shared, caller, leader);
  }

  /**
   * A step waits for the room of a limit. Whoever is in that room, and waits there for the call of the step or of one above it, would
   * wait for ever: such a caller calls for itself.
   *
   * @returns Says that the step waits no longer.
   */
  waitsForRoom(task: StepTask, limit: LimitPolicy): Stop {
    const held: Shared[] = [];
    for (let step: StepTask | undefined = task; step !== undefined; step = step.parent) {
      const shared = this.#byLeader.get(step);
      if (shared !== undefined) held.push(shared);
    }
    for (const shared of held) {
      shared.blocked.set(task, limit);
      for (const [caller, stopTimer] of [...shared.waiting]) {
        if (!isInWay(caller, [limit])) continue;
        stopTimer?.();
        shared.waiting.delete(caller);
        caller.answer(undefined);
      }
    }
    return () => {
      for (const { blocked } of held) blocked.delete(task);
    };
  }

  #lead(shared: Shared, caller: Caller): void {
    shared.leader = caller;
    shared.blocked.clear();
    this.#byLeader.set(caller.task, shared);
    caller.answer(undefined);
  }

  #wait(shared: Shared, caller: Caller, leader: Caller): void {
    const { timeoutMs } = caller.task.policy;
    const giveUp = (): void => {
      shared.waiting.delete(caller);
      caller.answer(undefined);
    };
    const isTimed = timeoutMs !== undefined && timeoutMs < Infinity;
    shared.waiting.set(caller, isTimed ? startTimer(this.#scheduler, timeoutMs, giveUp) : undefined);
    caller.waits(leader.run === caller.run);
  }

  #leave(shared: Shared, caller: Caller, hasFailed: boolean): void {
    if (shared.leader !== caller) {
      shared.waiting.get(caller)?.();
      shared.waiting.delete(caller);
      return;
    }
    shared.leader = undefined;
    this.#byLeader.delete(caller.task);
    if (hasFailed) for (const other of this.#takeWaiting(shared)) other.answer(undefined);
    else this.#promote(shared, caller);
  }

  /** The next one calls. */
  #promote(shared: Shared, before: Caller): void {
    const [first] = shared.waiting;
    if (first === undefined) return;
    const [next, stopTimer] = first;
    stopTimer?.();
    shared.waiting.delete(next);
    this.#lead(shared, next);
    if (next.run === before.run) return;
    for (const other of shared.waiting.keys()) other.waits(next.run === other.run);
  }

  #takeWaiting({ waiting }: Shared): readonly Caller[] {
    const callers = [...waiting.keys()];
    for (const stopTimer of waiting.values()) stopTimer?.();
    waiting.clear();
    return callers;
  }

  #sharedOf(key: string): Shared {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const shared: Shared = {
      key,
      looking: 0,
      leader: undefined,
      waiting: new Map(),
      blocked: new Map(),
      text: undefined,
      doneBy: undefined,
      calls: 0,
      isWriting: false,
    };
    this.#shared.set(key, shared);
    return shared;
  }

  #tidy({ key, looking, leader, waiting, isWriting }: Shared): void {
    if (looking === 0 && leader === undefined && waiting.size === 0 && !isWriting) this.#shared.delete(key);
  }
}

/** The calls that share this cache, on one clock. */
export function sharedCallsOf(cache: AnswerCache, scheduler: SchedulerLike): SharedCalls {
  return all(cache, scheduler);
}

const all = perClock<AnswerCache, SharedCalls>((_, scheduler) => new SharedCalls(scheduler));

/** Whoever must give partial results too calls for itself when there are none. */
function copyFor({ task }: Caller, text: string): KnownAnswer | undefined {
  const known = JSON.parse(text) as KnownAnswer;
  return task.policy.keepPartials === true && known.kept === undefined ? undefined : known;
}

/** Whether something above the step has been let in by one of these limits. */
function isInWay({ task }: Caller, limits: Iterable<LimitPolicy>): boolean {
  const wanted = new Set(limits);
  if (wanted.size === 0) return false;
  for (let room = task.parent?.room; room !== undefined; room = room.parent?.room)
    if (room.policy.limit !== undefined && wanted.has(room.policy.limit)) return true;
  return false;
}
