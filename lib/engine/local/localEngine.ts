import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import type { Decided } from '../../definition/scope';
import { NoRunError } from '../../errors/runErrors';
import type { RunEvent, Transition } from '../../model/event';
import { reduceRunAll } from '../../model/reduce';
import type { RunState } from '../../model/state';
import type { AnswerCache } from '../../store/answerCache';
import type { Claim } from '../../store/store';
import { isStream, pullFrom } from '../../streams/pull';
import type { Engine } from '../engine';
import { transitionsFrom } from '../transitions';
import { hashOf, memorizeIn, recallFrom } from './cachedAnswers';
import { callFunction } from './callFunction';
import { admitTo } from './limiter';
import type { Mailbox } from './mailbox';
import { after } from './startTimer';

/** What the engine of this process needs for one life of a run. */
export interface LocalOptions<O> {
  readonly claim: Claim;
  /** How the run stands before this life. */
  readonly state: RunState<O>;
  readonly scheduler: SchedulerLike | undefined;
  /** Where answers from outside come from; absent in a plain pipe. */
  readonly mailbox?: Mailbox;
  /** Hears every transition, one at a time and in order. */
  readonly tell?: (transition: Transition<O>) => void;
  /** Hears every event instead, where nobody is shown a state: no transition is made then. */
  readonly tellEvent?: (event: RunEvent) => void;
  /** The store can no longer be written to. */
  readonly broken: (error: unknown) => void;
}

/** The engine in this process. */
export interface LocalEngine<O> extends Engine {
  /** The state after everything that was told. */
  state(): RunState<O>;
  /** From here on nothing is told any more; `state()` then is the state after everything that was written down. */
  close(): void;
}

interface Entry {
  readonly event: RunEvent;
  readonly then: (() => void) | undefined;
  isDurable: boolean;
}

/**
 * Carries out runs in this process. It adds no turn of the event loop of its own: with synchronous agents and a store
 * that answers at once, a run begins and ends within `subscribe`.
 *
 * Events are told in the order in which they were written down; one that is not durable yet holds back those behind it,
 * never the work itself.
 */
export function localEngine<O>(options: LocalOptions<O>): LocalEngine<O> {
  const { claim, tellEvent } = options;
  const scheduler = options.scheduler ?? asyncScheduler;
  const steady = options.scheduler === undefined ? performance : scheduler;
  const transitions = transitionsFrom(options.state);
  const tell =
    tellEvent === undefined
      ? (event: RunEvent): void => options.tell?.(transitions.next(event))
      : (event: RunEvent): void => {
          transitions.pass(event);
          tellEvent(event);
        };
  const { runId } = options.state;
  const waiting: Entry[] = [];
  let isTelling = false;
  let isClosed = false;

  // A function, because the compiler does not see that what is told may bring more.
  const isDue = (): boolean => waiting.length > 0;

  /** Tells what is due. Reactions come afterwards, so that they meet a stream that is up to date. */
  function deliver(): void {
    if (isTelling) return;
    const reactions: (() => void)[] = [];
    isTelling = true;
    try {
      while (waiting[0]?.isDurable === true && !isClosed) {
        const { event, then } = waiting.shift() as Entry;
        tell(event);
        if (then !== undefined) reactions.push(then);
      }
    } finally {
      isTelling = false;
    }
    for (const react of reactions) react();
  }

  function enqueue(event: RunEvent, then: (() => void) | undefined, durable: void | Promise<void>): void {
    if (durable === undefined && waiting.length === 0 && !isTelling) {
      isTelling = true;
      try {
        tell(event);
      } finally {
        isTelling = false;
      }
      then?.();
      if (isDue()) deliver();
      return;
    }
    const entry: Entry = { event, then, isDurable: durable === undefined };
    waiting.push(entry);
    if (durable === undefined) deliver();
    else {
      durable.then(
        () => {
          entry.isDurable = true;
          deliver();
        },
        (error: unknown) => {
          if (!isClosed) options.broken(error);
        },
      );
    }
  }

  function written(write: () => void | Promise<void>, event: RunEvent, then: (() => void) | undefined): void {
    if (isClosed) return;
    let durable: void | Promise<void>;
    try {
      durable = write();
    } catch (error) {
      options.broken(error);
      return;
    }
    enqueue(event, then, durable);
  }

  return {
    ...answeredHere(claim.cache, scheduler),
    elapsed: () => steady.now(),
    record(event, then, stored = event) {
      written(() => claim.append(stored), event, then);
    },
    note(event) {
      written(
        () => {
          claim.note(event);
        },
        event,
        undefined,
      );
    },
    tell(event) {
      if (!isClosed) enqueue(event, undefined, undefined);
    },
    steps: () =>
      reduceRunAll(
        transitions.state(),
        waiting.map(({ event }) => event),
      ).steps,
    keep: (value, path) => (claim.checksValues ? jsonValue(value, path) : value),
    hash: (value) => (claim.checksValues && !isStream(value) ? hashOf(value) : undefined),
    call: (task, input, callbacks) => callFunction(runId, task, input, callbacks, scheduler),
    signal(path, answered) {
      if (options.mailbox === undefined) throw new NoRunError(path);
      return options.mailbox.hear(path, answered);
    },
    unheard: () => options.mailbox?.unheard() ?? [],
    pull: pullFrom,
    state: () => transitions.state(),
    close() {
      isClosed = true;
      for (const { event } of waiting.splice(0)) transitions.pass(event);
    },
  };
}

type AnsweredHere = Required<Pick<Engine, 'now' | 'admit' | 'recall' | 'memorize' | 'decide' | 'sleep'>>;

/**
 * What an engine that carries out steps in this process answers by itself: limits count here, decisions are made at once,
 * and waiting is a timer.
 *
 * @param cache - Where answers rest that others may use; without it nobody's is known.
 */
export function answeredHere(cache: AnswerCache | undefined, scheduler: SchedulerLike): AnsweredHere {
  return {
    now: () => scheduler.now(),
    admit: (limit, { input }, enter) => admitTo(limit, input, scheduler, enter),
    recall(task, answer) {
      recallFrom(cache, task, scheduler.now(), answer);
    },
    memorize(task, known) {
      memorizeIn(cache, task, scheduler.now(), known);
    },
    decide(_path, _question, decision, answer) {
      answer(decided(decision));
    },
    sleep: (_path, delayMs, wake) => after(scheduler, delayMs, wake),
  };
}

function decided<T>(decision: () => T): Decided<T> {
  try {
    return { ok: true, value: decision() };
  } catch (error) {
    return { ok: false, error };
  }
}
