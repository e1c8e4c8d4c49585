import { batch, computed, effect, signal, untracked } from '@preact/signals-core';

import type { DamagedRun, RunReply, RunsReply, StateReply, StoresReply } from '../../adapters/http/contract';
import type { RunStatus } from '../../lib/model/state';
import { commandText, shellText } from '../../lib/report/shellText';
import type { RunSummary } from '../../lib/store/store';
import type { Placed } from '../graph';
import { graphOf } from '../graph';
import type { Connection, RequestError } from './connection';
import { link, stateAsEvent } from './connection';
import { now } from './format';
import type { RunPlace } from './machine';
import { act, ofStore, view } from './machine';
import { RunFold } from './runFold';

/** A run that is looked at: it is followed as long as it is open. */
export interface OpenRun {
  readonly place: RunPlace;
  readonly fold: RunFold;
  /** What the server says beside the events; asked for anew whenever the run comes to rest or is asked something. */
  readonly reply: { readonly value: RunReply | undefined };
  readonly error: { readonly value: RequestError | undefined };
  readonly isGone: { readonly value: boolean };
  /** Asks again what the server says. */
  refresh(): void;
  close(): void;
}

/** The list of runs, as far as it has been read. */
export interface RunList {
  readonly runs: readonly RunSummary[];
  readonly damaged: readonly DamagedRun[];
  readonly counts: Readonly<Record<RunStatus, number>>;
  readonly total: number;
  readonly next: string | undefined;
}

let connected: Connection | undefined;

/** Where everything comes from. */
export function connection(): Connection {
  if (connected === undefined) throw new Error('Nothing is connected');
  return connected;
}

export const stores = signal<StoresReply | undefined>(undefined);
export const runList = signal<RunList | undefined>(undefined);
export const listError = signal<RequestError | undefined>(undefined);
export const openRun = signal<OpenRun | undefined>(undefined);
/** The second run of a comparison. */
export const otherRun = signal<OpenRun | undefined>(undefined);
/** The time, told once a second while something that is shown is under way, else once a minute. */
export const clock = signal(0);
/** Which line of the list is selected. */
export const selectedRun = signal(0);
/** A line at the bottom of the page that goes away. */
export const notice = signal<{ readonly text: string; readonly isBad: boolean } | undefined>(undefined);

let noticeTimer: ReturnType<typeof setTimeout> | undefined;

/** Says something at the bottom of the page for a while. */
export function say(text: string, isBad = false): void {
  clearTimeout(noticeTimer);
  notice.value = { text, isBad };
  noticeTimer = setTimeout(() => {
    notice.value = undefined;
  }, 6_000);
}

/** Whether whoever looks may change things in the store that is shown. */
export const mayWrite = computed(() => stores.value?.access === 'write' && link.value !== 'file');

/** Name of the store of the view: the first where it says none. */
export function storeName(): string {
  return view.value.store === '' ? (stores.value?.stores[0]?.name ?? '') : view.value.store;
}

/** A command that does the same wherever it is typed. @param options - With their values, as they are typed. */
export function storeCommand(command: string, operands: readonly string[] = [], options = ''): string {
  const folder = stores.value?.stores.find(({ name }) => name === storeName())?.folder;
  const store = folder === undefined ? '' : shellText(['--store', folder]);
  const all = [options, store].filter((part) => part !== '').join(' ');
  return commandText(['npx', 'millrace', command], operands, all);
}

/** Who serves, what waits to be begun, and what is firing. */
function askStores(): void {
  connection()
    .stores()
    .then(
      (reply) => {
        stores.value = reply;
      },
      (error: unknown) => {
        listError.value = error as RequestError;
      },
    );
}

/** Follows what the view shows, and lets go of what it shows no more. */
export function begin(from: Connection): void {
  connected = from;
  askStores();
  const shownRun = computed(() => {
    const { screen, store, runId } = view.value;
    return ofStore.has(screen) || runId === '' ? '' : JSON.stringify({ store, runId });
  });
  const comparedRun = computed(() => {
    const { screen, other } = view.value;
    return screen === 'compare' && other !== undefined ? JSON.stringify(other) : '';
  });
  follow(shownRun, openRun);
  follow(comparedRun, otherRun);
  effect(() => {
    const { at } = view.value;
    const fold = openRun.value?.fold;
    untracked(() => fold?.show(at));
  });
  followList(from);
  tick();
}

function follow(wanted: { readonly value: string }, into: { value: OpenRun | undefined }): void {
  effect(() => {
    const place = wanted.value;
    const opened = place === '' ? undefined : untracked(() => opening(JSON.parse(place) as RunPlace));
    into.value = opened;
    return () => {
      opened?.close();
    };
  });
}

function opening(place: RunPlace): OpenRun {
  const fold = new RunFold(place.runId);
  const reply = signal<RunReply | undefined>(undefined);
  const error = signal<RequestError | undefined>(undefined);
  const isGone = signal(false);
  const refresh = (): void => {
    connection()
      .run(place)
      .then(
        (answer) => {
          reply.value = answer;
        },
        (problem: unknown) => {
          error.value = problem as RequestError;
        },
      );
  };
  let settled = '';
  const stopEvents = connection().events(place, 0, {
    reply(answer) {
      reply.value = answer;
    },
    lines(lines) {
      fold.add(lines);
      const ends = lines.some(
        ({ event }) => event.type.startsWith('run.') || event.type === 'step.suspended',
      );
      if (ends && settled !== '') refresh();
    },
    caughtUp() {
      settled = 'yes';
      fold.caughtUp();
    },
    failed(problem) {
      // Of a run without events its state is all there is.
      if (problem.record.code === 'EVENTS_NOT_KEPT') void fromState(place, fold, error);
      else error.value = problem;
    },
    gone() {
      isGone.value = true;
    },
  });
  return {
    place,
    fold,
    reply,
    error,
    isGone,
    refresh,
    close: stopEvents,
  };
}

async function fromState(
  place: RunPlace,
  fold: RunFold,
  error: { value: RequestError | undefined },
): Promise<void> {
  try {
    const state: StateReply = await connection().state(place);
    fold.add([stateAsEvent(state, place)]);
    fold.caughtUp();
  } catch (problem) {
    error.value = problem as RequestError;
  }
}

/** What the list asks for, from what the view filters. */
function listQuery(): Record<string, string> {
  const { filter, status, hours } = view.value;
  return {
    limit: '200',
    ...(filter === '' ? {} : { q: filter }),
    ...(status === '' ? {} : { status }),
    ...(hours === 0 ? {} : { since: String(Math.round(now() - hours * 3_600_000)) }),
  };
}

let askedFor = 0;

/** Lists the runs anew, or those behind the ones that are listed. */
export async function list(more = false): Promise<void> {
  const turn = (askedFor += 1);
  const cursor = more ? runList.peek()?.next : undefined;
  try {
    const reply = await connection().runs(storeName(), {
      ...listQuery(),
      ...(cursor === undefined ? {} : { cursor }),
    });
    if (turn !== askedFor) return;
    batch(() => {
      runList.value = listed(reply, more);
      listError.value = undefined;
    });
  } catch (error) {
    if (turn === askedFor) listError.value = error as RequestError;
  }
}

function listed(reply: RunsReply, more: boolean): RunList {
  const before = more ? runList.peek() : undefined;
  return {
    runs: [...(before?.runs ?? []), ...reply.runs],
    damaged: [...(before?.damaged ?? []), ...reply.damaged],
    counts: reply.counts,
    total: reply.total,
    next: reply.next,
  };
}

function followList(from: Connection): void {
  const isListed = computed(() => view.value.screen === 'runs' && stores.value !== undefined);
  const store = computed(() => (isListed.value ? storeName() : ''));
  const query = computed(() =>
    isListed.value
      ? JSON.stringify([store.value, view.value.filter, view.value.status, view.value.hours])
      : '',
  );
  effect(() => {
    if (query.value === '') return undefined;
    const timer = setTimeout(() => void list(), runList.peek() === undefined ? 0 : 120);
    return () => {
      clearTimeout(timer);
    };
  });
  effect(() => {
    if (!isListed.value) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // Counts and the order come from the server: asked for at most once a second while runs change.
    const later = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        askStores();
        void list();
      }, 1_000);
    };
    const stop = from.changes(store.value, {
      ready: later,
      run(run) {
        const known = runList.peek();
        if (known?.runs.some(({ runId }) => runId === run.runId) === true)
          runList.value = {
            ...known,
            runs: known.runs.map((each) => (each.runId === run.runId ? run : each)),
          };
        later();
      },
      gone: later,
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  });
}

/** One tick a second while something that is shown is under way; one a minute otherwise, for how long it waits and how long ago it was. */
function tick(): void {
  const isMoving = computed(() => {
    const { screen } = view.value;
    if (screen === 'runs') return runList.value?.runs.some(({ status }) => status === 'RUNNING') === true;
    const run = openRun.value;
    if (run === undefined) return false;
    void run.fold.version.value;
    const { status } = run.fold.head;
    return status === 'RUNNING' || (status === 'SUSPENDED' && view.value.dialog?.kind === 'answer');
  });
  effect(() => {
    // What is opened shows the time of now.
    void openRun.value;
    const tell = (): void => {
      clock.value = now();
    };
    const timer = setInterval(tell, isMoving.value ? 1_000 : 60_000);
    tell();
    return () => {
      clearInterval(timer);
    };
  });
}

const layouts = new Map<string, Placed>();
/** Changes when another layout has come. */
const layoutsKnown = signal(0);

/** The places of a structure's steps; undefined until they have come. Asked for once. */
export function laidOutGraph(
  plan: RunReply['plan'],
  scope: string,
): { graph: ReturnType<typeof graphOf>; places: Placed | undefined } {
  const graph = graphOf(plan, scope);
  const key = JSON.stringify(graph);
  const known = layouts.get(key);
  void layoutsKnown.value;
  if (known === undefined && !asking.has(key)) {
    asking.add(key);
    connection()
      .layout(graph, scope)
      .then((places) => {
        layouts.set(key, places);
        layoutsKnown.value += 1;
      })
      .catch(() => undefined) // Without a layout there is no picture; the rows show everything.
      .finally(() => asking.delete(key));
  }
  return { graph, places: known };
}

const asking = new Set<string>();

/** Goes to a run, or to a step of it. */
export function goToRun(store: string, runId: string, step?: string): void {
  act({
    type: 'go',
    to: { screen: 'run', store, runId, ...(step === undefined ? {} : { step }) },
  });
}
