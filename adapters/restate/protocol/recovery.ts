import { asyncScheduler } from 'rxjs';

import { callAfter } from './pause';

/** Lets questions through to a server: all while it answers, few at a time when it has been away. */
export interface Recovery {
  /**
   * Resolves when a question may be asked: at once, unless the server has been away.
   *
   * @param probe - Asks the server something that it answers at once if it can answer the question too.
   * @param until - Epoch milliseconds at which waiting ends.
   * @throws What the last probe failed with, when the time has come; an error when `signal` is aborted.
   */
  pass(probe: () => Promise<unknown>, until: number, signal?: AbortSignal): Promise<void>;
  /** The server has not answered. */
  lost(cause: Error): void;
}

/** How many ask at first whether the server is back. */
const FEW = 4;
/** So many at once show that it is. */
const ENOUGH = 32;
const PAUSE_MS = 100;
const LEFT = new Error('Nobody waits for the answer any more');

/**
 * A server that comes back reads its log first, and holds whatever is asked meanwhile: with hundreds of questions open it
 * reads twenty times slower (measured: 0.6 s with none, 2.4 s with 200, 14 s with 400). So a few ask whether it answers, one
 * more with each answer, and the others wait here: slow start (Jacobson, Congestion Avoidance and Control, 1988, section 1).
 */
export function recoveryOf(): Recovery {
  const waiting: Waiter[] = [];
  let limit = Infinity;
  let asking = 0;
  let cause = LEFT;

  const admit = (): void => {
    while (asking < limit) {
      const waiter = waiting.shift();
      if (waiter === undefined) return;
      waiter.admit();
    }
  };

  /** Waits for a place among those who ask. */
  const place = (until: number, signal: AbortSignal | undefined): Promise<void> => {
    if (asking < limit) {
      asking += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(LEFT);
        return;
      }
      const end = (): void => {
        stopTimer();
        signal?.removeEventListener('abort', left);
        const position = waiting.indexOf(waiter);
        if (position >= 0) waiting.splice(position, 1);
      };
      const left = (): void => {
        end();
        reject(LEFT);
      };
      const waiter: Waiter = {
        admit() {
          asking += 1;
          end();
          resolve();
        },
      };
      const stopTimer = callAfter(Math.max(0, until - asyncScheduler.now()), () => {
        end();
        reject(cause);
      });
      signal?.addEventListener('abort', left);
      waiting.push(waiter);
    });
  };

  return {
    async pass(probe, until, signal) {
      while (limit !== Infinity) {
        await place(until, signal);
        try {
          // Whoever was let in when all were has nothing to ask first.
          if (limit !== Infinity) await probe();
          limit = limit + 1 > ENOUGH ? Infinity : limit + 1;
          return;
        } catch (error) {
          if (signal?.aborted === true || asyncScheduler.now() >= until) throw error;
          this.lost(error as Error);
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        } finally {
          asking -= 1;
          admit();
        }
      }
    },
    lost(error) {
      cause = error;
      limit = FEW;
    },
  };
}

interface Waiter {
  admit(): void;
}
