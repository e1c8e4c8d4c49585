import type { RunEvent } from '../../model/event';
import { reduceRunAll } from '../../model/reduce';
import type { RunState } from '../../model/state';
import { idleState } from '../../model/state';
import { EventLog } from '../events/eventLog';
import type { ChangedOutput } from './deltas/applyDeltas';
import { outputIn, wholeEvent } from './deltas/applyDeltas';

/**
 * What a store knows of one run: a state, and the events after it as the JSON text that was kept.
 *
 * Folding text, not the objects that came from the engine, gives exactly what a later process will read, whatever happens
 * to those objects meanwhile. It is done when somebody asks, in one go, and now and then to bound the memory.
 */
export interface RunFold {
  add(event: string, type: RunEvent['type']): void;
  state(): RunState | undefined;
  /** The events that are kept of the run; undefined when none are. */
  log(): EventLog | undefined;
}

/** With which events a fold begins. */
export interface FoldStart {
  /** Those that were kept so far. */
  readonly log: EventLog | undefined;
  /** Whether those to come are kept. */
  readonly keepsEvents: boolean;
}

/** A fold that begins with this state, or with nothing. */
export function runFold(
  runId: string,
  base: RunState | undefined,
  { log: known, keepsEvents }: FoldStart,
): RunFold {
  let state = base;
  let log = known;
  let waiting: string[] = [];
  const fold = (): RunState | undefined => {
    if (waiting.length > 0) {
      state = reduceRunAll(state ?? idleState(runId, '', []), wholeEvents(waiting, state));
      waiting = [];
    }
    return state;
  };
  return {
    add(event, type) {
      log = keepsEvents ? (log ?? logSince(fold())) : undefined;
      log?.add(event, type, fold);
      if (type !== 'step.logged' && waiting.push(event) >= 512) fold();
    },
    state: fold,
    log: () => log,
  };
}

/** The log of a run that stands so, and of which no events are kept yet. */
export function logSince(state: RunState | undefined): EventLog {
  return state === undefined ? new EventLog() : EventLog.since(state);
}

function wholeEvents(texts: readonly string[], state: RunState | undefined): readonly RunEvent[] {
  const given = new Map<number, unknown>();
  return texts.map((text) => {
    const record = JSON.parse(text) as RunEvent | ChangedOutput;
    const event =
      'patches' in record
        ? wholeEvent(record, (base) => given.get(base.seq) ?? outputIn(state, base))
        : record;
    if (event.type === 'run.started') given.set(0, event.input);
    else if (event.type === 'step.completed') given.set(event.seq, event.output);
    return event;
  });
}

/** A run of which more is known than its file says, or that is claimed. */
export interface LiveRun {
  readonly runId: string;
  readonly fold: RunFold;
  isClaimed: boolean;
  /** Whether the life that has claimed it has written something. */
  isUnderWay: boolean;
  /** Its first record that its file does not hold yet; undefined when the file holds everything. */
  firstSeq: number | undefined;
  lastSeq: number;
  /** The pack that has what its records in the journal follow; undefined when that is in a file of its own, or nowhere. */
  pack: number | undefined;
  /** Length of its file; 0 without one. */
  fileBytes: number;
  /** What it has written to the journal since, and how much all had written at its first record there, and at its last. */
  ownBytes: number;
  firstAt: number;
  lastAt: number;
}

/** A run that stands in this state, of which the file holds everything up to record `lastSeq`. */
export function liveRun(
  runId: string,
  state: RunState | undefined,
  lastSeq: number,
  start: FoldStart,
  pack?: number,
): LiveRun {
  return {
    runId,
    fold: runFold(runId, state, start),
    isClaimed: false,
    isUnderWay: false,
    firstSeq: undefined,
    lastSeq,
    pack,
    fileBytes: 0,
    ownBytes: 0,
    firstAt: 0,
    lastAt: 0,
  };
}
