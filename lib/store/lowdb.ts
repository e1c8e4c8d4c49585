import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Durability } from './durability';
import type { Files } from './files';
import { checkRunId } from './invalidRunIdError';
import type { Layout } from './layout';
import { layoutOf } from './layout';
import { nodeFiles } from './nodeFiles';
import { openSession } from './openSession';
import type { Owners } from './owner';
import { processOwners } from './owner';
import { pauses } from './pause';
import type { Session } from './session';
import type { Store } from './store';
import { select, summaryOf } from './summary';
import type { View } from './view';
import { readResting, readView } from './view';

/** How a store in a folder works. */
export interface LowdbStoreOptions {
  /** What an acknowledged step survives; `disk` when left out. */
  readonly durability?: Durability;
  /** Size at which a file of the journal is full; 8 MiB when left out. */
  readonly rotateBytes?: number;
  /** The file system; for tests. */
  readonly files?: Files;
  /** Who owns locks; for tests. */
  readonly owners?: Owners;
}

/**
 * A store in a folder: one lowdb JSON file a run, and one journal of what has happened since those were written.
 *
 * Nothing is opened before the first use. The first claim takes the lock, which `close()` gives back; a process that has
 * died holds nothing. Anybody may read meanwhile.
 */
export function lowdbStore(folder: string, options: LowdbStoreOptions = {}): Store {
  const {
    durability = 'disk',
    rotateBytes = 8 * 1024 * 1024,
    files = nodeFiles,
    owners = processOwners,
  } = options;
  const layout = layoutOf(resolve(folder));
  const pause = pauses();
  let session: Session | undefined;
  let opening: Promise<Session> | undefined;
  let closing: Promise<void> | undefined;

  const open = async (): Promise<Session> => {
    opening ??= (closing ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => openSession({ files, owners, layout, durability, rotateBytes, pause }))
      .then(
        (opened) => {
          session = opened;
          opening = undefined;
          return opened;
        },
        (error: unknown) => {
          opening = undefined;
          throw error;
        },
      );
    return opening;
  };

  const read = () => readStable(files, layout);

  return {
    claim(runId) {
      checkRunId(runId);
      return session === undefined ? open().then((opened) => opened.claim(runId)) : session.claim(runId);
    },
    async loadRun(runId) {
      checkRunId(runId);
      await opening?.catch(() => undefined);
      return session === undefined ? loadFrom(files, layout, runId) : session.loadRun(runId);
    },
    async listRuns(query) {
      await opening?.catch(() => undefined);
      return select(session === undefined ? summariesOf(await read()) : session.summaries(), query);
    },
    async deleteRun(runId) {
      checkRunId(runId);
      return (session ?? (await open())).deleteRun(runId);
    },
    async close() {
      await opening?.catch(() => undefined);
      if (session === undefined) return closing;
      closing = session.close();
      session = undefined;
      return closing;
    },
  };
}

/** Reads the folder while another process may be writing: what changed meanwhile is read again. */
async function readStable<T = View>(
  files: Files,
  layout: Layout,
  use?: (view: View) => Promise<T>,
): Promise<T> {
  for (let round = 1; ; round += 1) {
    const before = stamp(files, layout);
    try {
      const view = await readView(files, layout, pauses());
      const result = use === undefined ? (view as T) : await use(view);
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

function loadFrom(files: Files, layout: Layout, runId: string) {
  return readStable(files, layout, async (view) => {
    const run = view.tail.get(runId);
    if (run !== undefined) return run.state;
    const line = view.lines.get(runId);
    return line === undefined ? undefined : readResting(files, layout, line);
  });
}

function* summariesOf({ lines, tail }: View) {
  for (const [runId, line] of lines) if (!tail.has(runId)) yield line;
  for (const { state } of tail.values()) if (state !== undefined) yield summaryOf(state);
}
