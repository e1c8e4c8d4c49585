import type { Ingress } from '../protocol/ingress';
import { handlerPath } from '../protocol/ingress';
import type { Part, TellRequest } from '../protocol/protocol';
import { BATCH_BYTES, BATCH_MS } from '../protocol/wireLimits';
import { eventSize } from './eventBatches';

/** Tells parts of one life to whoever watches it, in batches, beside the journal. */
export interface Teller {
  /** Tells a part with the next batch. */
  add(part: Part): void;
  /** Tells early what is held back. */
  preview(): void;
  /** Resolves when all that was added before has been told: never, once the teller is closed. */
  flush(): Promise<void>;
  /**
   * Parts of this call that were not told, once nothing of it is on its way; they are not told any more. What is more than
   * one batch is told first.
   */
  take(execution: string): Promise<readonly Part[]>;
  /** How many batches there are at least. */
  told(): number;
  /** Nothing is told from here on. */
  close(): void;
}

interface Waiting {
  readonly part: Part;
  /** They are told in the order in which they came. */
  readonly number: number;
  readonly bytes: number;
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
  let isSending = false;
  let isAway = false;
  let queue: Waiting[] = [];
  let batch: readonly Waiting[] = [];
  let underWay: Promise<boolean> | undefined;
  let added = 0;
  /** Number of the last part that is to be sent now. */
  let wanted = 0;
  let hint = 0;
  let timer: NodeJS.Timeout | undefined;

  const schedule = (delayMs: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void send();
    }, delayMs);
  };

  const enqueue = (part: Part): void => {
    added += 1;
    queue.push({ part, number: added, bytes: eventSize(part.event) });
  };

  /** The first of the queue, as many as one message carries well. */
  function nextBatch(): readonly Waiting[] {
    let count = 0;
    for (let bytes = 0; count < queue.length; count += 1) {
      bytes += queue[count]?.bytes ?? 0;
      if (count > 0 && bytes > BATCH_BYTES) break;
    }
    return queue.splice(0, count);
  }

  /** False when nobody took it. */
  async function tell(parts: readonly Part[]): Promise<boolean> {
    const request: TellRequest = { hint, parts };
    const { signal } = (abort ??= new AbortController());
    try {
      hint = (await ingress.request(handlerPath(service, key, 'tell'), {
        body: request,
        signal,
        timeoutMs: 5_000,
      })) as number;
      return true;
    } catch {
      return false;
    }
  }

  /** Sends what there is, one batch after another; what comes meanwhile waits for the next time. */
  async function send(): Promise<void> {
    wanted = added;
    if (isSending) return;
    isSending = true;
    isAway = false;
    while (!isAway && (queue[0] ?? NONE).number <= wanted) {
      batch = nextBatch();
      underWay = tell(batch.map(({ part }) => part));
      isAway = !(await underWay);
      if (isAway && !isClosed) queue = [...batch, ...queue];
      batch = [];
      underWay = undefined;
    }
    isSending = false;
    if (isAway && !isClosed) schedule(AGAIN_MS);
  }

  /** Sends until nothing is left that is waited for, whatever else comes meanwhile. */
  async function sendAll(isLeft: () => boolean): Promise<void> {
    const isWaiting = (): boolean => !isClosed && isLeft();
    while (isWaiting()) {
      if (!isSending) void send();
      await underWay;
      if (isAway && isWaiting()) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  return {
    add(part) {
      if (isClosed) return;
      before().forEach(enqueue);
      enqueue(part);
      schedule(BATCH_MS);
    },
    preview() {
      if (isClosed) return;
      before().forEach(enqueue);
      void send();
    },
    async flush() {
      const last = added;
      void send();
      await sendAll(() => (batch[0] ?? queue[0] ?? NONE).number <= last);
      // Whoever waits for this would go on from something that nobody else knows.
      if (isClosed) await new Promise(() => undefined);
    },
    async take(execution) {
      const isOwn = ({ part }: Waiting): boolean => 'under' in part && part.under.execution === execution;
      const own = (): readonly Waiting[] => queue.filter(isOwn);
      const isLeft = (): boolean => batch.some(isOwn) || bytesOf(own()) > BATCH_BYTES;
      do await sendAll(isLeft);
      while (!isClosed && isLeft());
      const left = own();
      queue = queue.filter((waiting) => !isOwn(waiting));
      return left.map(({ part }) => part);
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

const NONE = { number: Infinity };

function bytesOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { bytes }) => sum + bytes, 0);
}
