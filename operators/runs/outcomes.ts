import type { Either } from 'fp-ts/lib/Either';
import { left, right } from 'fp-ts/lib/Either';
import type { OperatorFunction } from 'rxjs';
import { Observable } from 'rxjs';

import { RunError } from '../../lib/errors/runErrors';
import type { RunEvent, RunFailed, Transition } from '../../lib/model/event';
import { isEnd } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import { toFailure } from '../../lib/model/failure';
import type { RunState, RunStatus } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import { untilLeft } from '../../lib/streams/untilLeft';

/** A run that gave its output. */
export interface RunSuccess<O> {
  readonly runId: string;
  readonly output: O;
  readonly state: RunState<O>;
}

/** A run that ended without an output. */
export interface RunFailure {
  readonly runId: string;
  readonly status: Exclude<RunStatus, 'IDLE' | 'RUNNING' | 'COMPLETED'>;
  /** Why; absent when the run was suspended or cancelled. */
  readonly failure?: Failure;
  readonly state: RunState;
}

/** How one run ended: `Right` with its output, or `Left` with what came instead. */
export type Outcome<O> = Either<RunFailure, RunSuccess<O>>;

/**
 * How each run ended, one outcome a run: `Right` with the output, `Left` with what came instead. What ends a run never errors
 * this stream: only an error of the inputs of `runEach()` does, once every run has had its outcome.
 *
 * A `run.failed` counts when nothing of that run follows: one that `retry()` resumes is not an outcome. An error that is
 * no `RunError`, such as a store that cannot be written, is a `Left` of the run that was told last.
 */
export function outcomes<O>(): OperatorFunction<Transition<O>, Outcome<O>> {
  return (transitions) =>
    new Observable((subscriber) => {
      // Failures that may still be resumed, by run.
      const failed = new Map<string, Transition<O>>();
      // The latest of each run under way, and of all.
      const underWay = new Map<string, Transition<O>>();
      let latest: Transition<O> | undefined;
      const flush = (): void => {
        for (const { state } of failed.values()) subscriber.next(leftOf(state));
        failed.clear();
      };
      const wasTold = (error: RunError): boolean =>
        latest?.event.type === 'run.failed' && latest.event.runId === error.state.runId;
      return untilLeft(transitions, subscriber).subscribe({
        next(transition) {
          const { event } = transition;
          const { runId } = event;
          latest = transition;
          failed.delete(runId);
          if (isEnd(event)) underWay.delete(runId);
          else underWay.set(runId, transition);
          if (event.type === 'run.completed') {
            const { state } = transition;
            subscriber.next(right({ runId, output: event.output as O, state }));
          } else if (event.type === 'run.failed' && !isLastFailure(event)) failed.set(runId, transition);
          else if (isEnd(event)) subscriber.next(leftOf(transition.state));
        },
        error(error: unknown) {
          if (isRunError(error) && wasTold(error)) {
            flush();
            subscriber.complete();
            return;
          }
          const isOfRun = underWay.size > 0 || (latest === undefined && !isOfInputs(error));
          if (isOfRun) {
            const [other] = underWay.values();
            const broken = underWay.get(latest?.event.runId ?? '') ?? other;
            subscriber.next(brokenOff(error, broken?.state));
          }
          flush();
          if (isOfRun) subscriber.complete();
          else subscriber.error(error);
        },
        complete() {
          flush();
          subscriber.complete();
        },
      });
    });
}

/** Also one of another copy of this package. */
function isRunError(error: unknown): error is RunError {
  return (
    error instanceof RunError || (error instanceof Error && 'code' in error && error.code === 'RUN_FAILED')
  );
}

/** A run that could not be carried on for a reason outside it, such as a full disk. */
function brokenOff(error: unknown, latest: RunState | undefined): Outcome<never> {
  const state = latest ?? idleState('', '', []);
  return left({ runId: state.runId, status: 'FAILED', failure: toFailure(error), state });
}

function leftOf(state: RunState): Outcome<never> {
  const { runId, status, error } = state;
  return left({
    runId,
    status: status === 'SUSPENDED' || status === 'CANCELLED' ? status : 'FAILED',
    ...(error !== undefined && { failure: error }),
    state,
  });
}

const last = new WeakSet<RunFailed>();

/**
 * Marks the failure of a run that nobody will resume. Behind `run()` only the end of the stream tells that; within a stream
 * of runs there is no such end, and `outcomes()` must not wait for one.
 */
export function markLastFailure(event: RunFailed): void {
  last.add(event);
}

function isLastFailure(event: RunFailed): boolean {
  return last.has(event);
}

const ofMany = new WeakSet<RunEvent>();

/** Marks the end of a run that is one of many: that it has no output does not concern the others. */
export function markOneOfMany(event: RunEvent): void {
  ofMany.add(event);
}

export function isOneOfMany(event: RunEvent): boolean {
  return ofMany.has(event);
}

const ofInputs = new WeakSet<object>();

/** Marks an error of the inputs of a stream of runs: it belongs to none of them, also when none has begun. */
export function markInputError(error: unknown): void {
  if (typeof error === 'object' && error !== null) ofInputs.add(error);
}

/** What a run errors with is always an object. */
function isOfInputs(error: unknown): boolean {
  return typeof error !== 'object' || error === null || ofInputs.has(error);
}
