import type { Observable } from 'rxjs';

import type { RunEvent, Transition } from '../../lib/model/event';

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
