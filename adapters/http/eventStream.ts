import type { UnderlyingSource } from 'node:stream/web';

import type { Observable, Subscription } from 'rxjs';
import { Subject, takeUntil } from 'rxjs';

import { realTimers } from '../../lib/streams/realTimers';

/** How much may wait for a slow reader, in bytes; then nothing more is taken until it has read. */
const MOST_WAITING = 1_048_576;

/** For so long is gathered what goes out together, in milliseconds. */
const TOGETHER_MS = 10;

/** A piece of a body, and from where on to go on behind it. */
export interface Piece {
  readonly text: string;
  /** Undefined for what is not counted. */
  readonly offset?: number;
}

/** What a body is made of. */
export interface StreamSource {
  /** The pieces behind this offset. Asked again when a slow reader has caught up. */
  pieces(after: number): Observable<Piece>;
  /** What follows when the pieces are through. */
  end(): Promise<string>;
  /** What follows when they have failed. */
  fault(error: unknown): string;
  /** What goes out while nothing comes. */
  readonly heartbeats: Observable<string>;
}

/**
 * The body of an answer that lasts. Whoever reads slowly makes it leave the source, which keeps what was not told; whoever goes
 * away ends everything.
 *
 * A class, because the reader and the source call it in any order.
 */
class EventStream implements UnderlyingSource<Uint8Array> {
  readonly #source: StreamSource;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #over = new Subject<void>();
  #after: number;
  #isReading = false;
  #isOver = false;
  #heartbeat: Subscription | undefined;

  constructor(source: StreamSource, after: number) {
    this.#source = source;
    this.#after = after;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#heartbeat = this.#source.heartbeats.subscribe({
      next: (text) => {
        if (!this.#isOver && this.#room(controller) > 0) this.#send(controller, text);
      },
      error: (error: unknown) => {
        this.#close(controller, this.#source.fault(error));
      },
    });
    this.#read(controller);
  }

  pull(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (!this.#isReading && !this.#isOver) this.#read(controller);
  }

  cancel(): void {
    this.#end();
  }

  #read(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const pause = new Subject<void>();
    this.#isReading = true;
    this.#source
      .pieces(this.#after)
      .pipe(takeUntil(pause), takeUntil(this.#over))
      .subscribe({
        next: ({ text, offset }) => {
          if (this.#isOver) return;
          if (offset !== undefined) this.#after = offset;
          this.#send(controller, text);
          if (this.#room(controller) > 0) return;
          this.#isReading = false;
          pause.next();
        },
        error: (error: unknown) => {
          this.#close(controller, this.#source.fault(error));
        },
        complete: () => {
          // Paused, or left.
          if (!this.#isReading || this.#isOver) return;
          this.#source.end().then(
            (text) => {
              this.#close(controller, text);
            },
            (error: unknown) => {
              this.#close(controller, this.#source.fault(error));
            },
          );
        },
      });
  }

  #room({ desiredSize }: ReadableStreamDefaultController<Uint8Array>): number {
    return (desiredSize ?? 0) - this.#waitingBytes;
  }

  /** What comes closely together goes out as one: each write costs a call of the system. */
  #send(controller: ReadableStreamDefaultController<Uint8Array>, text: string): void {
    this.#waiting.push(text);
    this.#waitingBytes += text.length;
    this.#timer ??= realTimers.setTimeout(() => {
      this.#flush(controller);
    }, TOGETHER_MS);
  }

  #flush(controller: ReadableStreamDefaultController<Uint8Array>): void {
    realTimers.clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isOver || this.#waiting.length === 0) return;
    const bytes = this.#encoder.encode(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingBytes = 0;
    controller.enqueue(bytes);
  }

  #close(controller: ReadableStreamDefaultController<Uint8Array>, text: string): void {
    if (this.#isOver) return;
    if (text !== '') this.#send(controller, text);
    this.#flush(controller);
    this.#end();
    controller.close();
  }

  #end(): void {
    this.#isOver = true;
    realTimers.clearTimeout(this.#timer);
    this.#heartbeat?.unsubscribe();
    this.#over.next();
  }
}

/** A body that lasts. @param after - From where on. */
export function eventStream(source: StreamSource, after = 0): ReadableStream<Uint8Array> {
  return new ReadableStream(
    new EventStream(source, after),
    new ByteLengthQueuingStrategy({ highWaterMark: MOST_WAITING }),
  );
}

/** One event as server-sent events have it. */
export function sseOf(
  data: string,
  { id, event }: { readonly id?: string; readonly event?: string } = {},
): string {
  const head = event === undefined ? '' : `event: ${event}\n`;
  return `${head}${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;
}
