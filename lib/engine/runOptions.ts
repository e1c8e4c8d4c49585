import type { SchedulerLike } from 'rxjs';

import { Tags } from '../codec/stateCodec';
import { typeName } from '../codec/typeName';
import { InvalidArgumentError } from '../model/failure';
import type { GivenServices } from '../model/agentType';
import type { Store } from '../store/store';
import type { RunEngine } from './engine';

/** Where a run rests: in a store, or on an engine such as `restateEngine()`. */
export type Where<S = Store> =
  { readonly store: S; readonly engine?: never } | { readonly engine: RunEngine; readonly store?: never };

/** Where runs rest, if anywhere. */
export type MaybeWhere = Where | { readonly store?: never; readonly engine?: never };

/** How a run is carried out. Everything may be left out. */
export interface RunSettings {
  /** Names the run: subscribing again with the same name goes on with it. A new ULID when left out. */
  readonly runId?: string;
  /** What the run is found by besides its name, with `listRuns({ tags })`; kept from its first life on. */
  readonly tags?: Readonly<Record<string, string>>;
  /** The clock: timestamps, durations, delays and timeouts. Give a `TestScheduler` for virtual time. */
  readonly scheduler?: SchedulerLike;
  /**
   * What happens when the store knows the run with another input or another definition: `refuse` it with an error, or let
   * the input and the code at hand win; then saved results that depend on the change are dropped, and a WARNING is logged.
   */
  readonly onMismatch?: 'refuse' | 'actual';
  /**
   * How often the process may die inside a step, with no other step under way, before the step counts as failed; 3 when left out.
   * After a second death with several under way they are called one at a time, until it is known which one it is.
   */
  readonly maxCrashes?: number;
  /**
   * Whether what each step is given is on record too, in `step.started` and in its row: without secrets, cut at 12 levels, 2,000 values and
   * 32,768 characters. For whoever looks; nothing is made from it again. Not when left out.
   */
  readonly recordInputs?: boolean;
  /**
   * Aborting it cancels the run, tells `run.cancelled`, and completes the stream; unsubscribing cancels as well, but then
   * nobody is left to hear of it.
   */
  readonly signal?: AbortSignal;
  /**
   * What agents read as `context.services`: connections, clients, keys. Never in events, logs or files, so whoever resumes the run gives
   * them again. On Restate the workers are given them, `serveRestate(agents, { services })`.
   */
  readonly services?: GivenServices;
  /** Makes the ids of runs; monotonic ULIDs when left out. */
  readonly newRunId?: () => string;
}

/**
 * How a run is carried out, and where it rests. With neither a store nor an engine it is kept in memory for as long as the
 * Observable is.
 */
export type RunOptions = RunSettings & MaybeWhere;

/**
 * Says whether a run rests in a store or on an engine.
 *
 * @param action - What is to be done with the run, for the error, such as `answer run "r"`.
 * @param method - What is needed of the store.
 * @throws InvalidArgumentError when there is neither, or both.
 */
export function checkedWhere<S extends object>(
  action: string,
  where: Where<S> | undefined,
  method: keyof S & string,
): Where<S> {
  const { store, engine } = (where ?? {}) as {
    readonly store?: S;
    readonly engine?: RunEngine;
  };
  if (store !== undefined && engine !== undefined) {
    throw new InvalidArgumentError(
      `Cannot ${action} with both an engine and a store: the engine keeps its runs`,
      'give one of them',
    );
  }
  if (engine !== undefined) {
    if (typeof (engine as Partial<RunEngine> | null)?.run === 'function') return { engine };
    throw new InvalidArgumentError(
      `Cannot ${action}: an engine is needed, got ${typeName(engine)}`,
      'give an engine, such as restateEngine()',
    );
  }
  if (store === undefined) {
    throw new InvalidArgumentError(
      `Cannot ${action}: neither a store nor an engine is given`,
      'say where it rests, with { store } or { engine }',
    );
  }
  if (typeof (store as S | null)?.[method] !== 'function') {
    if (typeof (store as Partial<RunEngine> | null)?.run === 'function')
      throw new InvalidArgumentError(
        `Cannot ${action} in an engine: an engine is no store`,
        'give it as { engine }',
      );
    throw new InvalidArgumentError(
      `Cannot ${action}: a store is needed, got ${typeName(store)}`,
      "give a store, such as lowdbStore('./state')",
    );
  }
  return { store };
}

/**
 * @param action - What is to be done with them, for the error, such as `run`.
 * @throws InvalidArgumentError for tags that are not texts.
 */
export function checkTags(action: string, tags: unknown): void {
  if (tags === undefined || Tags.is(tags)) return;
  const [name, value] = Object.entries(tags ?? {}).find(([, tag]) => typeof tag !== 'string') ?? [];
  // Not their texts: they may be about people.
  const what =
    name === undefined ? `tags of type ${typeName(tags)}` : `the tag "${name}" of type ${typeName(value)}`;
  throw new InvalidArgumentError(
    `Cannot ${action} with ${what}`,
    "give names and texts, such as { customer: '42' }",
  );
}
