import { crc32 } from 'node:zlib';

import { StoreCorruptError, UnknownSnapshotError } from '../../../errors/storageErrors';
import type { Snapshot, SnapshotSummary } from '../../../model/snapshot';
import type { Pause } from '../../../streams/yieldOften';
import type { SnapshotText } from '../../snapshotText';
import { readSnapshot, readSummary } from '../../snapshotText';
import {
  makeSideFolder,
  readChecked,
  readEach,
  removeOurs,
  within,
  writeChecked,
} from '../files/checkedFile';
import type { Files } from '../files/files';
import { hex } from '../journal/journalRecord';
import { fileName } from '../layout';

/** Writes a snapshot: what is said about it first, with a checksum of its own, so that listing reads no bodies. */
export async function writeSnapshot(
  files: Files,
  folder: string,
  { summary, state }: SnapshotText,
  pause: Pause,
): Promise<void> {
  await makeSideFolder(files, folder);
  const head = Object.entries(summary).map(([name, value]) => [name, JSON.stringify(value)] as const);
  const fields = [
    ...head,
    [HEAD_CRC, JSON.stringify(headCrc(summary))] as const,
    ['executionState', state] as const,
  ];
  await writeChecked(files, pathOf(folder, summary.snapshotId), 'snapshot', fields, pause);
}

/** @throws UnknownSnapshotError, StoreCorruptError */
export async function loadSnapshot(files: Files, folder: string, snapshotId: string): Promise<Snapshot> {
  const path = pathOf(folder, snapshotId);
  const fields = await readChecked(files, path, 'snapshot');
  if (fields === undefined) throw new UnknownSnapshotError(snapshotId);
  const snapshot = readSnapshot(fields, fields['executionState'], (why) => {
    throw new StoreCorruptError(path, 0, why);
  });
  if (snapshot.snapshotId !== snapshotId) throw new StoreCorruptError(path, 0, 'it holds another snapshot');
  return snapshot;
}

/** False when there was none. */
export function deleteSnapshot(files: Files, folder: string, snapshotId: string): Promise<boolean> {
  return removeOurs(files, pathOf(folder, snapshotId), 'snapshot');
}

/** What is said about the snapshots, newest first. */
export async function listSnapshots(
  files: Files,
  folder: string,
  pause: Pause,
): Promise<readonly SnapshotSummary[]> {
  const summaries = await readEach(files, folder, pause, async (path) => {
    const bytes = await files.read(path, HEAD_BYTES);
    return bytes && headOf(files, path, bytes.toString());
  });
  return [...summaries].sort((a, b) => (a.snapshotId < b.snapshotId ? 1 : -1));
}

const HEAD_BYTES = 8192;
const HEAD_CRC = 'headCrc32';

async function headOf(files: Files, path: string, text: string): Promise<SnapshotSummary> {
  const refuse = (why: string): never => {
    throw new StoreCorruptError(path, 0, why);
  };
  const end = text.indexOf(`,\n"${HEAD_CRC}": "`);
  if (end === -1) {
    // Long metadata: the whole file has to be read.
    const fields = await readChecked(files, path, 'snapshot');
    return readSummary(fields, refuse);
  }
  let head: unknown;
  try {
    head = JSON.parse(`${text.slice(0, end)}}`);
  } catch {
    return refuse('it is no snapshot');
  }
  const summary = readSummary(head, refuse);
  if (!text.startsWith(`,\n"${HEAD_CRC}": "${headCrc(summary)}"`, end))
    return refuse('the checksum of its head differs');
  return summary;
}

function headCrc({ snapshotId, name, timestamp, runId, metadata }: SnapshotSummary): string {
  return hex(crc32(JSON.stringify([snapshotId, name, timestamp, runId, metadata])));
}

function pathOf(folder: string, snapshotId: string): string {
  return within(folder, `${fileName(snapshotId)}.json`);
}
