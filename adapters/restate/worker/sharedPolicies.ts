import type { WorkflowContext } from '@restatedev/restate-sdk';
import { asyncScheduler } from 'rxjs';

import { isStructure } from '../../../lib/definition/definition';
import type { Engine, KeyFailed, KnownAnswer } from '../../../lib/engine/engine';
import { cacheKeyOf, memorizeIn, recallFrom } from '../../../lib/engine/local/cachedAnswers';
import { admitTo } from '../../../lib/engine/local/limiter';
import { StepError } from '../../../lib/errors/stepErrors';
import type { Failure } from '../../../lib/model/failure';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Stop } from '../../../lib/streams/pull';
import { recordedFailure } from '../protocol/wireFailure';
import type { PendingOps } from './pendingOps';

/** The policies that a run shares with others: its engine's part of `limit` and `cache`. */
export interface SharedPolicies extends Required<Pick<Engine, 'admit' | 'recall' | 'memorize'>> {
  /** Whether structures of this life have room in what is limited, or wait for it: it is theirs while their steps sleep. */
  isLimited(): boolean;
  /** Gives room to others in what is limited: the life goes on elsewhere, or is over. */
  leave(): void;
}

interface Sharing {
  readonly context: WorkflowContext;
  readonly cache: AnswerCache;
  /** Epoch milliseconds, by the clock of the journal. */
  readonly now: () => number;
  readonly pending: PendingOps;
}

/** What the function that gives a key threw, in the form in which the journal keeps it. */
interface RecordedKeyFailed {
  readonly failed: Failure;
}

/** What comes from outside of the run is written into its journal, so that a replay sees the same. */
export function sharedPolicies({ context, cache, now, pending }: Sharing): SharedPolicies {
  const admitted = new Set<Stop>();
  // Other than `admitted` it is a function of the journal.
  let limited = 0;
  return {
    admit(limit, task, enter, isBack = false) {
      // Whoever calls a function keeps its limit, after it has begun: that needs nothing in the journal.
      if (!isStructure(task.definition)) {
        enter();
        return () => undefined;
      }
      let leave: Stop | undefined;
      let isLimited = true;
      limited += 1;
      const wait = recording<true>((resolve) => {
        const enterRoom = (): void => {
          resolve(true);
        };
        leave = admitTo(limit, task, asyncScheduler, enterRoom, undefined, isBack);
        admitted.add(leave);
      });
      const forget = pending.await(
        context.run(`${task.path} limit`, wait, { maxRetryAttempts: 1 }),
        (entered, failure) => {
          enter(keyFailed(entered, failure));
        },
      );
      return () => {
        forget();
        if (isLimited) limited -= 1;
        isLimited = false;
        leave?.();
        if (leave !== undefined) admitted.delete(leave);
      };
    },
    recall(task, { answer }) {
      // One call for several steps would need the journals of their runs to wait for each other.
      const look = recording<KnownAnswer | null>((resolve) => {
        const key = cacheKeyOf(task);
        const known = key === undefined ? undefined : recallFrom(cache, key, task, asyncScheduler.now());
        void Promise.resolve(known).then((found) => {
          resolve(found ?? null);
        });
      });
      pending.await(context.run(`${task.path} cache`, look, { maxRetryAttempts: 1 }), (known, failure) => {
        const failed = keyFailed(known, failure);
        answer(failed === undefined ? ((known as KnownAnswer | null) ?? undefined) : undefined, failed);
      });
      return undefined;
    },
    memorize(task, known) {
      try {
        const key = cacheKeyOf(task);
        if (key !== undefined) void memorizeIn(cache, key, task, now(), known);
      } catch {
        // The function that gives the key has failed before; then the agent was called.
      }
    },
    isLimited: () => limited > 0,
    leave() {
      for (const leave of admitted) leave();
    },
  };
}

/** What the function that gives the key throws is an answer too: the executor would only reject, and lose what it was. */
function recording<T>(ask: (resolve: (value: T) => void) => void): () => Promise<T | RecordedKeyFailed> {
  return () =>
    new Promise((resolve) => {
      try {
        ask(resolve);
      } catch (error) {
        resolve({ failed: recordedFailure(error) });
      }
    });
}

function keyFailed(recorded: unknown, failure: Error | undefined): KeyFailed | undefined {
  if (failure !== undefined) return { error: failure };
  if (typeof recorded !== 'object' || recorded === null || !('failed' in recorded)) return undefined;
  return { error: new StepError((recorded as RecordedKeyFailed).failed, undefined) };
}
