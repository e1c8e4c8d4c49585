import { resolve } from 'node:path';

import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import { checkRunId, RunActiveError, UnknownRunError } from '../../errors/storageErrors';
import { pauses } from '../../streams/yieldOften';
import { checkValues } from '../claimRun';
import type { Durability } from '../durability';
import { checkDurability } from '../durability';
import type { Clock } from '../ids';
import { ids } from '../ids';
import { captureSnapshot, snapshotOf } from '../snapshotText';
import type { RunMessage, Store } from '../store';
import { prunable, select } from '../summary';
import type { Files } from './files/files';
import { nodeFiles } from './files/nodeFiles';
import { layoutOf } from './layout';
import type { Owners } from './lock/owner';
import { processOwners } from './lock/owner';
import { openSession } from './openSession';
import { dropOldAnswers } from './records/cacheFiles';
import { checkStore, postMessage } from './records/inboxFiles';
import type { LogIndex } from './records/logFiles';
import { listLogs, logIndex, readLog, writeLog } from './records/logFiles';
import { deleteSnapshot, listSnapshots, loadSnapshot, writeSnapshot } from './records/snapshotFiles';
import type { Session } from './session';
import { folderReader } from './view';

/** How a store in a folder works. */
export interface LowdbStoreOptions {
  /** What an acknowledged step survives; `disk` when left out. */
  readonly durability?: Durability;
  /** Size at which a file of the journal is full; 8 MiB when left out. */
  readonly rotateBytes?: number;
  /** Tells the time for snapshots, messages and `prune`; the async scheduler when left out. */
  readonly clock?: Clock;
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
 *
 * @throws TypeError when the durability is none.
 */
export function lowdbStore(folder: string, options: LowdbStoreOptions = {}): Store {
  const { durability = 'disk', rotateBytes = 8 * 1024 * 1024, clock = asyncScheduler } = options;
  const { files = nodeFiles, owners = processOwners } = options;
  checkDurability(durability);
  const nextId = ids(clock);
  const layout = layoutOf(resolve(folder));
  const pause = pauses();
  const reader = folderReader(files, layout, owners);
  let session: Session | undefined;
  let opening: Promise<Session> | undefined;
  let closing: Promise<void> | undefined;
  /** What is known of the execution logs, as long as nobody else can write any. */
  let logs: LogIndex | undefined;
  const readLogs = () => listLogs(files, layout.logs, pause);

  const open = async (): Promise<Session> => {
    opening ??= (closing ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => openSession({ files, owners, layout, durability, rotateBytes, pause }))
      .then(
        (opened) => {
          session = opened;
          logs = logIndex(readLogs);
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

  const writing = async (): Promise<Session> => session ?? open();

  /** The open session; one that is just being opened is waited for. */
  const settled = async (): Promise<Session | undefined> => {
    await opening?.catch(() => undefined);
    return session;
  };

  return {
    claim(runId) {
      checkRunId(runId);
      return session === undefined ? open().then((opened) => opened.claim(runId)) : session.claim(runId);
    },
    async loadRun(runId) {
      checkRunId(runId);
      const open = await settled();
      return (open ?? reader).loadRun(runId);
    },
    async listRuns(query) {
      const open = await settled();
      return select(open === undefined ? await reader.runs() : open.runs(), query);
    },
    async deleteRun(runId) {
      checkRunId(runId);
      const open = await writing();
      const gone = await open.deleteRuns([runId]);
      if (gone.length === 0 && open.isClaimed(runId)) throw new RunActiveError(runId);
      return gone.length > 0;
    },
    async importRun(state) {
      checkRunId(state.runId);
      checkValues(state);
      await (await writing()).importRun(state);
    },
    async prune(limits) {
      const open = await writing();
      await open.enqueue(() => dropOldAnswers(files, layout.cache, clock.now(), pause));
      return open.deleteRuns(prunable(open.runs(), limits, clock.now()));
    },
    async post(runId, message) {
      checkRunId(runId);
      const kept = jsonValue(message, '') as RunMessage;
      if (!checkStore(files, layout.history)) throw new UnknownRunError(runId);
      await postMessage(files, layout.inbox, nextId(), runId, kept, pause);
      session?.look();
    },
    snapshots: {
      async save(name, state, metadata = {}) {
        const text = captureSnapshot(nextId(), clock.now(), name, state, metadata);
        // Before it is written: what cannot be read back must not lie in the folder.
        const snapshot = snapshotOf(text);
        await (await writing()).enqueue(() => writeSnapshot(files, layout.snapshots, text, pause));
        return snapshot;
      },
      load: (snapshotId) => loadSnapshot(files, layout.snapshots, snapshotId),
      delete: async (snapshotId) =>
        (await writing()).enqueue(() => deleteSnapshot(files, layout.snapshots, snapshotId)),
      list: () => listSnapshots(files, layout.snapshots, pause),
    },
    logs: {
      async save(log) {
        const open = await writing();
        const write = () => open.enqueue(() => writeLog(files, layout.logs, log, pause));
        await (logs === undefined ? write() : logs.save(log, write));
      },
      load: (logId) => readLog(files, layout.logs, logId),
      async list() {
        await settled();
        return logs === undefined ? readLogs() : logs.list();
      },
    },
    async close() {
      await opening?.catch(() => undefined);
      if (session === undefined) return closing;
      closing = session.close();
      session = undefined;
      logs = undefined;
      return closing;
    },
  };
}
