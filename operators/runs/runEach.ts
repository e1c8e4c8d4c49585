import type { Observable, OperatorFunction } from 'rxjs';
import {
  asyncScheduler,
  catchError,
  defer,
  EMPTY,
  exhaustMap,
  fromEvent,
  map,
  mergeMap,
  NEVER,
  of,
  raceWith,
  retry as resubscribe,
  tap,
  timer,
} from 'rxjs';

import { newRunId } from '../../lib/engine/newRunId';
import type { MaybeWhere, RunOptions, RunSettings } from '../../lib/engine/runOptions';
import { RunError } from '../../lib/errors/runErrors';
import type { Agent } from '../../lib/model/agentType';
import type { RunFailed, Transition } from '../../lib/model/event';
import { InvalidArgumentError, toFailure } from '../../lib/model/failure';
import { idleState } from '../../lib/model/state';
import { pullMap } from '../../lib/streams/pullMap';
import { markLastFailure } from './outcomes';
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
  /** How often a run that failed is resumed before its failure counts, and after how many milliseconds. */
  readonly retry?: number | { readonly count: number; readonly delayMs?: number };
}

/**
 * Runs an agent on every input of a stream: many runs at once, bounded, their transitions merged as they come.
 *
 * From `pulled(iterable)` an input is taken only when there is room for its run. A run that fails tells `run.failed` and harms
 * no other. RxJS's `retry()` behind this operator would run all inputs again; the option `retry` resumes one run by itself.
 *
 * @throws InvalidArgumentError when `concurrency` is not at least 1.
 */
export function runEach<I, O>(
  agent: Agent<I, O>,
  options: RunEachOptions<I> = {},
): OperatorFunction<I, Transition<O>> {
  const { whenBusy = 'merge', concurrency = 16 } = options;
  if (!(concurrency >= 1))
    throw new InvalidArgumentError(`concurrency is ${String(concurrency)}`, 'give 1 or more');
  switch (whenBusy) {
    case 'merge':
      return pullMap(runsOf(agent, options), concurrency);
    case 'concat':
      return pullMap(runsOf(agent, options), 1);
    case 'exhaust':
      return exhaustMap(runsOf(agent, options));
    case 'switch':
      return (inputs) =>
        defer(() => {
          let latest: AbortController | undefined;
          return inputs.pipe(
            mergeMap((input, index) => {
              latest?.abort();
              latest = new AbortController();
              const signals = options.signal === undefined ? [] : [options.signal];
              const signal = AbortSignal.any([latest.signal, ...signals]);
              return runsOf(agent, { ...options, signal })(input, index);
            }),
          );
        });
  }
}

function runsOf<I, O>(
  agent: Agent<I, O>,
  options: RunEachOptions<I>,
): (input: I, index: number) => Observable<Transition<O>> {
  const {
    runId,
    retry = 0,
    newRunId: newId = newRunId,
    whenBusy: _whenBusy,
    concurrency: _concurrency,
    ...rest
  } = options;
  const { count, delayMs = 0 } = typeof retry === 'number' ? { count: retry } : retry;
  const { scheduler = asyncScheduler } = rest;

  // A run that is cancelled while it waits to be resumed is resumed at once, and told to stop.
  const aborted =
    rest.signal === undefined ? NEVER : fromEvent(rest.signal, 'abort').pipe(map(() => 0 as const));

  const onlyFailedRuns = (error: unknown): Observable<0> => {
    if (!(error instanceof RunError)) throw error;
    return delayMs > 0 ? timer(delayMs, scheduler).pipe(raceWith(aborted)) : of(0);
  };

  return (input, index) =>
    defer(() => {
      let id: string;
      try {
        id = runId?.(input, index) ?? newId();
      } catch (error) {
        return of(neverBegun<O>(agent.name, newRunId(), error, input, scheduler.now()));
      }
      const given = [input, { ...rest, runId: id }] as unknown as RunArguments<I, RunOptions>;
      let failures = 0;
      return run(agent, ...given).pipe(
        tap(({ event }) => {
          if (event.type === 'run.failed' && (failures += 1) > count) markLastFailure(event);
        }),
        resubscribe({ count, delay: onlyFailedRuns }),
        catchError((error: unknown) =>
          error instanceof RunError
            ? EMPTY
            : of(neverBegun<O>(agent.name, id, error, input, scheduler.now())),
        ),
      );
    });
}

/** What is told of a run that could not be carried out at all, such as one whose store is full. */
function neverBegun<O>(
  name: string,
  runId: string,
  thrown: unknown,
  input: unknown,
  at: number,
): Transition<O> {
  const error = toFailure(thrown);
  const event: RunFailed = { type: 'run.failed', runId, seq: 0, at, error, duration: 0 };
  markLastFailure(event);
  return {
    event,
    state: { ...idleState(runId, name, []), status: 'FAILED', input, error, endedAt: at },
  };
}
