import type { MonoTypeOperatorFunction } from 'rxjs';
import { pipe } from 'rxjs';

import type { Alert, AlertRule } from '../../lib/metrics/alert';
import type { Monitor } from '../../lib/metrics/monitor';
import { createMonitor } from '../../lib/metrics/monitor';
import type { Transition } from '../../lib/model/event';
import { InvalidArgumentError } from '../../lib/model/failure';
import { measure } from './measure';
import type { TapOptions } from './tap';
import { sideEffect } from './tap';

/**
 * Tells a listener when something begins or ceases to be wrong with the runs that pass.
 *
 * Rules are asked whenever a run has ended, and count from the moment `alertOn()` is called; used in several pipes, one
 * `alertOn()` counts them together and tells each alert once. Given a monitor instead of rules, it passes on the alerts of that monitor, which
 * `measure(monitor)` further up in the pipe keeps informed; a listener that throws is reported and harms nothing, unlike one
 * that subscribes to `alerts$` itself.
 *
 * @example
 * ```ts
 * runs$.pipe(alertOn({ failing: (stats) => stats.failureRate > 30 }, ({ ruleName, status }) => page(ruleName, status)));
 * ```
 */
export function alertOn<O>(
  rules: Readonly<Record<string, AlertRule>> | Pick<Monitor, 'alerts$'>,
  listener: (alert: Alert) => unknown,
  options: TapOptions = {},
): MonoTypeOperatorFunction<Transition<O>> {
  const monitor = isMonitor(rules) ? rules : monitorWith(rules, options);
  // Shared by all subscriptions, as the numbers are: each of them hears every alert, and the first one tells it.
  const told = new WeakSet<Alert>();
  // The listener must be there before anything is counted: what comes first in the pipe is subscribed last.
  const listen = sideEffect<Transition<O>>(
    'alertOn',
    (attempt) => {
      const subscription = monitor.alerts$.subscribe({
        next: (alert) => {
          if (told.has(alert)) return;
          told.add(alert);
          attempt(() => listener(alert));
        },
        error: () => undefined,
      });
      return {
        next: () => undefined,
        end: () => {
          subscription.unsubscribe();
        },
      };
    },
    options,
  );
  return isMonitor(rules) ? listen : pipe(measure<O>(monitor as Monitor, options), listen);
}

function monitorWith(rules: Readonly<Record<string, AlertRule>>, { onTapError }: TapOptions): Monitor {
  let failures = 0;
  const tell = (_component: string, message: string): void => {
    failures += 1;
    onTapError?.(new InvalidArgumentError(message, 'mend the rule', { tellsNext: false }), failures);
  };
  const monitor = createMonitor(onTapError === undefined ? {} : { logger: { error: tell } });
  for (const [name, rule] of Object.entries(rules)) monitor.addAlertRule(name, rule);
  return monitor;
}

function isMonitor(rules: object): rules is Pick<Monitor, 'alerts$'> {
  return 'alerts$' in rules;
}
