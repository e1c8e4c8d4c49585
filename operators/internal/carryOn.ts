import { Observable } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import type { Transition } from '../../lib/model/transition';
import type { Claim, RunRest } from '../../lib/store/store';
import type { RunOptions } from '../runOptions';
import { beginLife } from './beginLife';

/** Which run is carried on, and where it rests. */
export interface CarriedRun<O> {
  readonly rest: RunRest;
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  /** Whether the store must know the run already. */
  readonly mustExist: boolean;
  readonly options: Pick<RunOptions, 'scheduler' | 'onMismatch' | 'maxCrashes' | 'signal'>;
}

/** A cold stream of one life of a run: subscribing claims and begins or resumes it, unsubscribing cancels it. */
export function carryOn<O>(run: CarriedRun<O>): Observable<Transition<O>> {
  const { rest, runId, agent, input, mustExist } = run;
  const { onMismatch = 'refuse', maxCrashes = 3, scheduler, signal } = run.options;
  return new Observable<Transition<O>>((subscriber) => {
    let leave: (() => void) | undefined;
    const isGone = (): boolean => subscriber.closed;
    const begin = (claim: Claim): void => {
      if (isGone()) {
        void claim.release(() => claim.state);
        return;
      }
      leave = beginLife<O>(
        { runId, agent, input, mustExist, claim, scheduler, onMismatch, maxCrashes, signal },
        subscriber,
      );
      // What was told on the way may have made the subscriber leave.
      if (isGone()) leave();
    };
    const claim = rest.claim(runId);
    if (claim instanceof Promise) {
      claim.then(begin).catch((error: unknown) => {
        subscriber.error(error);
      });
    } else begin(claim);
    return () => {
      leave?.();
    };
  });
}
