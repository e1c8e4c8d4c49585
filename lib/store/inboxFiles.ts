import { Answer, Cancel, messageFault } from '../codec/runMessage';
import { parseChecked, within, writeChecked } from './checkedFile';
import { fileName } from './fileName';
import type { Files } from './files';
import type { Pause } from './pause';
import { StorageError, storing } from './storageError';
import type { ReceivedMessage, RunMessage } from './store';
import { StoreCorruptError } from './storeCorruptError';

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
