import type { MonoTypeOperatorFunction, SchedulerLike } from 'rxjs';
import {
  asyncScheduler,
  concatWith,
  defer,
  EMPTY,
  finalize,
  identity,
  Subject,
  takeUntil,
  takeWhile,
  throwError,
} from 'rxjs';

import { startTimer } from '../../lib/engine/local/startTimer';
import type { Spending } from '../../lib/errors/runErrors';
import { BudgetExceededError } from '../../lib/errors/runErrors';
import type { RunEvent, StepCompleted, Transition } from '../../lib/model/event';
import { isEnd } from '../../lib/model/event';
import { InvalidArgumentError, read } from '../../lib/model/failure';
import type { AgentKind, Plan } from '../../lib/model/plan';
import type { RunState } from '../../lib/model/state';
import { pathsAbove } from '../../lib/model/stepPath';
import type { StepResult } from '../../lib/model/stepResult';
import type { Usage } from '../../lib/model/usage';
import { addedUsage, reportedUsage } from '../../lib/model/usage';
import type { Stop } from '../../lib/streams/pull';

/** How much may be used. What is left out is not limited. */
export interface BudgetOptions {
  readonly tokens?: number;
  /** US dollars. */
  readonly usd?: number;
  /** Steps begun; further attempts, and structures around steps, count too. */
  readonly steps?: number;
  /** Milliseconds since the subscription, also while nothing happens, and those in which earlier lives of the run were at work. */
  readonly ms?: number;
  /**
   * Reads the usage off an output or a partial result; its field `usage` when left out. What it gives is not on record: of a run that goes
   * on, it is asked again for the outputs and partial results that are. Of failed attempts only `used` knows. Outputs that a `branch`, a
   * `fallback` or another composite passes on from a step within it are counted once.
   */
  readonly usage?: (value: unknown, event: RunEvent) => Usage | undefined;
  /** What was used before, such as `used` of the `BudgetExceededError` of an earlier life. */
  readonly used?: { readonly [K in keyof Spending]?: number };
  /** The clock of the run, where it has one. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Stops a run that uses too much: counts over all its steps, parallel ones included, cancels it and errors with
 * `BudgetExceededError` behind the transition that went too far. The run can be resumed.
 *
 * An agent reports usage in its output, `{ text, usage: { tokens: 120, usd: 0.002 } }`, or while it works with
 * `context.emit({ usage: { tokens: 12 } })`; then failed attempts count too. Of an attempt that has emitted usage the output
 * is not counted once more, nor is one that a `branch`, a `fallback` or another composite passes on; an answer from the cache costs nothing. What a run has used is on record, in `state.used`, so
 * that a run that is resumed, also after a crash, goes on counting where it was; behind `runEach` all runs share the budget.
 *
 * @throws InvalidArgumentError when a limit is not a number from 0; as an error of the stream when a usage is not.
 *
 * @example
 * ```ts
 * run(report, 'book.txt').pipe(retry(3), budget({ tokens: 20_000, usd: 0.5, ms: 60_000 }), outputs());
 * ```
 */
export function budget<O>(options: BudgetOptions): MonoTypeOperatorFunction<Transition<O>> {
  const limits = ['tokens', 'usd', 'steps', 'ms'] as const;
  for (const kind of limits) {
    checkAmount('make a budget', kind, options[kind]);
    checkAmount('make a budget', `used.${kind}`, options.used?.[kind]);
  }
  if (limits.every((kind) => options[kind] === undefined)) {
    throw new InvalidArgumentError(
      'Cannot make a budget without a limit',
      `give one of ${limits.join(', ')}`,
    );
  }
  return (transitions) =>
    defer(() => {
      let latest: Transition<O> | undefined;
      let excess: BudgetExceededError | undefined;
      const account = accountOf(options);
      const check = (kinds: readonly (keyof Spending)[]): void => {
        const used = account.used();
        const kind = kinds.find((one) => used[one] > (options[one] ?? Infinity));
        if (kind !== undefined) excess = exceeded(kind, used);
      };
      const exceeded = (kind: keyof Spending, used: Spending): BudgetExceededError =>
        new BudgetExceededError(kind, options[kind] ?? 0, used, latest?.state);

      const timeUp = new Subject<void>();
      const limitMs = options.ms ?? Infinity;
      let stopTimer: Stop | undefined;
      const limitTime = (): void => {
        stopTimer?.();
        const leftMs = Math.max(0, limitMs - account.used().ms);
        stopTimer = startTimer(options.scheduler ?? asyncScheduler, leftMs, () => {
          excess = exceeded('ms', account.used());
          timeUp.next();
        });
      };
      const isWithin = (transition: Transition<O>): boolean => {
        latest = transition;
        if (account.takeUp(transition) && limitMs !== Infinity) {
          check(['ms']);
          limitTime();
        }
        account.count(transition);
        if (!isEnd(transition.event)) check(['tokens', 'usd', 'steps']);
        return excess === undefined;
      };
      if (limitMs !== Infinity) limitTime();
      return transitions.pipe(
        takeWhile(isWithin, true),
        finalize(() => stopTimer?.()),
        options.ms === undefined ? identity : takeUntil(timeUp),
        concatWith(defer(() => (excess === undefined ? EMPTY : throwError(() => excess)))),
      );
    });
}

/** @throws InvalidArgumentError when it is not a number from 0: nothing would be stopped then, in silence. */
function checkAmount(action: string, name: string, value: unknown): void {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return;
  throw new InvalidArgumentError(
    `Cannot ${action}: ${name} is ${typeof value === 'number' ? String(value) : `a ${typeof value}`}`,
    'give a number from 0',
  );
}

/** What stands in the field `usage` of a value under the names that are counted, whatever it is. */
function checkReported(value: unknown, path: string): void {
  const usage = typeof value === 'object' && value !== null ? read(value, 'usage') : undefined;
  if (typeof usage !== 'object' || usage === null) return;
  checkAmount(`count what step "${path}" used`, 'tokens', read(usage, 'tokens') ?? undefined);
  checkAmount(`count what step "${path}" used`, 'usd', read(usage, 'usd') ?? undefined);
}

interface Account {
  /** A run that goes on has used what its record says. Gives whether that was time, too. */
  takeUp(transition: Transition): boolean;
  count(transition: Transition): void;
  used(): Spending;
}

function accountOf({ usage = reportedUsage, scheduler, used = {} }: BudgetOptions): Account {
  const clock = scheduler ?? performance;
  const startedAt = clock.now() - (used.ms ?? 0);
  let earlierMs = 0;
  let { tokens = 0, usd = 0, steps = 0 } = used;
  const known = new Set<string>();
  const add = (more: Usage): void => {
    tokens += more.tokens ?? 0;
    usd += more.usd ?? 0;
  };
  const reader = usage === reportedUsage ? readByRun(add) : readByCaller(usage, add);
  const isTold = Object.keys(used).length > 0;
  return {
    takeUp({ event, state }) {
      if (known.has(event.runId)) return false;
      known.add(event.runId);
      // Whoever says what was used before knows better.
      if (event.type !== 'run.resumed' || isTold) return false;
      reader.takeUp(state, event);
      for (const { attempts } of state.steps) steps += attempts;
      // Runs that go on beside each other were at work beside each other.
      const workedMs = (state.worked ?? 0) * 1_000;
      const isLonger = workedMs > earlierMs;
      earlierMs = Math.max(earlierMs, workedMs);
      return isLonger;
    },
    count({ event, state }) {
      if (event.type === 'step.started') steps += 1;
      reader.count(event, state);
    },
    used() {
      const untold = reader.untold();
      return {
        tokens: tokens + (untold.tokens ?? 0),
        usd: usd + (untold.usd ?? 0),
        steps,
        ms: clock.now() - startedAt + earlierMs,
      };
    },
  };
}

/** How usage is read. */
interface UsageReader {
  /** What the record of a run that goes on says. */
  takeUp(state: RunState, event: RunEvent): void;
  count(event: RunEvent, state: RunState): void;
  /** What was emitted, and was not added because the end of something will say it again. */
  untold(): Usage;
}

/** As the run counts it in `state.used`, where what composites pass on is not used once more. What is emitted counts at once. */
function readByRun(add: (more: Usage) => void): UsageReader {
  const emitted = new Map<string, Usage>();
  return {
    takeUp({ used = {} }) {
      add(used);
    },
    count(event) {
      if (event.type === 'step.emitted') {
        checkReported(event.value, event.path);
        const more = reportedUsage(event.value);
        if (more !== undefined) emitted.set(event.runId, addedUsage(emitted.get(event.runId), more));
        return;
      }
      if (event.type === 'step.completed' && event.cached !== true) checkReported(event.output, event.path);
      if (event.type === 'run.resumed') {
        // The life before broke off without an end, and nothing says it again.
        add(emitted.get(event.runId) ?? {});
        emitted.delete(event.runId);
      }
      if (!('usage' in event)) return;
      emitted.delete(event.runId);
      add(event.usage);
    },
    untold() {
      let all: Usage = {};
      for (const one of emitted.values()) all = addedUsage(all, one);
      return all;
    },
  };
}

/** As a function of the caller reads it off outputs and partial results. */
function readByCaller(usage: NonNullable<BudgetOptions['usage']>, add: (more: Usage) => void): UsageReader {
  const reporting = new Set<string>();
  const take = (value: unknown, event: RunEvent): boolean => {
    const path = 'path' in event ? event.path : '';
    const more = usage(value, event);
    if (more === undefined) return false;
    checkAmount(`count what step "${path}" used`, 'tokens', more.tokens);
    checkAmount(`count what step "${path}" used`, 'usd', more.usd);
    add(more);
    return true;
  };
  const takeRow = (row: StepResult, { runId, at, seq }: RunEvent, isOwn: boolean): void => {
    const { stepId: path, agent, attempts: attempt, output, duration, kept = [] } = row;
    if (row.cached === true || row.inherited === true || row.status === 'PENDING') return;
    const common = { runId, seq: row.seq ?? seq, at, path, agent, attempt };
    const before = kept.filter((value, index) =>
      take(value, { type: 'step.emitted', ...common, index, value }),
    );
    if (row.status === 'COMPLETED' && before.length === 0 && isOwn)
      take(output, { type: 'step.completed', ...common, output, duration });
  };
  return {
    takeUp({ plan, steps }, event) {
      const holders = new Set<string>();
      for (const { stepId } of steps) for (const above of pathsAbove(stepId, steps)) holders.add(above);
      for (const row of steps) takeRow(row, event, isOwnIn(plan, row.stepId) ?? !holders.has(row.stepId));
    },
    count(event, { plan }) {
      if (event.type === 'step.started') {
        reporting.delete(`${event.runId} ${event.path}`);
      } else if (event.type === 'step.emitted') {
        if (take(event.value, event)) reporting.add(`${event.runId} ${event.path}`);
      } else if (event.type === 'step.completed' && event.cached !== true) {
        const hasReported = reporting.delete(`${event.runId} ${event.path}`);
        if (!hasReported && (isOwnIn(plan, event.path) ?? saysSo(event))) take(event.output, event);
      }
    },
    untold: () => ({}),
  };
}

const kinds = new WeakMap<Plan, ReadonlyMap<string, AgentKind>>();
/** Those whose outputs are not the outputs of others. */
const LEAVES: ReadonlySet<AgentKind> = new Set<AgentKind>(['function', 'operator', 'approval', 'sleep']);

/** Whether what a step gives is its own, not passed on from a step within it; undefined where the plan does not name it. */
function isOwnIn(plan: Plan, path: string): boolean | undefined {
  let known = kinds.get(plan);
  if (known === undefined) {
    known = new Map(plan.map((step) => [step.path, step.kind]));
    kinds.set(plan, known);
  }
  const kind = known.get(path);
  return kind === undefined ? undefined : LEAVES.has(kind);
}

/**
 * Whether the event of an end says itself what its output does, where that is in a field `usage`: one that passes it on does not. What has
 * partial results is a function; what those have said, its output does not say again.
 */
function saysSo({ output, partials, usage: told = {} }: StepCompleted): boolean {
  const { tokens = 0, usd = 0 } = reportedUsage(output) ?? {};
  return partials !== undefined || ((told.tokens ?? 0) >= tokens && (told.usd ?? 0) >= usd);
}
