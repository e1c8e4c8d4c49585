import { clearInterval, setInterval } from 'node:timers';

import type { Files } from './files';
import { readMessages } from './inboxFiles';
import type { ReceivedMessage } from './store';

/** Tells the runs of this process the messages that are left for them as files. */
export interface InboxWatch {
  /** Tells what waits at once, and what comes later within a quarter of a second. Returns how to stop. */
  listen(runId: string, listener: (message: ReceivedMessage) => void): () => void;
  look: () => void;
  close(): void;
}

/** Watches by looking: what tells of changed files is not reliable everywhere. Does not keep the process alive. */
export function watchInbox(files: Files, inbox: string): InboxWatch {
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    for (const listener of [...listeners]) {
      try {
        listener();
      } catch {
        // The folder cannot be read at the moment: the next look may.
      }
    }
  };
  const rest = (): void => {
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return {
    listen(runId, listener) {
      const known = new Set<string>();
      const hear = (): void => {
        for (const message of readMessages(files, inbox, runId, known))
          if (listeners.has(hear)) listener(message);
      };
      listeners.add(hear);
      timer ??= setInterval(look, 250).unref();
      hear();
      return () => {
        listeners.delete(hear);
        rest();
      };
    },
    look,
    close() {
      listeners.clear();
      rest();
    },
  };
}
