import type { RestatePromise, WorkflowContext } from '@restatedev/restate-sdk';
import { asyncScheduler } from 'rxjs';

import type { Stop } from '../../lib/graph/answer';
import { isStructure } from '../../lib/graph/definition';
import type { Engine, KnownAnswer } from '../../lib/graph/engine';
import type { AnswerCache } from '../../lib/store/answerCache';
import { admitTo, memorizeIn, recallFrom } from '../../operators/engineKit';

/** The policies that a run shares with others: its engine's part of `limit` and `cache`. */
export interface SharedPolicies extends Required<Pick<Engine, 'admit' | 'recall' | 'memorize'>> {
  /** Gives room to others in what is limited: the life goes on elsewhere, or is over. */
  leave(): void;
}

interface Sharing {
  readonly context: WorkflowContext;
  readonly cache: AnswerCache;
  /** Epoch milliseconds, by the clock of the journal. */
  readonly now: () => number;
  readonly expect: (operation: RestatePromise<unknown>, arrive: (value: unknown) => void) => Stop;
}

/** What comes from outside of the run is written into its journal, so that a replay sees the same. */
export function sharedPolicies({ context, cache, now, expect }: Sharing): SharedPolicies {
  const admitted = new Set<Stop>();
  return {
    admit(limit, { definition, path, input }, enter) {
      // Whoever calls a function keeps its limit, after it has begun: that needs nothing in the journal.
      if (!isStructure(definition)) {
        enter();
        return () => undefined;
      }
      let leave: Stop | undefined;
      const wait = (): Promise<true> =>
        new Promise((resolve) => {
          leave = admitTo(limit, input, asyncScheduler, () => {
            resolve(true);
          });
          admitted.add(leave);
        });
      const forget = expect(context.run(`${path} limit`, wait, { maxRetryAttempts: 1 }), enter);
      return () => {
        forget();
        leave?.();
        if (leave !== undefined) admitted.delete(leave);
      };
    },
    recall(task, answer) {
      // What the function that gives the key throws, the executor turns into a rejection.
      const look = (): Promise<KnownAnswer | null> =>
        new Promise((resolve) => {
          recallFrom(cache, task, asyncScheduler.now(), (known) => {
            resolve(known ?? null);
          });
        });
      expect(context.run(`${task.path} cache`, look, { maxRetryAttempts: 1 }), (known) => {
        answer((known as KnownAnswer | null | undefined) ?? undefined);
      });
    },
    memorize(task, known) {
      try {
        memorizeIn(cache, task, now(), known);
      } catch {
        // The function that gives the key has failed before; then the agent was called.
      }
    },
    leave() {
      for (const leave of admitted) leave();
    },
  };
}
