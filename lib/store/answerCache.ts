import type { GivenBy } from '../model/givenBy';

/** An answer that may be used again, in its stored form. */
export interface KeptAnswer {
  /** The answer in its stored form. */
  readonly output: unknown;
  /** Who gave the output, where it could be another agent. */
  readonly givenBy?: GivenBy;
  /** Partial results, where another step read them live. */
  readonly kept?: readonly unknown[];
  /** What gave the answer, where that can be undone. */
  readonly doneBy?: string;
  /** The id of the run that called for it; it goes with that run. */
  readonly madeBy?: string;
  /** Epoch milliseconds; absent when the answer never gets too old. */
  readonly expiresAt?: number;
}

/**
 * Where answers of agents rest that other runs may use. An answer that is lost is only asked for again.
 *
 * Answers at once, not through a Promise, where it can: then a run needs no turn of the event loop.
 */
export interface AnswerCache {
  /** The answer kept under this key, too old or not. */
  get(key: string): KeptAnswer | undefined | Promise<KeptAnswer | undefined>;
  /** Keeps an answer; the store's `close()` waits for it. Rejects when it could not be kept. */
  set(key: string, answer: KeptAnswer): void | Promise<void>;
}

/**
 * Keeps answers in memory, as JSON, so that nobody can change them: the newest 10,000.
 */
export function memoryCache(): AnswerCache & { forget(runId: string): void } {
  const kept = new Map<string, { readonly text: string; readonly madeBy: string | undefined }>();
  return {
    get(key) {
      const text = kept.get(key)?.text;
      return text === undefined ? undefined : (JSON.parse(text) as KeptAnswer);
    },
    set(key, answer) {
      kept.delete(key);
      kept.set(key, { text: JSON.stringify(answer), madeBy: answer.madeBy });
      if (kept.size > MOST) kept.delete(kept.keys().next().value as string);
    },
    forget(runId) {
      for (const [key, { madeBy }] of kept) if (madeBy === runId) kept.delete(key);
    },
  };
}

const MOST = 10_000;
