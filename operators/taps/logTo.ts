import type { MonoTypeOperatorFunction } from 'rxjs';

import { rankOf } from '../../lib/log/entry';
import type { Logger } from '../../lib/log/logger';
import { toldNoSecrets } from '../../lib/log/logger';
import type { LogLevel, RunEvent, Transition } from '../../lib/model/event';
import { isEnd } from '../../lib/model/event';
import { entryOf, levelOf, outputEntryOf } from './internal/logEntries';
import type { TapOptions } from './tap';
import { sideEffect } from './tap';

/** What of a run goes into the log. */
export interface LogToOptions extends TapOptions {
  /** The least serious level that is passed to the logger, which may keep less; everything when left out. */
  readonly level?: LogLevel;
  /** The kinds of events that are logged; all when left out. */
  readonly events?: readonly RunEvent['type'][];
}

/** The part of a logger that `logTo` needs. */
export type LogTarget = Pick<Logger, 'log' | 'isEnabled'>;

/**
 * Writes what happens in runs to a log: starts of steps, partial results and outputs at `DEBUG`, ends at `INFO`, retries and
 * cancelled runs at `WARNING`, failures at `ERROR`, and what agents say through `context.log` at the level they chose.
 *
 * The component is the path of the step, or the name of the run; `data` names run, step, agent and attempt. An error is told
 * in full once, by the step in which it began. No target is told secrets, one of your own neither: see `isSecretKey`.
 */
export function logTo<O>(
  logger: LogTarget,
  options: LogToOptions = {},
): MonoTypeOperatorFunction<Transition<O>> {
  const { level: threshold = 'DEBUG', events } = options;
  const target = toldNoSecrets(logger);
  const wanted = events === undefined ? undefined : new Set(events);
  const atLeast = rankOf(threshold);
  const isKept = (level: LogLevel): boolean => rankOf(level) >= atLeast && logger.isEnabled(level);

  return sideEffect(
    'logTo',
    () => {
      const names = new Map<string, string>();
      let latestAt = 0;
      const nameOf = (transition: Transition): string => {
        const { event } = transition;
        const name =
          event.type === 'run.started' ? event.name : (names.get(event.runId) ?? transition.state.name);
        names.set(event.runId, name);
        return name;
      };
      return {
        next(transition) {
          const { event } = transition;
          latestAt = event.at;
          const isOfRun = !('path' in event) || event.path === '';
          const component = isOfRun ? nameOf(transition) : event.path;
          if (isEnd(event)) names.delete(event.runId);
          if (wanted?.has(event.type) === false) return;
          const level = levelOf(event);
          if (isKept(level)) {
            const { message, data } = entryOf(event);
            target.log(level, component, message, data, event.at);
          }
          if (event.type === 'step.completed' && isKept('DEBUG')) {
            const { message, data } = outputEntryOf(event);
            target.log('DEBUG', component, message, data, event.at);
          }
        },
        end(how) {
          // Who leaves early hears no `run.cancelled`.
          if (how !== 'unsubscribe' || wanted?.has('run.cancelled') === false) return;
          if (!isKept('WARNING')) return;
          for (const [runId, name] of names)
            target.log('WARNING', name, 'run cancelled', { runId }, latestAt);
        },
      };
    },
    options,
  );
}
