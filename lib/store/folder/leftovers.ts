import type { Files } from './files/files';
import { isBegunByStore, within } from './files/checkedFile';
import type { Layout } from './layout';
import { answersAt } from './lock/ownerSocket';

/**
 * Removes what writers have left that were killed: files that never got their names, and sockets of owners who live no longer.
 *
 * Only what a store has made, by name and first bytes. In the inbox and beside the lock others may be at work, without the lock:
 * there a file must be old. What cannot be removed is removed by a later owner.
 */
export async function removeLeftovers(files: Files, layout: Layout): Promise<void> {
  const { folder, runs, snapshots, logs, cache, inbox, signals, journal, lock } = layout;
  for (const place of [folder, runs, snapshots, logs, cache, inbox, signals])
    await removeWhere(files, place, async (path) => {
      if (!path.endsWith('.json.tmp') || ((place === inbox || place === signals) && !isOld(files, path)))
        return false;
      const head = await files.read(path, HEAD_BYTES);
      return head !== undefined && isBegunByStore(head);
    });
  await removeWhere(files, journal, (path) => /\/\d{8}\.ndjson\.tmp$/.test(path));
  await removeWhere(files, lock, async (path) => {
    const [, name = '', kind] = /\/([0-9a-f]{24}\.(tmp|sock|sock\.tmp))$/.exec(path) ?? [];
    if (kind === undefined || !isOld(files, path)) return false;
    if (kind === 'tmp') return files.look(path)?.kind === 'file';
    // Whoever asks at a file that is no socket is refused too.
    return files.look(path)?.kind === 'socket' && (await answersAt(lock, name)) === 'refused';
  });
}

const HEAD_BYTES = 64;
/** A message is written in milliseconds, and a lock is taken in seconds. */
const OLD_MS = 60_000;

function isOld(files: Files, path: string): boolean {
  const found = files.look(path);
  // Not a clock that tests set: files bear the time of the system.
  return found !== undefined && performance.timeOrigin + performance.now() - found.stamp > OLD_MS;
}

async function removeWhere(
  files: Files,
  folder: string,
  isLeft: (path: string) => boolean | Promise<boolean>,
): Promise<void> {
  for (const name of files.list(folder)) {
    const path = within(folder, name);
    if (/\.(tmp|sock)$/.test(name) && (await isLeft(path))) files.remove(path);
  }
}
