import { setTimeout as sleep } from 'node:timers/promises';

import type { RunState } from '../model/state';
import type { Files } from './files';
import { summaryIn } from './historyFile';
import type { Layout } from './layout';
import { isLocked } from './lock';
import type { Owners } from './owner';
import { pauses } from './pause';
import type { ListedRun } from './summary';
import { summaryOf } from './summary';
import type { View } from './view';
import { readResting, readView } from './view';

/** The runs of a folder, for who has not opened it for writing: another process may be writing there. */
export interface FolderReader {
  loadRun(runId: string): Promise<RunState | undefined>;
  runs(): Promise<Iterable<ListedRun>>;
}

/** Reads the folder anew each time it is asked. */
export function folderReader(files: Files, layout: Layout, owners: Owners): FolderReader {
  return {
    loadRun: (runId) =>
      readStable(files, layout, async (view) => {
        const run = view.tail.get(runId);
        if (run !== undefined) return run.state;
        const line = view.lines.get(runId);
        return line === undefined ? undefined : readResting(files, layout, line);
      }),
    async runs() {
      const view = await readStable(files, layout, (found) => found);
      return listed(view, isLocked(files, layout.lock, owners));
    },
  };
}

/** Reads while another process may be writing: what changed meanwhile is read again. */
async function readStable<T>(files: Files, layout: Layout, use: (view: View) => T | Promise<T>): Promise<T> {
  for (let round = 1; ; round += 1) {
    const before = stamp(files, layout);
    try {
      const result = await use(await readView(files, layout, pauses()));
      if (round >= 8 || stamp(files, layout) === before) return result;
    } catch (error) {
      if (round >= 8 || (round >= 3 && stamp(files, layout) === before)) throw error;
    }
    await sleep(round * 5, undefined, { ref: true });
  }
}

/** Changes whenever files of the journal come or go, which is when run files and history have changed. */
function stamp(files: Files, layout: Layout): string {
  return files.list(layout.journal).join();
}

/** Where somebody writes to the store, a run that has not ended may be under way. */
function* listed({ lines, tail }: View, isWritten: boolean): Generator<ListedRun> {
  for (const [runId, line] of lines) {
    if (!tail.has(runId)) yield { run: summaryIn(line), isResting: !isWritten || line.status !== 'RUNNING' };
  }
  for (const { state } of tail.values()) {
    if (state !== undefined)
      yield { run: summaryOf(state), isResting: !isWritten || state.status !== 'RUNNING' };
  }
}
