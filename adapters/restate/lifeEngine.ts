import type { InvocationId, RestatePromise, WorkflowContext } from '@restatedev/restate-sdk';
import { CancelledError } from '@restatedev/restate-sdk';

import { jsonValue } from '../../lib/codec/json';
import type { Stop } from '../../lib/graph/answer';
import type { CallCallbacks, Engine } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import type { RunEvent } from '../../lib/model/event';
import type { RunState } from '../../lib/model/state';
import type { AnswerCache } from '../../lib/store/answerCache';
import { hashOf } from '../../operators/engineKit';
import { arrivals } from './arrivals';
import type { Recorded } from './decision';
import { decided, revived } from './decision';
import { inboxOf } from './inbox';
import { lifeFacts } from './lifeFacts';
import { LARGEST_VALUE, MOST_STEPS } from './limits';
import type { CallResult, GivenAnswer } from './protocol';
import { sharedPolicies } from './sharedPolicies';
import { takeIn } from './takeIn';
import { TooManyStepsError } from './tooManyStepsError';

/** How the function of a task is called: in this process, or as an invocation of its own. */
export interface Placed {
  /** The answer, as the journal will give it. */
  readonly result: RestatePromise<CallResult>;
  readonly stop: Stop;
  /** How to feed partial results that were recorded to those who read them live, when the call is not made again. */
  readonly replay?: (result: CallResult) => void;
}

/** The engine of one life of a run, inside the handler that carries it out. */
export interface LifeEngine extends Engine {
  /** Everything told so far, in order. */
  readonly events: readonly RunEvent[];
  /** Waits for the next answer from the journal and hands it on. False when the run was cancelled. */
  turn(): Promise<boolean>;
  /** Answers that nobody has used. */
  unused(): readonly GivenAnswer[];
  /** Position of the first message that was not read. */
  read(): number;
  /** Cancels an invocation: in the next turn, or at the latest with `cancelAbandoned`. */
  abandon(id: Promise<InvocationId>): void;
  /** Cancels what is still to be cancelled when no turn comes any more. */
  cancelAbandoned(): Promise<void>;
  /** How the run stands after everything told so far. */
  state(): RunState;
  /** Gives room to others in what is limited: the life goes on elsewhere, or is over. */
  leave(): void;
  /** How many batches of parts there are at least. */
  told(): number;
  /** Epoch milliseconds of the latest answer, by the journal. */
  clock(): number;
}

/** What a life begins with, and what it needs of its worker. */
export interface LifeEngineOptions {
  readonly context: WorkflowContext;
  readonly state: RunState;
  /** Epoch milliseconds at which the life begins. */
  readonly at: number;
  readonly answers: readonly GivenAnswer[];
  /** What other runs have left behind for steps that ask the same. */
  readonly cache: AnswerCache;
  readonly place: (task: StepTask, input: unknown, callbacks: CallCallbacks) => Placed;
}

/**
 * Answers the questions of the interpreter from the journal, one at a time and in journaled order. Time is what the
 * journal says: it stands still between two answers, and a replay sees the same.
 */
export function lifeEngine(options: LifeEngineOptions): LifeEngine {
  const { context, place } = options;
  const { runId } = options.state;
  const facts = lifeFacts(options.state);
  const { expect, next } = arrivals();
  const abandoned: Promise<InvocationId>[] = [];
  let clock = options.at;
  let steps = 0;
  let told = 0;
  let isFeeding = false;
  let feeding: CallCallbacks | undefined;

  const advance = (at: number): void => {
    clock = Math.max(clock, at);
  };

  const inbox = inboxOf(context, options.answers, expect);
  const shared = sharedPolicies({ context, cache: options.cache, now: () => clock, expect });

  /** Hands partial results on to those who read them live; one object, because a life has one set of callbacks. */
  const feedingOf = (callbacks: CallCallbacks): CallCallbacks =>
    (feeding ??= {
      ...callbacks,
      emit(fed, partial) {
        isFeeding = true;
        try {
          return callbacks.emit(fed, partial);
        } finally {
          isFeeding = false;
        }
      },
    });

  const cancelCalls = async (): Promise<void> => {
    for (const id of abandoned.splice(0)) context.cancel(await id);
  };

  return {
    events: facts.events,
    now: () => clock,
    elapsed: () => clock,
    record(event, then, stored = event) {
      facts.add(stored);
      then();
    },
    note(event) {
      facts.add(event);
    },
    tell(event) {
      // A call tells its partial results itself, beside the journal; here they only go to those who read them live.
      if (!isFeeding || event.type !== 'step.emitted') facts.add(tellable(event));
    },
    steps: () => facts.state().steps,
    keep: (value, path) => jsonValue(value, path, { bytes: LARGEST_VALUE }),
    hash: hashOf,
    call(task, input, callbacks) {
      steps += 1;
      if (steps > MOST_STEPS) throw new TooManyStepsError(runId, MOST_STEPS);
      const { result, stop, replay } = place(task, input, feedingOf(callbacks));
      const forget = expect(result, (value, failure) => {
        if (failure !== undefined) {
          callbacks.fail(task, failure);
          return;
        }
        const call = value as CallResult;
        advance(call.at);
        told = Math.max(told, call.told ?? 0);
        for (const event of call.tail ?? []) facts.add(event);
        for (const step of call.below ?? []) facts.addBelow(step, clock);
        replay?.(call);
        takeIn(task, call, callbacks);
      });
      return () => {
        forget();
        stop();
      };
    },
    admit: shared.admit,
    recall: shared.recall,
    memorize: shared.memorize,
    decide(path, question, decision, answer) {
      expect(
        context.run(`${path} ${question}`, () => decided(decision), { maxRetryAttempts: 1 }),
        (value, failure) => {
          answer(
            failure === undefined ? revived(value as Recorded) : ({ ok: false, error: failure } as const),
          );
        },
      );
    },
    sleep(_path, delayMs, wake) {
      const due = clock + delayMs;
      return expect(context.sleep(Math.min(Math.ceil(delayMs), LONGEST_MS)), () => {
        advance(due);
        wake();
      });
    },
    signal: (path, answered) => inbox.signal(path, answered),
    unheard: () => inbox.unheard(),
    async turn() {
      try {
        await cancelCalls();
        await next();
      } catch (error) {
        if (!(error instanceof CancelledError)) throw error;
        return false;
      }
      return true;
    },
    unused: () => inbox.unused(),
    read: () => inbox.read(),
    abandon(id) {
      abandoned.push(id);
    },
    async cancelAbandoned() {
      try {
        await cancelCalls();
      } catch (error) {
        // Whoever cancels a life cancels its calls.
        if (!(error instanceof CancelledError)) throw error;
      }
    },
    state: () => facts.state(),
    leave() {
      shared.leave();
    },
    told: () => told,
    clock: () => clock,
  };
}

// A hundred years.
const LONGEST_MS = 3_155_760_000_000;

/** With the details of a log entry made, because functions cannot be told to another process. */
function tellable(event: RunEvent): RunEvent {
  return event.type === 'step.logged' && typeof event.data === 'function'
    ? { ...event, data: (event.data as () => object)() }
    : event;
}
