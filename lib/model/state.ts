import type { Failure } from './failure';
import type { GivenBy } from './givenBy';
import type { Plan } from './plan';
import { pendingStep } from './stepResult';
import { StepTable } from './stepTable';
import type { Usage } from './usage';

/** Where a run stands. */
export type RunStatus = 'IDLE' | 'RUNNING' | 'SUSPENDED' | 'COMPLETED' | 'FAILED' | 'CANCELLED';

/** How a run stands: the scan of its events, immutable, plain JSON when written. */
export interface RunState<O = unknown> {
  /** The id of the run. */
  readonly runId: string;
  /** An id that no other run has, also when `runId` is used again; absent in runs that an earlier version began. */
  readonly incarnation?: string;
  /** Name of the agent that is run. */
  readonly name: string;
  /** What the run is found by besides, as `run()` was told. */
  readonly tags?: Readonly<Record<string, string>>;
  /** How the run stands. */
  readonly status: RunStatus;
  /** What the run was given. */
  readonly input: unknown;
  /** What the run gave; present when it completed. */
  readonly output?: O;
  /** Who gave the output, where it could be another agent. */
  readonly givenBy?: GivenBy;
  /** Why the latest life failed, or what could not be undone of one that was cancelled; absent otherwise. */
  readonly error?: Failure;
  /**
   * Why the latest life was cancelled, if whoever cancelled it said so; `drain` when whoever served the run stopped. Why nobody can answer
   * a run that is SUSPENDED without a store.
   */
  readonly reason?: string;
  /** How each of its steps stands, by path. */
  readonly steps: StepTable;
  /** The steps that its definition declares. */
  readonly plan: Plan;
  /**
   * Who carries out the steps that the plan does not name: by their place, such as `pages[]/ocr`, what tells agents apart. Absent where the
   * plan names all, and in runs of earlier releases.
   */
  readonly unplanned?: Readonly<Record<string, string>>;
  /** Epoch milliseconds; 0 for a run that has not begun. */
  readonly startedAt: number;
  /** Epoch milliseconds of the end of the latest life. */
  readonly endedAt?: number;
  /** Seconds of the latest life, when it has ended; absent in the first life, which took from `startedAt` to `endedAt`. */
  readonly duration?: number;
  /**
   * Seconds at work in all lives that have ended, without the rest between them; absent in the first life. A life that ended in
   * a crash adds nothing: nobody saw how long it was.
   */
  readonly worked?: number;
  /** Epoch milliseconds at which the latest life began, from the second one on. */
  readonly resumedAt?: number;
  /** Counts the lives from 1; 0 for a run that has not begun. */
  readonly life: number;
  /**
   * How many lives before this one were cut off, by a crash or because their store was closed, one after the other; absent when
   * the latest came to its end.
   */
  readonly died?: number;
  /**
   * The revision of steps that begin from now on and have no row: rows of earlier definitions that are gone may have handed out keys
   * of lower ones. Absent when none is gone.
   */
  readonly revision?: number;
  /** What its steps have reported to have used, over all lives; absent when nothing. */
  readonly used?: Usage;
  /** What its steps share, where what is run says so: changed by `context.update()`. */
  readonly shared?: unknown;
  /** What that began with. */
  readonly sharedInitial?: unknown;
  /** Number of the latest journaled event. */
  readonly seq: number;
  /** Where this run was forked from, if it was. */
  readonly forkedFrom?: {
    /** The id of the other run. */
    readonly runId: string;
    /** Path of the step from which on it runs again. */
    readonly path: string;
  };
}

/** The state of a run before its first event: every declared step is PENDING. */
export function idleState(runId: string, name: string, plan: Plan, incarnation?: string): RunState<never> {
  return Object.freeze({
    runId,
    ...(incarnation !== undefined && { incarnation }),
    name,
    status: 'IDLE',
    input: undefined,
    steps: pendingSteps(plan),
    plan,
    startedAt: 0,
    life: 0,
    seq: 0,
  });
}

/** A table in which every step of the plan is PENDING. Made once for a plan, however many runs begin with it. */
export function pendingSteps(plan: Plan): StepTable {
  let table = tables.get(plan);
  if (table === undefined) {
    table = StepTable.of(plan.map(({ path, agent }) => pendingStep(path, agent))).asTemplate();
    tables.set(plan, table);
  }
  return table;
}

const tables = new WeakMap<Plan, StepTable>();

/** Seconds that the latest life took, when it has ended. */
export function lifeSeconds({ duration, startedAt, endedAt }: RunState): number | undefined {
  if (endedAt === undefined) return undefined;
  return duration ?? Math.max(0, endedAt - startedAt) / 1_000;
}

/** Seconds in which the run was at work, without the rest between its lives. */
export function workedSeconds(state: RunState): number {
  return state.worked ?? lifeSeconds(state) ?? 0;
}

/*
 * Whoever hears of a completed run gets its output as the agent gave it; what rests anywhere has the form in which it is saved.
 * So the states that are told remember that form: from the value alone nobody can tell which of both it has.
 */
const forms = new WeakMap<object, unknown>();

/** Remembers the saved form of the output in an event or a state that is told, and gives it back. */
export function withStored<T extends object>(told: T, stored: unknown): T {
  forms.set(told, stored);
  return told;
}

/** The state after an event: what is known of the event's output is known of it. */
export function afterEvent<O>(event: object | undefined, state: RunState<O>): RunState<O> {
  return event !== undefined && forms.has(event) ? withStored(state, forms.get(event)) : state;
}

/** The state as it may rest somewhere: with the saved form of its output. */
export function asStored(state: RunState): RunState {
  return forms.has(state) ? Object.freeze({ ...state, output: forms.get(state) }) : state;
}
