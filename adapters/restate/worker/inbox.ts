import type { WorkflowContext } from '@restatedev/restate-sdk';

import type { Engine } from '../../../lib/engine/engine';
import type { GivenAnswer } from '../protocol/protocol';
import type { PendingOps } from './pendingOps';

/** The answers from outside for one life of a run: those it begins with, and those that come. */
export interface Inbox extends Required<Pick<Engine, 'signal' | 'unheard'>> {
  /** Answers that nobody has used. */
  unused(): readonly GivenAnswer[];
  /** Position of the first message that was not read. */
  read(): number;
}

/**
 * Reads durable promises `in:<index>`, one after another, from the first time that somebody waits for an answer. An answer
 * stays here until it is done with: whoever it is for may only ask for it later.
 *
 * @param early - Answers that earlier lives have not used.
 */
export function inboxOf(context: WorkflowContext, early: readonly GivenAnswer[], pending: PendingOps): Inbox {
  const answers = [...early];
  const listeners = new Map<string, (value: unknown, done?: () => void) => void>();
  let position = -1;

  const listen = (): void => {
    position += 1;
    pending.await(context.promise<GivenAnswer>(`in:${position}`).get(), (value) => {
      const given = value as GivenAnswer;
      answers.push(given);
      listen();
      offer(given);
    });
  };

  const offer = (given: GivenAnswer): void => {
    listeners.get(given.path)?.(given.value, () => {
      const at = answers.indexOf(given);
      if (at >= 0) answers.splice(at, 1);
    });
  };

  return {
    signal(path, answered) {
      listeners.set(path, answered);
      if (position < 0) listen();
      // One that does not fit is done with; the next may.
      for (const given of answers.filter((answer) => answer.path === path)) offer(given);
      return () => {
        listeners.delete(path);
      };
    },
    unheard: () => answers.flatMap(({ path }) => (listeners.has(path) ? [] : [path])),
    unused: () => answers,
    read: () => Math.max(position, 0),
  };
}
