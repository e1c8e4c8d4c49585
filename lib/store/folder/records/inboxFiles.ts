import { clearInterval, setInterval } from 'node:timers';

import { Answer, Cancel, messageFault } from '../../../codec/runMessageCodec';
import { StorageError, StoreCorruptError, storing } from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import type { ReceivedMessage, RunMessage } from '../../store';
import { parseChecked, within, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { fileName } from '../layout';

/** Leaves a message as a file of its own; needs no lock, because no two have the same name. */
export async function postMessage(
  files: Files,
  inbox: string,
  messageId: string,
  runId: string,
  message: RunMessage,
  pause: Pause,
): Promise<void> {
  storing('make', inbox, () => {
    files.makeFolder(inbox);
  });
  const fields = [['runId', JSON.stringify(runId)] as const, ['message', JSON.stringify(message)] as const];
  await writeChecked(files, within(inbox, `${prefixOf(runId)}${messageId}.json`), 'message', fields, pause);
}

/** The messages that wait for a run, oldest first, as far as they are not known yet. */
export function readMessages(
  files: Files,
  inbox: string,
  runId: string,
  known: Set<string>,
): readonly ReceivedMessage[] {
  const prefix = prefixOf(runId);
  const received: ReceivedMessage[] = [];
  for (const name of [...files.list(inbox)].sort()) {
    if (!name.startsWith(prefix) || !name.endsWith('.json') || known.has(name)) continue;
    known.add(name);
    const path = within(inbox, name);
    try {
      const bytes = files.readNow(path);
      if (bytes === undefined) continue;
      const done = (): void => {
        storing('remove', path, () => files.remove(path));
      };
      received.push({ ...read(path, runId, bytes), done });
    } catch (error) {
      received.push({ kind: 'damaged', error: error as Error, done: () => undefined });
    }
  }
  return received;
}

function read(path: string, runId: string, bytes: Buffer): RunMessage {
  const fields = parseChecked(path, 'message', bytes);
  const { message } = fields;
  if (fields['runId'] !== runId) throw new StoreCorruptError(path, 0, 'it is a message for another run');
  if (Answer.is(message)) return message;
  if (Cancel.is(message)) return message;
  throw new StoreCorruptError(path, 0, messageFault(message));
}

function prefixOf(runId: string): string {
  return `${fileName(runId)}~`;
}

/** Whether somebody may post here: a store has been made. */
export function checkStore(files: Files, history: string): boolean {
  try {
    return files.kind(history) === 'file';
  } catch (error) {
    throw new StorageError('look at', history, error);
  }
}

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
