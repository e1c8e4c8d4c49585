import type { Answer } from '../../definition/scope';
import { StepError } from '../../errors/stepErrors';
import { LiveFeed } from '../../streams/liveFeed';
import type { Stop } from '../../streams/pull';

/** Who reads whom live in one workflow under way; steps are named by their index. */
export interface DagFeeds {
  /** An attempt of this step begins: the partial results of earlier attempts are dropped. */
  begin(step: number): void;
  /** Whether the step has been called in this life. */
  hasBegun(step: number): boolean;
  push(step: number, value: unknown): void | Promise<void>;
  end(step: number, answer: Answer): void;
  /** Reads the source of this reader; the streams it opens belong to it. */
  reading<T>(reader: number, read: () => T): T;
  /** A stream of this step, for the reader whose source is being read. */
  open(step: number): unknown;
  /** The reader no longer needs its streams. */
  leave(reader: number): void;
  leaveAll(): void;
}

/**
 * @param waits - Called when a reader has taken everything and begins to wait.
 * @param keeps - Whether the partial results of a step are kept for readers that come later.
 */
export function dagFeeds(waits: () => void, keeps: (step: number) => boolean): DagFeeds {
  const feeds = new Map<number, LiveFeed>();
  const begun = new Set<number>();
  const leaves = new Map<number, Stop[]>();
  let current = -1;

  const feedOf = (step: number): LiveFeed => {
    const feed = feeds.get(step) ?? new LiveFeed(waits, keeps(step));
    feeds.set(step, feed);
    return feed;
  };

  const leave = (reader: number): void => {
    const stops = leaves.get(reader);
    leaves.delete(reader);
    for (const stop of stops ?? []) stop();
  };

  return {
    begin(step) {
      feeds.set(step, new LiveFeed(waits, keeps(step)));
      begun.add(step);
    },
    hasBegun: (step) => begun.has(step),
    push: (step, value) => feedOf(step).push(value),
    end(step, answer) {
      const feed = feedOf(step);
      if (answer.kind === 'failed') feed.fail(new StepError(answer.failure, answer.cause));
      else {
        if (!begun.has(step) && answer.kind === 'completed') {
          for (const partial of answer.kept ?? []) void feed.push(partial);
        }
        feed.end();
      }
    },
    reading(reader, read) {
      current = reader;
      return read();
    },
    open(step) {
      const { stream, leave: stop } = feedOf(step).open();
      leaves.set(current, [...(leaves.get(current) ?? []), stop]);
      return stream;
    },
    leave,
    leaveAll() {
      for (const reader of [...leaves.keys()]) leave(reader);
    },
  };
}
