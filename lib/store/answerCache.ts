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
export function memoryCache(): AnswerCache {
  const texts = new Map<string, string>();
  return {
    get(key) {
      const text = texts.get(key);
      return text === undefined ? undefined : (JSON.parse(text) as KeptAnswer);
    },
    set(key, answer) {
      texts.delete(key);
      texts.set(key, JSON.stringify(answer));
      if (texts.size > MOST) texts.delete(texts.keys().next().value as string);
    },
  };
}

const MOST = 10_000;
