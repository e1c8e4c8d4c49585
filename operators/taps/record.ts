import type { MonoTypeOperatorFunction } from 'rxjs';

import type { ExecutionHistory } from '../../lib/history/executionHistory';
import type { RunEvent, Transition } from '../../lib/model/event';
import type { TapOptions } from './tap';
import { sideEffect } from './tap';
import { LinesLostError } from '../../lib/errors/storageErrors';

/** How runs are recorded. */
export interface RecordOptions extends TapOptions {
  /** How many lines of one run may wait for the history; further ones are lost and reported. 10,000 when left out. */
  readonly queue?: number;
}

/** The part of a history that `record` needs. */
export type RecordTarget = Pick<ExecutionHistory, 'createLog' | 'addStepResult' | 'completeLog'>;

/**
 * Writes an execution log for each life of a run: begun with the run, a line for each step that completed, failed or was
 * skipped, ended as `completed`, `failed`, `suspended` or `cancelled`.
 *
 * The first life's log bears the `runId`, those of later lives `<runId>#2` and so on. Nothing waits for the history. A
 * completed run that is only told again is not recorded again.
 */
export function record<O>(
  history: RecordTarget,
  options: RecordOptions = {},
): MonoTypeOperatorFunction<Transition<O>> {
  const { queue = 10_000 } = options;
  return sideEffect<Transition<O>>(
    'record',
    (attempt) => {
      const logs = new Map<string, OpenLog>();

      /** Makes this call when those before it are done. */
      const next = (log: OpenLog, call: () => Promise<unknown>): void => {
        if (log.waiting >= queue)
          throw new LinesLostError(`more than ${queue} lines wait for the history, one is lost`);
        log.waiting += 1;
        log.written = log.written
          .then(() => call())
          .catch((error: unknown) => {
            attempt(() => {
              throw error;
            });
          })
          .finally(() => {
            log.waiting -= 1;
          });
      };
      const begin = (runId: string, name: string, life: number): void => {
        const log: OpenLog = {
          logId: life > 1 ? `${runId}#${life}` : runId,
          waiting: 0,
          written: Promise.resolve(),
        };
        logs.set(runId, log);
        next(log, () => history.createLog(name, log.logId));
      };
      const end = (runId: string, status: string): void => {
        const log = logs.get(runId);
        logs.delete(runId);
        if (log !== undefined) next({ ...log, waiting: 0 }, () => history.completeLog(log.logId, status));
      };

      return {
        next(transition) {
          const { event } = transition;
          const outcome = outcomes[event.type];
          if (event.type === 'run.started') begin(event.runId, event.name, 1);
          else if (event.type === 'run.resumed') begin(event.runId, transition.state.name, event.life);
          else if (outcome === undefined) return;
          else if (!('path' in event)) end(event.runId, outcome);
          else {
            const log = logs.get(event.runId);
            const seconds = 'duration' in event ? event.duration : 0;
            if (log !== undefined)
              next(log, () => history.addStepResult(log.logId, event.path, outcome, seconds));
          }
        },
        end(how) {
          // Who leaves early hears no `run.cancelled`.
          if (how === 'unsubscribe') for (const runId of [...logs.keys()]) end(runId, 'cancelled');
        },
      };
    },
    options,
  );
}

interface OpenLog {
  readonly logId: string;
  waiting: number;
  written: Promise<unknown>;
}

/** The events that make a line or an end, and the word for it. */
const outcomes: Readonly<Partial<Record<RunEvent['type'], string>>> = {
  'step.completed': 'completed',
  'step.failed': 'failed',
  'step.skipped': 'skipped',
  'run.completed': 'completed',
  'run.failed': 'failed',
  'run.suspended': 'suspended',
  'run.cancelled': 'cancelled',
};
