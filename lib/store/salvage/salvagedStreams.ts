import { join } from 'node:path';

import type { Pause } from '../../streams/yieldOften';
import type { Files } from '../folder/files/files';
import { copyStream, readStream } from '../folder/records/streamFiles';
import type { Leave } from './leftOut';
import { intact, isFolder } from './leftOut';
import { scanIntact } from './salvagedRuns';

/**
 * Copies the streams of a folder, each as of its latest record before the first damage; without `to` it only looks. Offsets and tables
 * stand in one record, so an earlier one is whole: what came after it is read again.
 */
export async function copyIntactStreams(
  files: Files,
  from: string,
  to: string | undefined,
  leave: Leave,
  pause: Pause,
): Promise<void> {
  if (!isFolder(files, from, leave)) return;
  let isMade = false;
  for (const name of files.list(from)) {
    const folder = join(from, name);
    if (!isFolder(files, folder, leave)) continue;
    const read = await intact(folder, leave, async () => {
      const found = await readStream(files, folder, pause, (all, store, after) =>
        scanIntact(all, store, after, leave, pause),
      );
      found?.tables.summary(found.name); // Changes that do not fit are noticed when somebody looks.
      return found;
    });
    if (read === undefined || to === undefined) continue;
    await copyStream(files, to, read, pause);
    isMade = true;
  }
  if (isMade && to !== undefined) await files.syncFolder(to);
}
