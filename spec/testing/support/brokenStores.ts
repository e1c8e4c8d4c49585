import type { RunEvent } from '../../../lib/model/event';
import type { SnapshotMetadata } from '../../../lib/model/snapshot';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import type { StepResult } from '../../../lib/model/stepResult';
import { StepTable } from '../../../lib/model/stepTable';
import type { Claim, Store } from '../../../lib/store/store';

/** A store in memory whose claims are changed. */
export const withClaim = (store: Store, change: (claim: Claim, runId: string) => Partial<Claim>): Store => ({
  ...store,
  claim(runId) {
    const claim = store.claim(runId) as Claim;
    return { ...claim, ...change(claim, runId) };
  },
});

const asJson = (state: RunState): RunState => ({
  ...state,
  steps: StepTable.of([...state.steps].map((step) => JSON.parse(JSON.stringify(step)) as StepResult)),
});

/** Bugs of stores in memory, and the cases that have to find them. */
export const brokenStores: Readonly<
  Record<string, readonly [bug: (store: Store) => Store, ...finds: string[]]>
> = {
  'makes up a run that nobody has begun': [
    (store) => ({
      ...store,
      loadRun: async (runId) => (await store.loadRun(runId)) ?? idleState(runId, 'chain', []),
    }),
    'claim: knows nothing of an id it has not seen',
  ],
  'mixes up runs that are carried on side by side': [
    (store) => {
      let latest: Claim | undefined;
      return withClaim(store, (claim) => {
        latest = claim;
        return { append: (event) => latest?.append(event) };
      });
    },
    'claim: carries on several runs side by side',
  ],
  'loses an event': [
    (store) =>
      withClaim(store, ({ append }) => ({
        append: (event) =>
          event.type === 'step.completed' && event.path === 's1' ? undefined : append(event),
      })),
    'claim: gives back the fold of what was appended',
  ],
  'hands out what it saves': [
    (store) => {
      const handedOut = new Map<string, RunState>();
      return {
        ...store,
        loadRun: async (runId) => {
          const state = handedOut.get(runId) ?? (await store.loadRun(runId));
          if (state !== undefined) handedOut.set(runId, state);
          return state;
        },
      };
    },
    'values: stay as they are saved when who has read them changes them',
  ],
  'loses what is noted': [
    (store) => withClaim(store, () => ({ note: () => undefined })),
    'claim: keeps what was only noted',
  ],
  'keeps nothing of a run before its end': [
    (store) =>
      withClaim(store, ({ append }) => {
        const early: RunEvent[] = [];
        const put = (event: RunEvent) => {
          early.push(event);
          if (event.type === 'run.completed') for (const one of early) void append(one);
        };
        return { append: put, note: put };
      }),
    'claim: shows a run while it is under way',
  ],
  'mixes up what is appended at once': [
    (store) =>
      withClaim(store, ({ append }) => ({
        append: async (event) => {
          await new Promise((resolve) => setTimeout(resolve, event.seq % 2 === 0 ? 2 : 0));
          await append(event);
        },
      })),
    'claim: keeps the order of events that are appended at once',
  ],
  'begins every life with nothing': [
    (store) => withClaim(store, () => ({ state: undefined })),
    'claim: hands the state to the next claim',
  ],
  'lets two carry on one run': [
    (store) => {
      const claims = new Map<string, Claim>();
      return {
        ...store,
        claim(runId) {
          const claim = claims.get(runId) ?? (store.claim(runId) as Claim);
          claims.set(runId, claim);
          return { ...claim, release: (state) => (claims.delete(runId) ? claim.release(state) : undefined) };
        },
      };
    },
    'claim: gives one at a time',
    'claim: gives exactly one of two that are asked for at once',
  ],
  'deletes a run that is under way': [
    (store) => {
      const gone = new Set<string>();
      return {
        ...store,
        deleteRun: async (runId) => store.deleteRun(runId).catch(() => gone.add(runId).size > 0),
      };
    },
    'claim: gives one at a time',
  ],
  'says that it has deleted, and has not': [
    (store) => ({ ...store, deleteRun: () => Promise.resolve(true) }),
    'claim: forgets its state when it is deleted, and takes the id anew',
  ],
  'gives a changed value': [
    (store) =>
      withClaim(store, ({ append }) => ({
        append: (event) =>
          append(JSON.parse(JSON.stringify(event).replaceAll('\\u0000', '')) as typeof event),
      })),
    'values: come back unchanged',
  ],
  'keeps the objects of the user': [
    (store) =>
      withClaim(store, ({ append, note, release }) => {
        const kept: RunEvent[] = [];
        const put = (event: RunEvent) => {
          kept.push(event);
        };
        return {
          append: put,
          note: put,
          release: (state) => {
            for (const event of kept)
              if (event.type === 'step.started') note(event);
              else void append(event);
            return release(state);
          },
        };
      }),
    'values: are kept as they were when they were appended',
  ],
  'freezes the values of the user': [
    (store) =>
      withClaim(store, ({ append }) => ({
        append: (event) => {
          if (event.type === 'step.completed') Object.freeze(event.output);
          return append(event);
        },
      })),
    'values: belong to the user, unfrozen and unchanged',
  ],
  'promises to keep every value, and does not': [
    (store) => withClaim(store, () => ({ checksValues: false })),
    'values: that JSON would change are asked to be refused, or kept',
  ],
  'takes any id': [
    (store) => ({ ...store, claim: (runId) => store.claim(runId.slice(0, 200) || 'empty') }),
    'ids: of no or more than 200 characters are refused by name',
  ],
  'does not tell ids apart by case': [
    (store) => ({ ...store, claim: (runId) => store.claim(runId.toLowerCase()) }),
    'ids: of any other kind are taken as they are, and kept apart',
  ],
  'lists the oldest first': [
    (store) => ({ ...store, listRuns: async (query) => [...(await store.listRuns(query))].reverse() }),
    'listRuns: gives the newest first',
  ],
  'does not filter': [
    (store) => ({ ...store, listRuns: () => store.listRuns() }),
    'listRuns: gives the newest first',
    'listRuns: filters by status, name and time',
    'listRuns: finds runs by the step that failed',
    'listRuns: tells what a crash left behind from what is under way',
  ],
  'does not say when a run has ended': [
    (store) => ({
      ...store,
      listRuns: async (query) => (await store.listRuns(query)).map(({ endedAt: _, ...line }) => line),
    }),
    'listRuns: says how a run went',
  ],
  'forgets where a run comes from that is put in': [
    (store) => ({
      ...store,
      importRun: ({ forkedFrom: _, ...state }) => store.importRun(state),
    }),
    'importRun: puts in a run that can be claimed and resumed',
  ],
  'puts in whatever JSON makes of a state': [
    (store) => ({ ...store, importRun: (state) => store.importRun(asJson(state)) }),
    'importRun: refuses a state that it would change, and keeps nothing of it',
  ],
  'replaces a run by one that is put in': [
    (store) => ({
      ...store,
      importRun: async (state) => {
        await store.deleteRun(state.runId);
        await store.importRun(state);
      },
    }),
    'importRun: refuses an id that is taken',
  ],
  'forgets all that has ended': [
    (store) => ({ ...store, prune: () => store.prune({}) }),
    'prune: forgets the runs that ended long ago, except the newest',
  ],
  'forgets what a crash left behind': [
    (store) => ({
      ...store,
      prune: async (limits) => {
        const resting = await store.listRuns({ isResting: true, status: 'RUNNING' });
        for (const { runId } of resting) await store.deleteRun(runId);
        return store.prune(limits);
      },
    }),
    'prune: leaves runs that go on, wait, or were left behind',
  ],
  'drops the metadata of snapshots': [
    (store) => ({
      ...store,
      snapshots: { ...store.snapshots, save: (name, state) => store.snapshots.save(name, state) },
    }),
    'snapshots: give back what was saved',
  ],
  'keeps whatever JSON makes of the metadata of snapshots': [
    (store) => ({
      ...store,
      snapshots: {
        ...store.snapshots,
        save: (name, state, metadata) =>
          store.snapshots.save(name, state, JSON.parse(JSON.stringify(metadata ?? {})) as SnapshotMetadata),
      },
    }),
    'snapshots: refuse metadata that JSON cannot keep',
  ],
  'saves whatever JSON makes of a state': [
    (store) => ({
      ...store,
      snapshots: {
        ...store.snapshots,
        save: (name, state, metadata) => store.snapshots.save(name, asJson(state), metadata),
      },
    }),
    'snapshots: refuse a state that they would change, and keep nothing of it',
  ],
  'captures snapshots late': [
    (store) => ({
      ...store,
      snapshots: {
        ...store.snapshots,
        save: async (name, state, metadata) => {
          await Promise.resolve();
          return store.snapshots.save(name, state, metadata);
        },
      },
    }),
    'snapshots: capture the state at once',
  ],
  'saves one snapshot at a time and drops the others': [
    (store) => {
      let latest: ReturnType<Store['snapshots']['save']> | undefined;
      return {
        ...store,
        snapshots: {
          ...store.snapshots,
          save: (...given) => {
            latest ??= store.snapshots.save(...given).finally(() => (latest = undefined));
            return latest;
          },
        },
      };
    },
    'snapshots: are all kept when many are saved at once',
  ],
  'lists snapshots the oldest first': [
    (store) => ({
      ...store,
      snapshots: { ...store.snapshots, list: async () => [...(await store.snapshots.list())].reverse() },
    }),
    'snapshots: are listed the newest first, without bodies',
  ],
  'gives nothing for an unknown snapshot': [
    (store) => ({
      ...store,
      snapshots: {
        ...store.snapshots,
        load: async (snapshotId) => store.snapshots.load(snapshotId).catch(() => undefined as never),
      },
    }),
    'snapshots: that are unknown are refused by name',
  ],
  'says that it has deleted a snapshot, and has not': [
    (store) => ({ ...store, snapshots: { ...store.snapshots, delete: () => Promise.resolve(true) } }),
    'snapshots: say whether there was one to delete',
  ],
  'loses messages that are not heard at once': [
    (store) => {
      const isHeard = new Set<string>();
      return {
        ...withClaim(store, ({ inbox }, runId) => ({
          inbox: (listener) => {
            isHeard.add(runId);
            return inbox(listener);
          },
        })),
        post: async (runId, message) => (isHeard.has(runId) ? store.post(runId, message) : undefined),
      };
    },
    'inbox: hands over what waits, in order, in every life until it is done with',
  ],
  'tells messages in one life only': [
    (store) =>
      withClaim(store, ({ inbox }) => ({
        inbox: (listener) =>
          inbox((message) => {
            message.done();
            listener(message);
          }),
      })),
    'inbox: hands over what waits, in order, in every life until it is done with',
  ],
  'never forgets a message': [
    (store) =>
      withClaim(store, ({ inbox }) => ({
        inbox: (listener) =>
          inbox((message) => {
            listener({ ...message, done: () => undefined });
          }),
      })),
    'inbox: hands over what waits, in order, in every life until it is done with',
  ],
  'tells messages to who has left': [
    (store) =>
      withClaim(store, ({ inbox }) => ({
        inbox: (listener) => {
          inbox(listener);
          return () => undefined;
        },
      })),
    'inbox: tells a message that comes later, until it is left',
  ],
  'makes up execution logs': [
    (store) => ({
      ...store,
      logs: {
        ...store.logs,
        load: async (logId) =>
          (await store.logs.load(logId)) ??
          ({ logId, workflowName: '', startTime: '', endTime: null, status: 'running', steps: [] } as const),
      },
    }),
    'logs: know nothing of an id they have not seen',
  ],
  'drops the steps of execution logs': [
    (store) => ({ ...store, logs: { ...store.logs, save: (log) => store.logs.save({ ...log, steps: [] }) } }),
    'logs: keep an execution log',
    'logs: are listed the latest first, without their steps',
  ],
  'lists execution logs in any order': [
    (store) => ({
      ...store,
      logs: {
        ...store.logs,
        list: async () => [...(await store.logs.list())].sort((a, b) => (a.logId < b.logId ? -1 : 1)),
      },
    }),
    'logs: are listed the latest first, without their steps',
  ],
  'keeps answers as they are in memory': [
    (store) => {
      const answers = new Map<string, never>();
      const cache = {
        get: (key: string) => answers.get(key),
        set: (key: string, answer: unknown) => void answers.set(key, answer as never),
      };
      return withClaim(store, () => ({ cache }));
    },
    'cache: gives what was kept under a key, as it was',
  ],
  'forgets everything when it is closed': [
    (store) => ({
      ...store,
      close: async () => {
        for (const { runId } of await store.listRuns({ isResting: true })) await store.deleteRun(runId);
      },
    }),
    'close: keeps what has been written readable',
  ],
  'cannot be closed twice': [
    (store) => {
      let isClosed = false;
      return {
        ...store,
        close: async () => {
          if (isClosed) throw new Error('closed');
          isClosed = true;
          return store.close();
        },
      };
    },
    'close: may be called again',
  ],
};
