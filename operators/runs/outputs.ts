import type { OperatorFunction } from 'rxjs';
import { Observable } from 'rxjs';

import { NoOutputError } from '../../lib/errors/runErrors';
import type { Transition } from '../../lib/model/event';
import { openQuestions } from '../../lib/store/summary';
import { untilLeft } from '../../lib/streams/untilLeft';
import { isOneOfMany } from './outcomes';

/**
 * The outputs of the runs that complete. A run that fails errors this stream as it errors `run()`.
 *
 * Behind `runEach()` and `serve()`, runs that wait for an answer or were cancelled have no output and are left out: `outcomes()` gives
 * them as values. Behind a single `run()` or `resume()` that ends so, the stream errors by name instead of ending without a value:
 * `firstValueFrom` and `lastValueFrom` reject with what the run waits for.
 *
 * @throws NoOutputError (in the stream) when a single run is SUSPENDED or CANCELLED, and nothing has come out before.
 */
export function outputs<O>(): OperatorFunction<Transition<O>, O> {
  return (transitions) =>
    new Observable((subscriber) => {
      let isEmpty = true;
      let resting: Transition<O> | undefined;
      return untilLeft(transitions, subscriber).subscribe({
        next(transition) {
          const { event } = transition;
          const { type } = event;
          if (type === 'run.completed') {
            isEmpty = false;
            subscriber.next(event.output as O);
          } else if (type === 'run.suspended' || type === 'run.cancelled') {
            resting = isOneOfMany(event) ? undefined : transition;
          }
        },
        error(error: unknown) {
          subscriber.error(error);
        },
        complete() {
          if (!isEmpty || resting === undefined) {
            subscriber.complete();
            return;
          }
          const { state } = resting;
          const waiting = openQuestions(state).map(({ stepId }) => stepId);
          subscriber.error(new NoOutputError(state, waiting));
        },
      });
    });
}
