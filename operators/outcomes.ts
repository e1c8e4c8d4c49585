import { left, right } from 'fp-ts/lib/Either';
import type { OperatorFunction } from 'rxjs';
import { Observable } from 'rxjs';

import { isEnd } from '../lib/model/event';
import type { Outcome } from '../lib/model/outcome';
import { RunError } from '../lib/model/runError';
import type { RunState } from '../lib/model/state';
import type { Transition } from '../lib/model/transition';

/**
 * How each run ended, one outcome a run: `Right` with the output, `Left` with what came instead. Never errors.
 *
 * A `run.failed` counts when nothing of that run follows: one that `retry()` resumes is not an outcome. An error that is
 * no `RunError`, such as a store that cannot be written, is a `Left` of the run that was told last.
 */
export function outcomes<O>(): OperatorFunction<Transition<O>, Outcome<O>> {
  return (transitions) =>
    new Observable((subscriber) => {
      const failed = new Map<string, RunState<O>>();
      let latest: RunState<O> | undefined;
      const flush = (): void => {
        for (const state of failed.values()) subscriber.next(leftOf(state));
        failed.clear();
      };
      return transitions.subscribe({
        next(transition) {
          const { event } = transition;
          if (event.type === 'run.failed') failed.set(event.runId, transition.state);
          else failed.delete(event.runId);
          if (!isEnd(event) || event.type === 'run.failed') return;
          latest = transition.state;
          subscriber.next(
            event.type === 'run.completed'
              ? right({ runId: event.runId, output: event.output as O, state: latest })
              : leftOf(latest),
          );
        },
        error(error: unknown) {
          if (!(error instanceof RunError)) {
            const failure = {
              name: 'Error',
              message: error instanceof Error ? error.message : String(error),
              retryable: true,
            };
            if (failed.size === 0)
              subscriber.next(
                left({ runId: latest?.runId ?? '', status: 'FAILED', failure, state: latest as RunState }),
              );
          }
          flush();
          subscriber.complete();
        },
        complete() {
          flush();
          subscriber.complete();
        },
      });
    });
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
