import { join } from 'node:path';

import { StorageError, StoreCorruptError } from '../../errors/storageErrors';
import type { Pause } from '../../streams/yieldOften';
import type { FileKind } from '../folder/files/checkedFile';
import { parseChecked } from '../folder/files/checkedFile';
import type { Files } from '../folder/files/files';
import { writeNewFile } from '../folder/files/nodeFiles';
import { fileName } from '../folder/layout';
import { readLog } from '../folder/records/logFiles';
import { loadSnapshot } from '../folder/records/snapshotFiles';
import type { Leave } from './leftOut';
import { intact, isFolder } from './leftOut';

/** Copies the intact files of one folder as they are; without `to` it only looks which are. */
export async function copyIntactFiles(
  files: Files,
  from: string,
  to: string | undefined,
  kind: FileKind,
  leave: Leave,
  pause: Pause,
): Promise<void> {
  if (!isFolder(files, from, leave)) return;
  let isMade = false;
  for (const name of files.list(from)) {
    if (!name.endsWith('.json')) continue;
    const path = join(from, name);
    const bytes = await intact(path, leave, async () => {
      const read = await files.read(path);
      if (read !== undefined) await check(files, from, path, kind, read);
      return read;
    });
    if (bytes === undefined || to === undefined) continue;
    if (!isMade) files.makeFolder(to);
    isMade = true;
    const copy = join(to, name);
    try {
      await writeNewFile(files, copy, bytes);
    } catch (error) {
      throw new StorageError('write', copy, error);
    }
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  if (isMade && to !== undefined) await files.syncFolder(to);
}

async function check(
  files: Files,
  folder: string,
  path: string,
  kind: FileKind,
  bytes: Buffer,
): Promise<void> {
  const fields = parseChecked(path, kind, bytes);
  const named = kind === 'snapshot' ? fields['snapshotId'] : fields['logId'];
  const id = typeof named === 'string' ? named : '';
  if ((kind === 'snapshot' || kind === 'log') && join(folder, `${fileName(id)}.json`) !== path)
    throw new StoreCorruptError(path, 0, 'its name is that of another one');
  if (kind === 'snapshot') await loadSnapshot(files, folder, id);
  if (kind === 'log') await readLog(files, folder, id);
}
