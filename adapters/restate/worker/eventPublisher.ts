import type { Ingress } from '../protocol/ingress';
import { handlerPath } from '../protocol/ingress';
import type { SideEvent, PublishRequest } from '../protocol/protocol';
import { BATCH_BYTES, BATCH_MS } from '../protocol/wireLimits';
import { eventSize } from './eventBatcher';

/** Publishes side events of one life to whoever watches it, in batches, beside the journal. */
export interface EventPublisher {
  /** Tells an event with the next batch. */
  add(part: SideEvent): void;
  /** Tells early what is held back. */
  preview(): void;
  /** Tells early what is held back; resolves when all of it has been told, or nothing is told any more. False when there was nothing. */
  tellAll(): Promise<boolean>;
  /** Resolves when all that was added before has been told: never, once the publisher is closed. */
  flush(): Promise<void>;
  /**
   * Events of this call that were not told, once nothing of it is on its way; they are not told any more. What is more than
   * one batch is told first.
   */
  take(execution: string): Promise<readonly SideEvent[]>;
  /** How many batches there are at least. */
  told(): number;
  /** Nothing is told from here on. */
  close(): void;
}

/** The life that events are about. */
export interface ToldLife {
  readonly key: string;
  readonly secret: string;
}

interface Waiting {
  readonly part: SideEvent;
  /** They are told in the order in which they came. */
  readonly number: number;
  readonly bytes: number;
}

const AGAIN_MS = 250;
const ANSWER_MS = 5_000;
/** A server that did not answer in time still keeps what it was told: to tell it again soon makes a busy one busier. */
const LONGEST_ANSWER_MS = 60_000;

/**
 * Publishes side events of this life through the server. What could not be sent is sent again until the publisher is closed.
 *
 * @param before - Gives what must be told before side events of a call are.
 */
export function eventPublisher(
  ingress: Ingress,
  service: string,
  { key, secret }: ToldLife,
  before: () => readonly SideEvent[],
): EventPublisher {
  return new QueuedPublisher(ingress, handlerPath(service, key, 'tell'), secret, before);
}

class QueuedPublisher implements EventPublisher {
  readonly #ingress: Ingress;
  readonly #path: string;
  readonly #secret: string;
  readonly #before: () => readonly SideEvent[];
  #abort: AbortController | undefined;
  #isClosed = false;
  #isSending = false;
  #isAway = false;
  #queue: Waiting[] = [];
  #batch: readonly Waiting[] = [];
  #underWay: Promise<boolean> | undefined;
  #added = 0;
  /** Number of the last event that is to be sent now. */
  #wanted = 0;
  #hint = 0;
  #answerMs = ANSWER_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(ingress: Ingress, path: string, secret: string, before: () => readonly SideEvent[]) {
    this.#ingress = ingress;
    this.#path = path;
    this.#secret = secret;
    this.#before = before;
  }

  add(part: SideEvent): void {
    if (this.#isClosed) return;
    for (const earlier of this.#before()) this.#enqueue(earlier);
    this.#enqueue(part);
    this.#schedule(BATCH_MS);
  }

  preview(): void {
    if (this.#isClosed) return;
    for (const earlier of this.#before()) this.#enqueue(earlier);
    void this.#send();
  }

  async tellAll(): Promise<boolean> {
    this.preview();
    const isLeft = (): boolean => this.#batch.length + this.#queue.length > 0;
    const isNews = isLeft();
    await this.#sendAll(isLeft);
    return isNews;
  }

  async flush(): Promise<void> {
    const last = this.#added;
    void this.#send();
    await this.#sendAll(() => (this.#batch[0] ?? this.#queue[0] ?? NONE).number <= last);
    // Whoever waits for this would go on from something that nobody else knows.
    if (this.#isClosed) await new Promise(() => undefined);
  }

  async take(execution: string): Promise<readonly SideEvent[]> {
    const isOwn = ({ part }: Waiting): boolean => 'under' in part && part.under.execution === execution;
    const own = (): readonly Waiting[] => this.#queue.filter(isOwn);
    const isLeft = (): boolean => this.#batch.some(isOwn) || bytesOf(own()) > BATCH_BYTES;
    do await this.#sendAll(isLeft);
    while (!this.#isClosed && isLeft());
    const left = own();
    this.#queue = this.#queue.filter((waiting) => !isOwn(waiting));
    return left.map(({ part }) => part);
  }

  told(): number {
    return this.#hint;
  }

  close(): void {
    this.#isClosed = true;
    // With a reason of our own, no error with a stack is made for it.
    this.#abort?.abort('closed');
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #schedule(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#send();
    }, delayMs);
  }

  #enqueue(part: SideEvent): void {
    this.#added += 1;
    this.#queue.push({ part, number: this.#added, bytes: eventSize(part.event) });
  }

  /** The first of the queue, as many as one message carries well. */
  #nextBatch(): readonly Waiting[] {
    let count = 0;
    for (let bytes = 0; count < this.#queue.length; count += 1) {
      bytes += this.#queue[count]?.bytes ?? 0;
      if (count > 0 && bytes > BATCH_BYTES) break;
    }
    return this.#queue.splice(0, count);
  }

  /** False when nobody took it. */
  async #publish(parts: readonly SideEvent[]): Promise<boolean> {
    const request: PublishRequest = { hint: this.#hint, secret: this.#secret, parts };
    const { signal } = (this.#abort ??= new AbortController());
    try {
      const limits = { body: request, signal, timeoutMs: this.#answerMs };
      this.#hint = (await this.#ingress.request(this.#path, limits)) as number;
      this.#answerMs = ANSWER_MS;
      return true;
    } catch (error) {
      const isLate = (error as Error).name === 'TimeoutError';
      this.#answerMs = isLate ? Math.min(LONGEST_ANSWER_MS, this.#answerMs * 2) : ANSWER_MS;
      return false;
    }
  }

  /** Sends what there is, one batch after another; what comes meanwhile waits for the next time. */
  async #send(): Promise<void> {
    this.#wanted = this.#added;
    if (this.#isSending) return;
    this.#isSending = true;
    this.#isAway = false;
    while (!this.#isAway && (this.#queue[0] ?? NONE).number <= this.#wanted) {
      this.#batch = this.#nextBatch();
      this.#underWay = this.#publish(this.#batch.map(({ part }) => part));
      this.#isAway = !(await this.#underWay);
      if (this.#isAway && !this.#isClosed) this.#queue = [...this.#batch, ...this.#queue];
      this.#batch = [];
      this.#underWay = undefined;
    }
    this.#isSending = false;
    if (this.#isAway && !this.#isClosed) this.#schedule(AGAIN_MS);
  }

  /** Sends until nothing is left that is waited for, whatever else comes meanwhile. */
  async #sendAll(isLeft: () => boolean): Promise<void> {
    const isWaiting = (): boolean => !this.#isClosed && isLeft();
    while (isWaiting()) {
      if (!this.#isSending) void this.#send();
      await this.#underWay;
      if (this.#isAway && isWaiting()) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

const NONE = { number: Infinity };

function bytesOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { bytes }) => sum + bytes, 0);
}
