import { resolve } from 'node:path';

import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import { checkRunId, RunActiveError, UnknownRunError } from '../../errors/storageErrors';
import { InvalidArgumentError } from '../../model/failure';
import type { RunMessage } from '../../model/message';
import { pauses } from '../../streams/yieldOften';
import { checkValues } from '../claimRun';
import type { Durability } from '../durability';
import { checkDurability } from '../durability';
import type { Clock } from '../ids';
import { ids } from '../ids';
import { addressMessage } from '../messages';
import { captureSnapshot, snapshotOf } from '../snapshotText';
import type { Store } from '../store';
import { prunable, select } from '../summary';
import type { Files } from './files/files';
import { GuardedFiles } from './files/guardedFiles';
import { nodeFiles } from './files/nodeFiles';
import { layoutOf } from './layout';
import type { Owners } from './lock/owner';
import { processOwners } from './lock/owner';
import { closedInProcess, openInProcess } from './openFolders';
import { openSession } from './openSession';
import { dropOldAnswers } from './records/cacheFiles';
import { checkStore, postMessage } from './records/inboxFiles';
import type { LogIndex } from './records/logFiles';
import { listLogs, logIndex, readLog, writeLog } from './records/logFiles';
import { deleteSnapshot, listSnapshots, loadSnapshot, writeSnapshot } from './records/snapshotFiles';
import { listStreams } from './records/streamFiles';
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
 * @throws TypeError for an unknown durability or an empty path, RangeError for a size that is not above 0.
 */
export function lowdbStore(folder: string, options: LowdbStoreOptions = {}): Store {
  const { durability = 'disk', rotateBytes = 8 * 1024 * 1024, clock = asyncScheduler } = options;
  const { owners = processOwners } = options;
  checkDurability(durability);
  checkPlace(folder, rotateBytes);
  const nextId = ids(clock);
  const layout = layoutOf(resolve(folder));
  const files = new GuardedFiles(options.files ?? nodeFiles, [layout]);
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
      .then(async () => {
        const broken = session;
        session = undefined;
        await broken?.abandon().catch(() => undefined); // Its runs have been told what broke it.
        return openInProcess(layout.folder, store, () =>
          openSession({ files, owners, layout, durability, rotateBytes, pause }),
        );
      })
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

  /** The open session, unless it has broken: then the folder is opened anew, as another process would. */
  const usable = (): Session | undefined => (session?.failure() === undefined ? session : undefined);

  const writing = async (): Promise<Session> => usable() ?? open();

  /** The open session; one that is just being opened is waited for. */
  const settled = async (): Promise<Session | undefined> => {
    await opening?.catch(() => undefined);
    return session;
  };

  const store: Store = {
    claim(runId) {
      checkRunId(runId);
      return usable()?.claim(runId) ?? open().then((opened) => opened.claim(runId));
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
      await open.enqueue((own) => dropOldAnswers(own, layout.cache, clock.now(), pause));
      return open.deleteRuns(prunable(open.runs(), limits, clock.now()));
    },
    async post(runId, message) {
      checkRunId(runId);
      const kept = jsonValue(message, '') as RunMessage;
      if (!checkStore(files, layout.history)) throw new UnknownRunError(runId);
      const open = await settled();
      const meant = addressMessage(runId, await (open ?? reader).loadRun(runId), kept, clock.now());
      const name = await postMessage(files, layout.inbox, nextId(), runId, meant, pause);
      session?.posted(name);
      return meant;
    },
    async attend(attendant) {
      return (await writing()).attend(attendant);
    },
    snapshots: {
      async save(name, state, metadata = {}) {
        const text = captureSnapshot(nextId(), clock.now(), name, state, metadata);
        // Before it is written: what cannot be read back must not lie in the folder.
        const snapshot = snapshotOf(text);
        await (await writing()).enqueue((own) => writeSnapshot(own, layout.snapshots, text, pause));
        return snapshot;
      },
      load: (snapshotId) => loadSnapshot(files, layout.snapshots, snapshotId),
      delete: async (snapshotId) =>
        (await writing()).enqueue((own) => deleteSnapshot(own, layout.snapshots, snapshotId)),
      list: () => listSnapshots(files, layout.snapshots, pause),
    },
    logs: {
      async save(log) {
        const open = await writing();
        const write = () => open.enqueue((own) => writeLog(own, layout.logs, log, pause));
        await (logs === undefined ? write() : logs.save(log, write));
      },
      load: (logId) => readLog(files, layout.logs, logId),
      async list() {
        await settled();
        return logs === undefined ? readLogs() : logs.list();
      },
    },
    streams: {
      async claim(name) {
        return (await writing()).streams.claim(name);
      },
      list: () => listStreams(files, layout.streams, pause),
      async delete(name) {
        return (await writing()).streams.delete(name);
      },
    },
    async close() {
      await opening?.catch(() => undefined);
      const open = session;
      if (open === undefined) return closing;
      session = undefined;
      logs = undefined;
      const ending = (closing = open.failure() === undefined ? open.close() : open.abandon());
      try {
        await ending;
      } finally {
        // One that failed is not told again: the lock has been given back, and the journal holds everything.
        if (closing === ending) closing = undefined;
        closedInProcess(layout.folder);
      }
      return undefined;
    },
  };
  return store;
}

/** @throws InvalidArgumentError */
function checkPlace(folder: unknown, rotateBytes: number): void {
  if (typeof folder !== 'string' || folder === '')
    throw new InvalidArgumentError('Cannot make a store without a folder', 'give the path of one');
  if (!(rotateBytes > 0))
    throw new InvalidArgumentError(
      `Cannot make a store with rotateBytes ${String(rotateBytes)}`,
      'give a number above 0',
    );
}
