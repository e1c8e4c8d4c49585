import type { MonoTypeOperatorFunction, SchedulerLike } from 'rxjs';
import {
  asyncScheduler,
  concatWith,
  defer,
  EMPTY,
  identity,
  Observable,
  takeUntil,
  takeWhile,
  throwError,
} from 'rxjs';

import { startTimer } from '../../lib/engine/local/startTimer';
import type { Spending } from '../../lib/errors/runErrors';
import { BudgetExceededError } from '../../lib/errors/runErrors';
import type { RunEvent, Transition } from '../../lib/model/event';
import { isEnd } from '../../lib/model/event';
import type { Usage } from '../../lib/model/usage';
import { reportedUsage } from '../../lib/model/usage';

/** How much may be used. What is left out is not limited. */
export interface BudgetOptions {
  readonly tokens?: number;
  /** US dollars. */
  readonly usd?: number;
  /** Steps begun; further attempts, and structures around steps, count too. */
  readonly steps?: number;
  /** Milliseconds since the subscription, also while nothing happens. */
  readonly ms?: number;
  /** Reads the usage off an output or a partial result; its field `usage` when left out. */
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
 * is not counted once more, and an answer from the cache costs nothing. Each subscription counts from `used`; behind `runEach` all runs share the budget.
 *
 * Put it behind `retry()`: in front of it a resumed run would get the whole budget again.
 *
 * @example
 * ```ts
 * run(report, 'book.txt').pipe(retry(3), budget({ tokens: 20_000, usd: 0.5, ms: 60_000 }), outputs());
 * ```
 */
export function budget<O>(options: BudgetOptions): MonoTypeOperatorFunction<Transition<O>> {
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

      const timeUp = new Observable<void>((subscriber) =>
        startTimer(options.scheduler ?? asyncScheduler, (options.ms ?? 0) - (options.used?.ms ?? 0), () => {
          excess = exceeded('ms', account.used());
          subscriber.next();
        }),
      );
      const isWithin = (transition: Transition<O>): boolean => {
        latest = transition;
        account.count(transition.event);
        if (!isEnd(transition.event)) check(['tokens', 'usd', 'steps']);
        return excess === undefined;
      };
      return transitions.pipe(
        takeWhile(isWithin, true),
        options.ms === undefined ? identity : takeUntil(timeUp),
        concatWith(defer(() => (excess === undefined ? EMPTY : throwError(() => excess)))),
      );
    });
}

interface Account {
  count(event: RunEvent): void;
  used(): Spending;
}

function accountOf({ usage = reportedUsage, scheduler, used = {} }: BudgetOptions): Account {
  const clock = scheduler ?? performance;
  const startedAt = clock.now() - (used.ms ?? 0);
  const reporting = new Set<string>();
  let { tokens = 0, usd = 0, steps = 0 } = used;
  const add = (value: unknown, event: RunEvent): boolean => {
    const more = usage(value, event);
    if (more === undefined) return false;
    tokens += more.tokens ?? 0;
    usd += more.usd ?? 0;
    return true;
  };
  return {
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
    used: () => ({ tokens, usd, steps, ms: clock.now() - startedAt }),
  };
}
