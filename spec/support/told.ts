import { isRight } from 'fp-ts/lib/Either';
import type { Observable } from 'rxjs';

import type { RunEvent, Transition } from '../../lib/model/event';
import { outcomes } from '../../operators/runs/outcomes';

/** An event in two words: its type and, for a step, its path. */
export function told(event: RunEvent): string {
  return 'path' in event ? `${event.type} ${event.path}` : event.type;
}

/** Subscribes and keeps what comes, and how it ends. */
export function collect<O>(transitions: Observable<Transition<O>>): Collected<O> {
  const collected: Collected<O> = { transitions: [], events: [], told: [], ended: 'open', error: undefined };
  const subscription = transitions.subscribe({
    next: (transition) => {
      collected.transitions.push(transition);
      collected.events.push(transition.event);
      collected.told.push(told(transition.event));
    },
    error: (error: unknown) => {
      collected.ended = 'error';
      collected.error = error;
    },
    complete: () => {
      collected.ended = 'complete';
    },
  });
  collected.leave = () => {
    subscription.unsubscribe();
  };
  return collected;
}

/** What `collect` has seen so far. */
export interface Collected<O> {
  readonly transitions: Transition<O>[];
  readonly events: RunEvent[];
  readonly told: string[];
  ended: 'open' | 'complete' | 'error';
  error: unknown;
  leave?: () => void;
}

/** What became of each run, its output or its status, and how the stream ended. */
export async function outcomesOf(
  transitions: Observable<Transition>,
): Promise<readonly [unknown[], unknown]> {
  const ended: unknown[] = [];
  const end = await new Promise((resolve) => {
    transitions.pipe(outcomes()).subscribe({
      next: (one) => ended.push(isRight(one) ? one.right.output : one.left.status),
      error: resolve,
      complete: () => {
        resolve('completed');
      },
    });
  });
  return [ended, end];
}
