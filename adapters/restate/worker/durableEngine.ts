import type { InvocationId, RestatePromise, WorkflowContext } from '@restatedev/restate-sdk';
import { CancelledError } from '@restatedev/restate-sdk';

import { jsonValue } from '../../../lib/codec/jsonValue';
import { validate } from '../../../lib/codec/validate';
import type { Decided } from '../../../lib/definition/scope';
import type { CallCallbacks, Engine } from '../../../lib/engine/engine';
import { hashOf } from '../../../lib/engine/local/cachedAnswers';
import type { StepTask } from '../../../lib/engine/task';
import type { RunEvent } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import { reduceRunAll } from '../../../lib/model/reduce';
import type { RunState } from '../../../lib/model/state';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Stop } from '../../../lib/streams/pull';
import type { BelowStep, CallResult, GivenAnswer } from '../protocol/protocol';
import { RecordedError, recordedFailure } from '../protocol/wireFailure';
import { LARGEST_VALUE, MOST_STEPS } from '../protocol/wireLimits';
import { TooManyStepsError } from '../restateErrors';
import { inboxOf } from './inbox';
import { arrivals } from './journalRace';
import { sharedPolicies } from './sharedPolicies';

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

/** What has come to pass in one life of a run. */
export interface LifeFacts {
  /** Everything that is told, in order. */
  readonly events: readonly RunEvent[];
  add(event: RunEvent): void;
  /** A step that a function has asked for: told beside the journal, and counted here as if the journal had it. */
  addBelow(step: BelowStep, at: number): void;
  /** How the run stands after all that. */
  state(): RunState;
}

/** @param before - How the run stood when the life began. */
export function lifeFacts(before: RunState): LifeFacts {
  const { runId } = before;
  const events: RunEvent[] = [];
  const counted: RunEvent[] = [];
  let reduced = before;
  let reducedTo = 0;
  return {
    events,
    add(event) {
      events.push(event);
      counted.push(event);
    },
    addBelow({ path, agent, output }, at) {
      const base = { runId, seq: events.at(-1)?.seq ?? 0, at, path, agent, attempt: 1 };
      counted.push(
        { ...base, type: 'step.started' },
        { ...base, type: 'step.completed', output, duration: 0 },
      );
    },
    // Only computed when somebody asks, which most lives never do.
    state() {
      if (reducedTo < counted.length) reduced = reduceRunAll(reduced, counted.slice(reducedTo));
      reducedTo = counted.length;
      return reduced;
    },
  };
}

/** A decision as the journal keeps it. */
export type Recorded =
  { readonly ok: true; readonly value?: unknown } | { readonly ok: false; readonly failure: Failure };

/** Decides, in the form that the journal keeps. */
export function decided(decision: () => unknown): Recorded {
  try {
    return { ok: true, value: decision() };
  } catch (error) {
    return { ok: false, failure: recordedFailure(error) };
  }
}

/** A decision from the journal. */
export function revived<T>(recorded: Recorded): Decided<T> {
  return recorded.ok
    ? { ok: true, value: recorded.value as T }
    : { ok: false, error: new RecordedError(recorded.failure) };
}

/**
 * Hands what the journal says of a call to the interpreter, as if the function had just been called. Whoever stops a call
 * does not hear of it any more: one that was stopped and is still waited for has failed.
 */
export function takeIn(task: StepTask, call: CallResult, callbacks: CallCallbacks): void {
  task.partials = call.partials ?? 0;
  if (call.kept !== undefined) task.kept = [...call.kept];
  if (call.failedBelow !== undefined) task.failedBelow = [...(task.failedBelow ?? []), ...call.failedBelow];
  if (call.kind === 'failed') callbacks.fail(task, new RecordedError(call.failure));
  else if (call.kind === 'stopped') {
    callbacks.fail(task, new Error(`Step "${task.path}" was stopped, and nobody had asked for that`));
  } else {
    const { output: codec, name } = task.definition;
    try {
      callbacks.done(
        task,
        codec === undefined ? call.output : validate(codec, call.output, `saved output of agent "${name}"`),
      );
    } catch (error) {
      callbacks.fail(task, error);
    }
  }
}
