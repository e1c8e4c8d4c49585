import type { Observable, OperatorFunction } from 'rxjs';
import { asyncScheduler, catchError, EMPTY, mergeMap, of, retry as resubscribe, tap } from 'rxjs';

import type { Agent } from '../lib/model/agent';
import type { RunFailed } from '../lib/model/event';
import { toFailure } from '../lib/model/failure';
import { RunError } from '../lib/model/runError';
import { idleState } from '../lib/model/state';
import type { Transition } from '../lib/model/transition';
import { markLastFailure } from './internal/lastFailure';
import { newRunId } from './internal/newRunId';
import type { RunArguments } from './run';
import { run } from './run';
import type { RunOptions } from './runOptions';

/** How a stream of inputs is run. */
export interface RunEachOptions<I> extends Omit<RunOptions, 'runId'> {
  /** Names the run of an input; a new ULID when left out. */
  readonly runId?: (input: I, index: number) => string;
  /** How many runs are under way at once; 16 when left out. */
  readonly concurrency?: number;
  /** How often a run that failed is resumed before its failure counts. */
  readonly retry?: number;
}

/**
 * Runs an agent on every input of a stream: many runs at once, bounded, their transitions merged as they come.
 *
 * A run that fails tells `run.failed` and harms no other. RxJS's `retry()` behind this operator would run all inputs
 * again; the option `retry` resumes one run by itself.
 */
export function runEach<I, O>(
  agent: Agent<I, O>,
  options: RunEachOptions<I> = {},
): OperatorFunction<I, Transition<O>> {
  const { runId, concurrency = 16, retry = 0, newRunId: newId = newRunId, ...rest } = options;
  return (inputs) =>
    inputs.pipe(
      mergeMap((input, index) => {
        const id = runId?.(input, index) ?? newId();
        const given = [input, { ...rest, runId: id }] as unknown as RunArguments<I, RunOptions>;
        let failures = 0;
        return run(agent, ...given).pipe(
          tap(({ event }) => {
            if (event.type === 'run.failed' && (failures += 1) > retry) markLastFailure(event);
          }),
          resubscribe({ count: retry, delay: onlyFailedRuns }),
          catchError((error: unknown) =>
            error instanceof RunError ? EMPTY : of(neverBegun<O>(agent.name, id, error, input)),
          ),
        );
      }, concurrency),
    );
}

function onlyFailedRuns(error: unknown): Observable<unknown> {
  if (error instanceof RunError) return of(error);
  throw error;
}

/** What is told of a run that could not be carried out at all, such as one whose store is full. */
function neverBegun<O>(name: string, runId: string, thrown: unknown, input: unknown): Transition<O> {
  const error = toFailure(thrown);
  const at = asyncScheduler.now();
  const event: RunFailed = { type: 'run.failed', runId, seq: 0, at, error, duration: 0 };
  markLastFailure(event);
  return {
    event,
    state: { ...idleState(runId, name, []), status: 'FAILED', input, error, endedAt: at },
  };
}
