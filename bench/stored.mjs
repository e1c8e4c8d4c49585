/** Folders of the benchmark, and files that are counted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { nodeFiles } from './millrace.mjs';

/** A folder on a real disk (`BENCH_FOLDER`, for /tmp may be memory), removed at exit. */
export function folder() {
  const path = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'millrace-bench-'));
  process.on('exit', () => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The files of a store, and how much goes into them: bytes and syncs of the journal, and of all else. */
export function countedFiles() {
  const count = { journalBytes: 0, fileBytes: 0, journalSyncs: 0, fileSyncs: 0 };
  const journals = new Set();
  return {
    count,
    files: {
      ...nodeFiles,
      create(path) {
        const file = nodeFiles.create(path);
        if (path.includes('journal')) journals.add(file);
        else journals.delete(file);
        return file;
      },
      write(file, bytes, position) {
        const written = nodeFiles.write(file, bytes, position);
        count[journals.has(file) ? 'journalBytes' : 'fileBytes'] += written;
        return written;
      },
      sync(file) {
        count[journals.has(file) ? 'journalSyncs' : 'fileSyncs'] += 1;
        return nodeFiles.sync(file);
      },
    },
  };
}
