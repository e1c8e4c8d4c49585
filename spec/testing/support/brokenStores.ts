import type { Observable } from 'rxjs';
import { catchError, EMPTY, filter, map, of, take } from 'rxjs';

import type { RunEvent } from '../../../lib/model/event';
import type { RunMessage } from '../../../lib/model/message';
import type { SnapshotMetadata } from '../../../lib/model/snapshot';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import type { StepResult } from '../../../lib/model/stepResult';
import { StepTable } from '../../../lib/model/stepTable';
import type { Attendant, Claim, KeptEvent, QueuedTurn, Store } from '../../../lib/store/store';
import type { KeptSignal, SignalBox, SignalRest } from '../../../lib/store/signalRest';
import type { StreamClaim } from '../../../lib/store/streamRest';

/** Makes a broken store of a sound one. */
type Bug = (store: Store) => Store;

/** A store in memory whose claims are changed. */
export const withClaim = (store: Store, change: (claim: Claim, runId: string) => Partial<Claim>): Store => ({
  ...store,
  claim(runId) {
    const claim = store.claim(runId) as Claim;
    return { ...claim, ...change(claim, runId) };
  },
});

/** A bug in what a store itself does. */
const inStore =
  (change: (store: Store) => Partial<Store>): Bug =>
  (store) => ({ ...store, ...change(store) });

/** A bug in the claims. */
const inClaims =
  (change: (claim: Claim) => Partial<Claim>): Bug =>
  (store) =>
    withClaim(store, change);

/** A bug in how a claim appends. */
const inAppend = (append: (event: RunEvent, claim: Claim) => ReturnType<Claim['append']>): Bug =>
  inClaims((claim) => ({ append: (event) => append(event, claim) }));

/** A bug in how a claim tells messages. */
const inInbox = (
  inbox: (listener: Parameters<Claim['inbox']>[0], claim: Claim) => ReturnType<Claim['inbox']>,
): Bug => inClaims((claim) => ({ inbox: (listener) => inbox(listener, claim) }));

/** A bug in the events that are kept. */
const inEvents = (change: (events: Observable<KeptEvent>) => Observable<KeptEvent>): Bug =>
  inStore(({ events }) => ({ events: (runId, options) => change(events(runId, options)) }));

/** A bug in the snapshots. */
const inSnapshots = (change: (snapshots: Store['snapshots']) => Partial<Store['snapshots']>): Bug =>
  inStore(({ snapshots }) => ({ snapshots: { ...snapshots, ...change(snapshots) } }));

/** A bug in the execution logs. */
const inLogs = (change: (logs: Store['logs']) => Partial<Store['logs']>): Bug =>
  inStore(({ logs }) => ({ logs: { ...logs, ...change(logs) } }));

/** A bug in the claims of streams. */
const inStreams = (change: (claim: StreamClaim) => Partial<StreamClaim>): Bug =>
  inStore(({ streams }) => ({
    streams: {
      ...streams,
      claim: async (name) => {
        const claim = await streams.claim(name);
        return { ...claim, ...change(claim) };
      },
    },
  }));

/** A bug in what whoever serves is told. */
const inAttendant = (change: (attendant: Attendant) => Attendant): Bug =>
  inStore(({ attend }) => ({ attend: (attendant) => attend(change(attendant)) }));

/** A bug in the signals that anybody may add. */
const inSignals = (change: (signals: SignalRest) => Partial<SignalRest>): Bug =>
  inStore(({ signals }) => {
    const { add, list, remove } = signals;
    const sound = { add: add.bind(signals), list: list.bind(signals), remove: remove.bind(signals) };
    return { signals: { ...sound, ...change(sound) } };
  });

/** A bug in the signals of whoever serves. */
const inSignalBox = (change: (box: SignalBox) => Partial<SignalBox>): Bug =>
  inStore(({ attend }) => ({
    attend: async (attendant) => {
      const attendance = await attend(attendant);
      const { signals } = attendance;
      const sound: SignalBox = {
        hear: (name, listener) => signals.hear(name, listener),
        give: (signal, runId, answer) => signals.give(signal, runId, answer),
        putBack: (signal, done) => {
          signals.putBack(signal, done);
        },
      };
      return {
        messages: (runId) => attendance.messages(runId),
        takeQueued: (now) => attendance.takeQueued(now),
        queuedAt: () => attendance.queuedAt(),
        leave: () => {
          attendance.leave();
        },
        signals: { ...sound, ...change(sound) },
      };
    },
  }));

/** A bug in the turns of queued runs. */
const inTurn = (change: (turn: QueuedTurn) => Partial<QueuedTurn>): Bug =>
  inStore(({ attend }) => ({
    attend: async (attendant) => {
      const attendance = await attend(attendant);
      const takeQueued = (now: number) => {
        const turn = attendance.takeQueued(now);
        return turn && { ...turn, ...change(turn) };
      };
      return { ...attendance, takeQueued };
    },
  }));

/** The methods of a queue, to spread. */
const queueOf = (queue: Store['queue']): Store['queue'] => ({
  add: (run, most) => queue.add(run, most),
  size: () => queue.size(),
  remove: (runId) => queue.remove(runId),
});

const asJson = (state: RunState): RunState => ({
  ...state,
  steps: StepTable.of([...state.steps].map((step) => JSON.parse(JSON.stringify(step)) as StepResult)),
});

/** Bugs of stores in memory, and the cases that have to find them. */
export const brokenStores: Readonly<Record<string, readonly [bug: Bug, ...finds: string[]]>> = {
  'numbers kept events by their seq': [
    inEvents((events) => events.pipe(map(({ event }) => ({ event, offset: event.seq })))),
    'events: stay in order, numbered without gaps, and folded give the state',
  ],
  'always begins with the first event': [
    inStore(({ events }) => ({ events: (runId) => events(runId) })),
    'events: begin behind an offset',
  ],
  'ends the events of a life under way': [
    inEvents((events) => events.pipe(take(2))),
    'events: follow a life under way, and end with it',
  ],
  'takes nobody for live': [
    inStore(({ events }) => ({ events: (runId, options) => events(runId, { ...options, live: false }) })),
    'events: go on with later lives when they are followed live, until the run is forgotten',
  ],
  'forgets how a run stood that was put in': [
    inEvents((events) => events.pipe(filter(({ event }) => event.type !== 'run.imported'))),
    'events: of a run that was put in begin with how it stood',
  ],
  'knows no events of a run that it does not have': [
    inEvents((events) => events.pipe(catchError(() => EMPTY))),
    'events: of nobody are refused, and go with their run',
  ],
  'tells no run that is gone': [
    inStore(({ changes }) => ({ changes: () => changes().pipe(filter((change) => !('gone' in change))) })),
    'changes: tell how runs stand when they have changed, and which are gone',
  ],
  'makes up a run that nobody has begun': [
    inStore(({ loadRun }) => ({
      loadRun: async (runId) => (await loadRun(runId)) ?? idleState(runId, 'chain', []),
    })),
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
    inAppend((event, { append }) =>
      event.type === 'step.completed' && event.path === 's1' ? undefined : append(event),
    ),
    'claim: gives back the fold of what was appended',
  ],
  'hands out what it saves': [
    inStore(({ loadRun }) => {
      const handedOut = new Map<string, RunState>();
      return {
        loadRun: async (runId) => {
          const state = handedOut.get(runId) ?? (await loadRun(runId));
          if (state !== undefined) handedOut.set(runId, state);
          return state;
        },
      };
    }),
    'values: stay as they are saved when who has read them changes them',
  ],
  'loses what is noted': [inClaims(() => ({ note: () => undefined })), 'claim: keeps what was only noted'],
  'keeps nothing of a run before its end': [
    inClaims(({ append }) => {
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
    inAppend(async (event, { append }) => {
      await new Promise((resolve) => setTimeout(resolve, event.seq % 2 === 0 ? 2 : 0));
      await append(event);
    }),
    'claim: keeps the order of events that are appended at once',
  ],
  'begins every life with nothing': [
    inClaims(() => ({ state: undefined })),
    'claim: hands the state to the next claim',
  ],
  'lets two carry on one run': [
    inStore((store) => {
      const claims = new Map<string, Claim>();
      return {
        claim(runId) {
          const claim = claims.get(runId) ?? (store.claim(runId) as Claim);
          claims.set(runId, claim);
          return { ...claim, release: (state) => (claims.delete(runId) ? claim.release(state) : undefined) };
        },
      };
    }),
    'claim: gives one at a time',
    'claim: gives exactly one of two that are asked for at once',
  ],
  'deletes a run that is under way': [
    inStore(({ deleteRun }) => {
      const gone = new Set<string>();
      return { deleteRun: async (runId) => deleteRun(runId).catch(() => gone.add(runId).size > 0) };
    }),
    'claim: gives one at a time',
  ],
  'says that it has deleted, and has not': [
    inStore(() => ({ deleteRun: () => Promise.resolve(true) })),
    'claim: forgets its state when it is deleted, and takes the id anew',
  ],
  'gives a changed value': [
    inAppend((event, { append }) =>
      append(JSON.parse(JSON.stringify(event).replaceAll('\\u0000', '')) as typeof event),
    ),
    'values: come back unchanged',
  ],
  'keeps the objects of the user': [
    inClaims(({ append, note, release }) => {
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
    inAppend((event, { append }) => {
      if (event.type === 'step.completed') Object.freeze(event.output);
      return append(event);
    }),
    'values: belong to the user, unfrozen and unchanged',
  ],
  'promises to keep every value, and does not': [
    inClaims(() => ({ checksValues: false })),
    'values: that JSON would change are asked to be refused, or kept',
  ],
  'takes any id': [
    inStore(({ claim }) => ({ claim: (runId) => claim(runId.slice(0, 200) || 'empty') })),
    'ids: of no or more than 200 characters are refused by name',
  ],
  'does not tell ids apart by case': [
    inStore(({ claim }) => ({ claim: (runId) => claim(runId.toLowerCase()) })),
    'ids: of any other kind are taken as they are, and kept apart',
  ],
  'lists the oldest first': [
    inStore(({ listRuns }) => ({ listRuns: async (query) => [...(await listRuns(query))].reverse() })),
    'listRuns: gives the newest first',
  ],
  'does not filter': [
    inStore(({ listRuns }) => ({ listRuns: () => listRuns() })),
    'listRuns: gives the newest first',
    'listRuns: filters by status, name and time',
    'listRuns: finds runs by the step that failed',
    'listRuns: tells what a crash left behind from what is under way',
  ],
  'does not say when a run has ended': [
    inStore(({ listRuns }) => ({
      listRuns: async (query) => (await listRuns(query)).map(({ endedAt: _, ...line }) => line),
    })),
    'listRuns: says how a run went',
  ],
  'forgets where a run comes from that is put in': [
    inStore(({ importRun }) => ({ importRun: ({ forkedFrom: _, ...state }) => importRun(state) })),
    'importRun: puts in a run that can be claimed and resumed',
  ],
  'puts in whatever JSON makes of a state': [
    inStore(({ importRun }) => ({ importRun: (state) => importRun(asJson(state)) })),
    'importRun: refuses a state that it would change, and keeps nothing of it',
  ],
  'replaces a run by one that is put in': [
    inStore(({ deleteRun, importRun }) => ({
      importRun: async (state) => {
        await deleteRun(state.runId);
        await importRun(state);
      },
    })),
    'importRun: refuses an id that is taken',
  ],
  'forgets all that has ended': [
    inStore(({ prune }) => ({ prune: () => prune({}) })),
    'prune: forgets the runs that ended long ago, except the newest',
  ],
  'forgets what a crash left behind': [
    inStore(({ listRuns, deleteRun, prune }) => ({
      prune: async (limits) => {
        const resting = await listRuns({ isResting: true, status: 'RUNNING' });
        for (const { runId } of resting) await deleteRun(runId);
        return prune(limits);
      },
    })),
    'prune: leaves runs that go on, wait, or were left behind',
  ],
  'drops the metadata of snapshots': [
    inSnapshots(({ save }) => ({ save: (name, state) => save(name, state) })),
    'snapshots: give back what was saved',
  ],
  'keeps whatever JSON makes of the metadata of snapshots': [
    inSnapshots(({ save }) => ({
      save: (name, state, metadata) =>
        save(name, state, JSON.parse(JSON.stringify(metadata ?? {})) as SnapshotMetadata),
    })),
    'snapshots: refuse metadata that JSON cannot keep',
  ],
  'saves whatever JSON makes of a state': [
    inSnapshots(({ save }) => ({
      save: (name, state, metadata) => save(name, asJson(state as RunState), metadata),
    })),
    'snapshots: refuse a state that they would change, and keep nothing of it',
  ],
  'captures snapshots late': [
    inSnapshots(({ save }) => ({
      save: async (name, state, metadata) => {
        await Promise.resolve();
        return save(name, state, metadata);
      },
    })),
    'snapshots: capture the state at once',
  ],
  'saves one snapshot at a time and drops the others': [
    inSnapshots(({ save }) => {
      let latest: ReturnType<typeof save> | undefined;
      return {
        save: (...given) => {
          latest ??= save(...given).finally(() => (latest = undefined));
          return latest;
        },
      };
    }),
    'snapshots: are all kept when many are saved at once',
  ],
  'lists snapshots the oldest first': [
    inSnapshots(({ list }) => ({ list: async () => [...(await list())].reverse() })),
    'snapshots: are listed the newest first, without bodies',
  ],
  'gives nothing for an unknown snapshot': [
    inSnapshots(({ load }) => ({
      load: async (snapshotId) => load(snapshotId).catch(() => undefined as never),
    })),
    'snapshots: that are unknown are refused by name',
  ],
  'says that it has deleted a snapshot, and has not': [
    inSnapshots(() => ({ delete: () => Promise.resolve(true) })),
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
        post: async (runId, message) => (isHeard.has(runId) ? store.post(runId, message) : message),
      };
    },
    'inbox: hands over what waits, in order, in every life until it is done with',
  ],
  'does not say what a message is meant for': [
    inStore(({ post }) => ({ post: async (runId, message) => (await post(runId, message), message) })),
    'inbox: names what a message is meant for, and says so',
  ],
  'takes messages that nobody can hear': [
    inStore(({ post }) => ({ post: (runId, message) => post(runId, message).catch(() => message) })),
    'inbox: refuses by name what can never be heard, and keeps nothing of it',
  ],
  'keeps the messages of a run that is gone': [
    (store) => {
      const posted = new Map<string, RunMessage[]>();
      const left = new Map<string, RunMessage[]>();
      const gone = (runId: string): void => {
        left.set(runId, posted.get(runId) ?? []);
      };
      return {
        ...withClaim(store, ({ inbox }, runId) => ({
          inbox: (listener) => {
            for (const message of left.get(runId) ?? []) listener({ ...message, done: () => undefined });
            return inbox(listener);
          },
        })),
        post: async (runId, message) => {
          const meant = await store.post(runId, message);
          posted.set(runId, [...(posted.get(runId) ?? []), meant]);
          return meant;
        },
        deleteRun: async (runId) => {
          gone(runId);
          return store.deleteRun(runId);
        },
        prune: async (limits) => {
          const runIds = await store.prune(limits);
          runIds.forEach(gone);
          return runIds;
        },
      };
    },
    'inbox: is emptied when its run is deleted or pruned',
    'inbox: is empty for a run that is put in',
  ],
  'forgets in its lists what is asked': [
    inStore(({ listRuns }) => ({
      listRuns: async (query) => (await listRuns(query)).map((run) => ({ ...run, waiting: [] })),
    })),
    'listRuns: says which questions are open',
  ],
  'tells messages in one life only': [
    inInbox((listener, { inbox }) =>
      inbox((message) => {
        message.done();
        listener(message);
      }),
    ),
    'inbox: hands over what waits, in order, in every life until it is done with',
  ],
  'never forgets a message': [
    inInbox((listener, { inbox }) =>
      inbox((message) => {
        listener({ ...message, done: () => undefined });
      }),
    ),
    'inbox: hands over what waits, in order, in every life until it is done with',
  ],
  'tells messages to who has left': [
    inInbox((listener, { inbox }) => {
      inbox(listener);
      return () => undefined;
    }),
    'inbox: tells a message that comes later, until it is left',
  ],
  'makes up execution logs': [
    inLogs(({ load }) => ({
      load: async (logId) =>
        (await load(logId)) ??
        ({ logId, workflowName: '', startTime: '', endTime: null, status: 'running', steps: [] } as const),
    })),
    'logs: know nothing of an id they have not seen',
  ],
  'drops the steps of execution logs': [
    inLogs(({ save }) => ({ save: (log) => save({ ...log, steps: [] }) })),
    'logs: keep an execution log',
    'logs: are listed the latest first, without their steps',
  ],
  'lists execution logs in any order': [
    inLogs(({ list }) => ({
      list: async () => [...(await list())].sort((a, b) => (a.logId < b.logId ? -1 : 1)),
    })),
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
  'keeps the offset of a stream and not its rows': [
    inStreams(({ commit }) => ({ commit: (change) => commit({ ...change, rows: [] }) })),
    'streams: give back offsets and rows as they were committed',
    'streams: hand out rows that may be changed',
    'streams: are listed by name, with what they hold',
  ],
  'deletes no row of a stream': [
    inStreams(({ commit }) => ({
      commit: (change) =>
        commit({
          ...change,
          rows: change.rows.filter((row) => row.value !== undefined || row.patches !== undefined),
        }),
    })),
    'streams: give back offsets and rows as they were committed',
  ],
  'gives a stream to everybody': [
    inStore(({ streams }) => ({
      streams: {
        ...streams,
        claim: async (name) => {
          const claim = await streams.claim(name);
          await claim.release();
          return claim;
        },
      },
    })),
    'streams: are claimed by one at a time, each name by itself',
    'streams: are forgotten when nobody has them',
  ],
  'loses what is committed while a stream is left': [
    inStreams(({ commit, release }) => {
      const late: Parameters<StreamClaim['commit']>[0][] = [];
      return {
        commit: (change) => void late.push(change),
        release: async () => {
          if (late.some(({ rows }) => rows.length > 0)) for (const change of late) await commit(change);
          await release();
        },
      };
    }),
    'streams: wait for one that is just being left',
  ],
  'takes any name for a stream': [
    inStore(({ streams }) => ({
      streams: { ...streams, claim: async (name) => streams.claim(name.slice(0, 200) || 'nameless') },
    })),
    'streams: have names of 1 to 200 characters',
  ],
  'forgets a stream that somebody has': [
    inStore(({ streams }) => ({
      streams: {
        ...streams,
        delete: async (name) => (await streams.list()).some((one) => one.name === name),
      },
    })),
    'streams: are forgotten when nobody has them',
  ],
  'tells whoever serves nothing of messages': [
    inAttendant(({ posted: _, ...attendant }) => ({ ...attendant, posted: () => undefined })),
    'attend: tells what waits for a run, and how a run comes to rest, until it is left',
  ],
  'says that it is served': [
    inStore(() => ({ isServed: () => Promise.resolve(true) })),
    'attend: says whether somebody does',
  ],
  'accepts what nobody does': [
    inStore(({ request }) => ({
      request: (asked) => request(asked).pipe(catchError(() => of({ stage: 'accepted' } as const))),
    })),
    'request: resumes a run through whoever serves, and tells how it came to rest',
    'request: deletes, prunes and puts in, and tells what is gone',
  ],
  'begins queued runs in the order of their ids': [
    inStore(({ queue }) => ({
      queue: { ...queueOf(queue), add: (run, most) => queue.add({ ...run, priority: 0 }, most) },
    })),
    'queue: gives runs by their priority, then by their age, and delayed ones when they are due',
    'queue: gives all that was said of a run, once, and again when it is put back',
  ],
  'queues whatever comes': [
    inStore(({ queue }) => ({
      queue: { ...queueOf(queue), add: (run) => queue.add(run, Infinity) },
    })),
    'queue: takes an id once, and no more runs than may wait',
  ],
  'goes by what was said of a run that was taken back': [
    inStore(({ queue }) => {
      const said = new Map<string, number>();
      return {
        queue: {
          ...queueOf(queue),
          add: (run, most) => {
            said.set(run.runId, said.get(run.runId) ?? run.priority);
            return queue.add({ ...run, priority: said.get(run.runId) ?? 0 }, most);
          },
        },
      };
    }),
    'queue: takes an id anew that was taken back, with what is said of it then',
  ],
  'begins a run that was taken back as it began': [
    inTurn((turn) => ({
      done: () => {
        turn.done();
        return true;
      },
    })),
    'queue: says that a run was taken back after it was loaded',
  ],
  'queues a run that has ended': [
    inStore(({ queue }) => ({
      queue: {
        ...queueOf(queue),
        add: async (run, most) => (await queue.add(run, most)) || run.runId === 'past',
      },
    })),
    'queue: takes no id of a run, be it under way or at rest',
  ],
  'lists signals whatever their name': [
    inSignals(({ list }) => ({ list: () => list() })),
    'signals: are kept as they were given, listed by name, oldest first',
  ],
  'keeps signals for ever': [
    inSignals(({ add }) => ({ add: ({ until: _, ...signal }) => add(signal) })),
    'signals: are forgotten when one comes behind their time, and when they are taken back',
  ],
  'tells signals of every name': [
    inSignalBox(({ hear }) => ({ hear: (_, listener) => hear(undefined, listener) })),
    'signals: are told to who carries out runs, those before and those to come, by name or all',
  ],
  'gives a signal to everybody': [
    inSignalBox(({ give }) => ({ give: async (...given) => (await give(...given)) || true })),
    'signals: go to one question, as an answer in the inbox of its run, and can be put back from there',
  ],
  'forgets signals with the run that was given them': [
    (store) => {
      const lost = new Set<string>();
      const sound = inSignalBox(({ give }) => ({
        give: async (signal, runId, answer) => {
          const isGiven = await give(signal, runId, answer);
          if (isGiven) lost.add(signal.signalId);
          return isGiven;
        },
      }))(store);
      return inSignals(({ list }) => ({
        list: async (name) => (await list(name)).filter(({ signalId }) => !lost.has(signalId)),
      }))(sound);
    },
    'signals: that a run was given are there for others when it is deleted or pruned',
    'signals: go to one question, as an answer in the inbox of its run, and can be put back from there',
  ],
  'puts back what a run has taken that is deleted': [
    (store) => {
      const given = new Map<string, KeptSignal>();
      const sound = inSignalBox(({ give }) => ({
        give: async (signal, runId, answer) => {
          given.set(runId, signal);
          return give(signal, runId, answer);
        },
      }))(store);
      return inStore(({ deleteRun, signals }) => ({
        deleteRun: async (runId, more) => {
          const isGone = await deleteRun(runId, more);
          const signal = given.get(runId);
          const isThere = (await signals.list()).some(({ signalId }) => signalId === signal?.signalId);
          if (signal !== undefined && !isThere) await signals.add(signal);
          return isGone;
        },
      }))(sound);
    },
    'signals: that a run has taken do not come back when it is deleted or pruned',
  ],
  'gives signals to runs that are gone': [
    inSignalBox(({ give }) => ({
      give: async (signal, runId, answer) => (await give(signal, runId, answer)) || runId === 'nobody',
    })),
    'signals: stay for others where the run that they are to go to has ended or is gone',
  ],
  'puts runs in without their events': [
    inStore(({ importRun }) => ({ importRun: (state) => importRun(state) })),
    'events: of a run that was put in with its events are those, and go on behind them',
  ],
  'forgets everything when it is closed': [
    inStore(({ listRuns, deleteRun }) => ({
      close: async () => {
        for (const { runId } of await listRuns({ isResting: true })) await deleteRun(runId);
      },
    })),
    'close: keeps what has been written readable',
  ],
  'cannot be closed twice': [
    inStore(({ close }) => {
      let isClosed = false;
      return {
        close: async () => {
          if (isClosed) throw new Error('closed');
          isClosed = true;
          return close();
        },
      };
    }),
    'close: may be called again',
  ],
};
