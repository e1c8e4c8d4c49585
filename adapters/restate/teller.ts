import type { Ingress } from './ingress';
import { handlerPath } from './ingress';
import { BATCH_MS } from './limits';
import type { Part, TellRequest } from './protocol';

/** Tells parts of one life to whoever watches it, in batches, beside the journal. */
export interface Teller {
  /** Tells a part with the next batch. */
  add(part: Part): void;
  /** Tells early what is held back. */
  preview(): void;
  /** Resolves when all that was added before has been told. */
  flush(): Promise<void>;
  /** Resolves when nothing is on its way; what waits for the next batch still waits. */
  settled(): Promise<void>;
  /** Parts of this call that were not told; they are not told any more. */
  take(execution: string): readonly Part[];
  /** How many batches there are at least. */
  told(): number;
  /** Nothing is told from here on. */
  close(): void;
}

const AGAIN_MS = 250;

/**
 * Tells parts of this life through the server. What could not be told is told again until the teller is closed.
 *
 * @param before - Gives what must be told before parts of a call are.
 */
export function tellerOf(
  ingress: Ingress,
  service: string,
  key: string,
  before: () => readonly Part[],
): Teller {
  let abort: AbortController | undefined;
  let isClosed = false;
  let queue: Part[] = [];
  let hint = 0;
  let timer: NodeJS.Timeout | undefined;
  let underWay: Promise<void> | undefined;

  const schedule = (delayMs: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void send();
    }, delayMs);
  };

  async function tell(parts: readonly Part[]): Promise<void> {
    const request: TellRequest = { hint, parts };
    const { signal } = (abort ??= new AbortController());
    try {
      hint = (await ingress.request(handlerPath(service, key, 'tell'), {
        body: request,
        signal,
        timeoutMs: 5_000,
      })) as number;
    } catch {
      if (isClosed) return;
      queue = [...parts, ...queue];
      schedule(AGAIN_MS);
    }
  }

  /** Sends what there is, after what is on its way. */
  async function send(): Promise<void> {
    while (underWay !== undefined) await underWay;
    if (queue.length === 0 || isClosed) return;
    const parts = queue;
    queue = [];
    underWay = tell(parts);
    await underWay;
    underWay = undefined;
  }

  return {
    add(part) {
      if (isClosed) return;
      queue.push(...before(), part);
      schedule(BATCH_MS);
    },
    preview() {
      if (isClosed) return;
      queue.push(...before());
      void send();
    },
    async flush() {
      while (!isClosed && (queue.length > 0 || underWay !== undefined)) {
        await send();
        if (queue.length > 0) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    },
    async settled() {
      while (underWay !== undefined) await underWay;
    },
    take(execution) {
      const own = queue.filter((part) => 'under' in part && part.under.execution === execution);
      queue = queue.filter((part) => !own.includes(part));
      return own;
    },
    told: () => hint,
    close() {
      isClosed = true;
      // With a reason of our own, no error with a stack is made for it.
      abort?.abort('closed');
      clearTimeout(timer);
      queue = [];
    },
  };
}
