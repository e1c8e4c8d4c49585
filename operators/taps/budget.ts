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
import type { RunEvent, Transition } from '../../lib/model/event';
import { isEnd } from '../../lib/model/event';
import { InvalidArgumentError, read } from '../../lib/model/failure';
import type { StepResult } from '../../lib/model/stepResult';
import type { Usage } from '../../lib/model/usage';
import { reportedUsage } from '../../lib/model/usage';
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
   * on, it is asked again for the outputs and partial results that are. Of failed attempts only `used` knows.
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
 * is not counted once more, and an answer from the cache costs nothing. What a run has used is on record, in `state.used`, so
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
        account.count(transition.event);
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
  count(event: RunEvent): void;
  used(): Spending;
}

function accountOf({ usage = reportedUsage, scheduler, used = {} }: BudgetOptions): Account {
  const clock = scheduler ?? performance;
  const startedAt = clock.now() - (used.ms ?? 0);
  let earlierMs = 0;
  const reporting = new Set<string>();
  let { tokens = 0, usd = 0, steps = 0 } = used;
  const known = new Set<string>();
  const add = (value: unknown, event: RunEvent): boolean => {
    const path = 'path' in event ? event.path : '';
    if (usage === reportedUsage) checkReported(value, path);
    const more = usage(value, event);
    if (more === undefined) return false;
    checkAmount(`count what step "${path}" used`, 'tokens', more.tokens);
    checkAmount(`count what step "${path}" used`, 'usd', more.usd);
    tokens += more.tokens ?? 0;
    usd += more.usd ?? 0;
    return true;
  };
  const addRecorded = (row: StepResult, { runId, at, seq }: RunEvent): void => {
    const { stepId: path, agent, attempts: attempt, output, duration, kept = [] } = row;
    if (row.cached === true || row.inherited === true || row.status === 'PENDING') return;
    const common = { runId, seq: row.seq ?? seq, at, path, agent, attempt };
    const before = kept.filter((value, index) =>
      add(value, { type: 'step.emitted', ...common, index, value }),
    );
    if (row.status === 'COMPLETED' && before.length === 0)
      add(output, { type: 'step.completed', ...common, output, duration });
  };
  const isTold = Object.keys(used).length > 0;
  return {
    takeUp({ event, state }) {
      if (known.has(event.runId)) return false;
      known.add(event.runId);
      // Whoever says what was used before knows better.
      if (event.type !== 'run.resumed' || isTold) return false;
      if (usage === reportedUsage) {
        tokens += state.used?.tokens ?? 0;
        usd += state.used?.usd ?? 0;
      } else for (const row of state.steps) addRecorded(row, event);
      for (const { attempts } of state.steps) steps += attempts;
      // Runs that go on beside each other were at work beside each other.
      const workedMs = (state.worked ?? 0) * 1_000;
      const isLonger = workedMs > earlierMs;
      earlierMs = Math.max(earlierMs, workedMs);
      return isLonger;
    },
    count(event) {
      if (event.type === 'step.started') {
        steps += 1;
        reporting.delete(`${event.runId} ${event.path}`);
      } else if (event.type === 'step.emitted') {
        if (add(event.value, event)) reporting.add(`${event.runId} ${event.path}`);
      } else if (event.type === 'step.completed' && event.cached !== true) {
        if (!reporting.delete(`${event.runId} ${event.path}`)) add(event.output, event);
      }
    },
    used: () => ({ tokens, usd, steps, ms: clock.now() - startedAt + earlierMs }),
  };
}
