import { jsonValue } from '../codec/json';
import type { ReceivedMessage, RunMessage } from './store';

/** Messages that are forgotten with the process. */
export interface MemoryInbox {
  post(runId: string, message: RunMessage): void;
  listen(runId: string, listener: (message: ReceivedMessage) => void): () => void;
}

export function memoryInbox(): MemoryInbox {
  const waiting = new Map<string, Set<RunMessage>>();
  const listeners = new Map<string, (message: ReceivedMessage) => void>();
  const received = (runId: string, message: RunMessage): ReceivedMessage => ({
    ...message,
    done() {
      waiting.get(runId)?.delete(message);
    },
  });
  return {
    post(runId, message) {
      const kept = JSON.parse(JSON.stringify(jsonValue(message, ''))) as RunMessage;
      const messages = waiting.get(runId) ?? new Set();
      waiting.set(runId, messages.add(kept));
      listeners.get(runId)?.(received(runId, kept));
    },
    listen(runId, listener) {
      listeners.set(runId, listener);
      for (const message of [...(waiting.get(runId) ?? [])]) listener(received(runId, message));
      return () => {
        if (listeners.get(runId) === listener) listeners.delete(runId);
      };
    },
  };
}
