import type { OperatorFunction, Subscriber } from 'rxjs';
import { asyncScheduler, catchError, defer, EMPTY, finalize, Observable, of, tap } from 'rxjs';

import { reportUnheard, startTimer } from '../../lib/engine/local/startTimer';
import { fittingRunId, newRunId } from '../../lib/engine/newRunId';
import type { MaybeWhere, RunOptions, RunSettings } from '../../lib/engine/runOptions';
import { RunError } from '../../lib/errors/runErrors';
import { checkRunId, RunActiveError } from '../../lib/errors/storageErrors';
import type { Agent } from '../../lib/model/agentType';
import type { RunFailed, Transition } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import { InvalidArgumentError, toFailure } from '../../lib/model/failure';
import { idleState } from '../../lib/model/state';
import { onAbort } from '../../lib/streams/onAbort';
import { pullMap } from '../../lib/streams/pullMap';
import type { StreamItem } from '../../lib/streams/streamItem';
import { currentItem, withItem } from '../../lib/streams/streamItem';
import { markInputError, markLastFailure, markOneOfMany } from './outcomes';
import { pulled } from './pulled';
import type { RunArguments } from './run';
import { run } from './run';

/** What happens to an input that comes while others are under way. */
export type WhenBusy =
  /** It runs beside them, as far as `concurrency` goes; then it waits. */
  | 'merge'
  /** It waits until they are done. */
  | 'concat'
  /** It takes their place: they are cancelled, and tell so. */
  | 'switch'
  /** It is dropped. */
  | 'exhaust';

/** How a stream of inputs is run. */
export type RunEachOptions<I> = Omit<RunSettings, 'runId'> & MaybeWhere & RunsOfInputs<I>;

/** Which runs a stream of inputs makes. */
export interface RunsOfInputs<I> {
  /** Names the run of an input; a new ULID when left out. */
  readonly runId?: (input: I, index: number) => string;
  /** `merge` when left out. */
  readonly whenBusy?: WhenBusy;
  /** How many runs are under way at once with `merge`; 16 when left out. */
  readonly concurrency?: number;
  /**
   * Behind `fromOffset`: which runs the store keeps once the offset has passed their input; those that wait or can be resumed stay in
   * any case. `all` when left out.
   */
  readonly keep?: 'all' | 'failed' | 'none';
  /**
   * How often a run that failed is resumed before its failure counts, and after how many milliseconds. A failure that is not retryable
   * counts at once.
   */
  readonly retry?: number | { readonly count: number; readonly delayMs?: number };
}

/**
 * Runs an agent on every input of a stream: many runs at once, bounded, their transitions merged as they come.
 *
 * From `pulled(iterable)` an input is taken only when there is room for its run. A run that fails tells `run.failed` and harms
 * no other. An input whose name belongs to a run that is under way is refused under a name of its own: a `run.failed` with a
 * `RunActiveError`. An error of the inputs themselves errors the stream, once every run of the inputs before it has ended.
 * RxJS's `retry()` behind this operator would run all inputs again; the option `retry` resumes one run by itself.
 *
 * Behind `fromOffset` a run is named after its item when `runId` is left out, and an input counts as handled when its run has completed,
 * waits for an answer, or was cancelled; one that has failed for good goes to `onFailed`.
 *
 * @throws InvalidArgumentError when `concurrency` is not at least 1, or `retry` is not a number of times and of milliseconds.
 */
export function runEach<I, O>(
  agent: Agent<I, O>,
  options: RunEachOptions<I> = {},
): OperatorFunction<I, Transition<O>> {
  const { whenBusy = 'merge', concurrency = 16 } = options;
  if (!(concurrency >= 1))
    throw new InvalidArgumentError(`concurrency is ${String(concurrency)}`, 'give 1 or more');
  const runs = new Runs(agent, options);
  switch (whenBusy) {
    case 'merge':
      return pullMap(runs.begin, concurrency, markInputError);
    case 'concat':
      return pullMap(runs.begin, 1, markInputError);
    case 'exhaust':
      return (inputs) => defer(() => inputs.pipe(pullMap(whenFree(runs.begin), Infinity, markInputError)));
    case 'switch':
      return (inputs) =>
        defer(() => {
          const latest = new LatestRun(runs, options.signal);
          return inputs.pipe(pullMap(latest.begin, Infinity, markInputError));
        });
  }
}

/** The runs of a stream of inputs, none of which errors. */
class Runs<I, O> {
  readonly #agent: Agent<I, O>;
  readonly #options: RunSettings & MaybeWhere;
  readonly #nameOf: (input: I, index: number) => string;
  readonly #keep: 'all' | 'failed' | 'none';
  readonly #resumes: { readonly count: number; readonly delayMs: number };

  constructor(agent: Agent<I, O>, options: RunEachOptions<I>) {
    const {
      runId,
      retry = 0,
      keep = 'all',
      whenBusy: _whenBusy,
      concurrency: _concurrency,
      ...rest
    } = options;
    const newId = rest.newRunId ?? newRunId;
    this.#agent = agent;
    this.#options = rest;
    this.#keep = keep;
    const itemName = (): string | undefined => {
      const name = currentItem()?.nameFor(agent.name);
      return name && fittingRunId(name);
    };
    this.#nameOf = (input, index) => runId?.(input, index) ?? itemName() ?? newId();
    this.#resumes = { delayMs: 0, ...(typeof retry === 'number' ? { count: retry } : retry) };
    const { count, delayMs } = this.#resumes;
    if (!(count >= 0)) throw new InvalidArgumentError(`retry is ${String(count)}`, 'give a number of times');
    if (!(delayMs >= 0 && delayMs < Infinity))
      throw new InvalidArgumentError(`retry.delayMs is ${String(delayMs)}`, 'give milliseconds');
  }

  /** The run of an input. */
  readonly begin = (input: I, index: number): Observable<Transition<O>> =>
    defer(() => {
      const named = this.name(input, index);
      return typeof named === 'string' ? this.start(input, named, this.#options.signal) : of(named);
    });

  /** How the run of an input is called; what to tell where that cannot be said, or is no name. */
  name(input: I, index: number): string | Transition<O> {
    try {
      const name: unknown = this.#nameOf(input, index);
      checkRunId(name);
      return name;
    } catch (error) {
      currentItem()?.fail(input, error);
      return this.#notBegun(newRunId(), error, input);
    }
  }

  start(input: I, runId: string, signal: AbortSignal | undefined): Observable<Transition<O>> {
    const { count } = this.#resumes;
    const options = { ...this.#options, runId, ...(signal !== undefined && { signal }) };
    const given = [input, options] as unknown as RunArguments<I, RunOptions>;
    const item = currentItem();
    let hasFailed = false;
    const isLast = (index: number, { retryable }: Failure): boolean => index >= count || !retryable;
    // One for all lives: without a store it is what keeps the run.
    const carried = run(this.#agent, ...given);
    const life = (index: number): Observable<Transition<O>> =>
      carried.pipe(
        tap(({ event }) => {
          if (event.type === 'run.failed' && isLast(index, event.error)) markLastFailure(event);
          if (event.type === 'run.suspended' || event.type === 'run.cancelled') markOneOfMany(event);
          if (event.type === 'run.completed' && this.#keep !== 'all') this.#forgetLater(item, runId);
        }),
        catchError((error: unknown) => {
          if (error instanceof RunError && !isLast(index, error.failure)) {
            hasFailed = true;
            return this.#pause(signal);
          }
          if (error instanceof RunError && this.#keep === 'none') this.#forgetLater(item, runId);
          item?.fail(input, error);
          return error instanceof RunError ? EMPTY : of(this.#notBegun(runId, error, input));
        }),
      );
    if (count === 0) return life(0);
    function* lives(): Iterable<number> {
      for (let index = 0; index === 0 || hasFailed; index += 1) {
        hasFailed = false;
        yield index;
        if (index >= count) return;
      }
    }
    return pulled(lives()).pipe(pullMap(life, 1));
  }

  /** The offset has passed the input of this run: nobody asks for it again. */
  #forgetLater(item: StreamItem | undefined, runId: string): void {
    const { store } = this.#options;
    if (store === undefined) return;
    item?.onKept(() => {
      // What it has asked may be asked again by later items.
      store.deleteRun(runId, { cache: false }).catch(reportUnheard);
    });
  }

  /** What is told of an input that gave way before its run could begin. */
  superseded(input: I): Transition<O> {
    const runId = newRunId();
    const reason = 'a later input took its place';
    const event = { type: 'run.cancelled', runId, seq: 0, at: this.#now(), duration: 0, reason } as const;
    markOneOfMany(event);
    return {
      event,
      state: { ...idleState(runId, this.#agent.name, []), status: 'CANCELLED', input, endedAt: event.at },
    };
  }

  /** What is told of a run that could not be carried out at all, such as one whose store is full. */
  #notBegun(runId: string, thrown: unknown, input: unknown): Transition<O> {
    const error = toFailure(thrown);
    // Another one has that name: what happens to this input must not be told of that run.
    const id = thrown instanceof RunActiveError ? newRunId() : runId;
    const event: RunFailed = { type: 'run.failed', runId: id, seq: 0, at: this.#now(), error, duration: 0 };
    markLastFailure(event);
    return {
      event,
      state: { ...idleState(id, this.#agent.name, []), status: 'FAILED', input, error, endedAt: event.at },
    };
  }

  /** A run that is cancelled while it waits to be resumed is resumed at once, and told to stop. */
  #pause(signal: AbortSignal | undefined): Observable<never> {
    const { delayMs } = this.#resumes;
    if (delayMs === 0) return EMPTY;
    return new Observable((subscriber) => {
      const end = (): void => {
        subscriber.complete();
      };
      subscriber.add(startTimer(this.#options.scheduler ?? asyncScheduler, delayMs, end));
      if (signal !== undefined) subscriber.add(onAbort(signal, end));
    });
  }

  #now(): number {
    return (this.#options.scheduler ?? asyncScheduler).now();
  }
}

/** Drops what comes while one is under way; the index counts those that begin. */
function whenFree<I, O>(begin: (input: I, index: number) => Observable<O>): (input: I) => Observable<O> {
  let isBusy = false;
  let begun = 0;
  return (input) => {
    if (isBusy) return EMPTY;
    isBusy = true;
    return begin(input, begun++).pipe(
      finalize(() => {
        isBusy = false;
      }),
    );
  };
}

/**
 * The run of the latest input: what is under way when an input comes is cancelled. Where that one has the same name, the
 * new one waits until it has gone back.
 */
class LatestRun<I, O> {
  readonly #runs: Runs<I, O>;
  readonly #signal: AbortSignal | undefined;
  /** The runs that have not ended, by name, with the one that waits for it. */
  readonly #underWay = new Map<string, { next: (() => void) | undefined }>();
  #latest: AbortController | undefined;

  constructor(runs: Runs<I, O>, signal: AbortSignal | undefined) {
    this.#runs = runs;
    this.#signal = signal;
  }

  readonly begin = (input: I, index: number): Observable<Transition<O>> =>
    new Observable((subscriber) => {
      const { signal } = this.#giveWay(subscriber);
      const named = this.#runs.name(input, index);
      if (typeof named !== 'string') {
        subscriber.next(named);
        subscriber.complete();
        return;
      }
      const before = this.#underWay.get(named);
      const item = currentItem();
      const start = (): void => {
        withItem(item, () => {
          this.#start(input, named, signal, subscriber);
        });
      };
      if (before === undefined) {
        start();
        return;
      }
      before.next = start;
      const giveUp = onAbort(signal, () => {
        if (before.next !== start) return;
        before.next = undefined;
        subscriber.next(this.#runs.superseded(input));
        subscriber.complete();
      });
      subscriber.add(giveUp);
    });

  /** Cancels the one before. What comes back cancels the new one. */
  #giveWay(subscriber: Subscriber<unknown>): AbortController {
    this.#latest?.abort();
    const own = new AbortController();
    this.#latest = own;
    const all = this.#signal;
    if (all !== undefined) {
      // Not AbortSignal.any: a long signal would remember every run.
      const abort = (): void => {
        own.abort(all.reason);
      };
      subscriber.add(onAbort(all, abort));
    }
    return own;
  }

  #start(input: I, runId: string, signal: AbortSignal, subscriber: Subscriber<Transition<O>>): void {
    const place: { next: (() => void) | undefined } = { next: undefined };
    this.#underWay.set(runId, place);
    let hasEnded = false;
    this.#runs
      .start(input, runId, signal)
      .pipe(
        tap({
          complete: () => {
            hasEnded = true;
          },
        }),
        finalize(() => {
          this.#underWay.delete(runId);
          if (hasEnded) place.next?.();
        }),
      )
      .subscribe(subscriber);
  }
}
