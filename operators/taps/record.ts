import type { MonoTypeOperatorFunction } from 'rxjs';

import type { ExecutionHistory } from '../../lib/history/executionHistory';
import type { RunEvent, Transition } from '../../lib/model/event';
import { isMidway } from '../../lib/model/event';
import { hideSecrets } from '../../lib/model/secretTexts';
import type { TapOptions } from './tap';
import { sideEffect } from './tap';
import { LinesLostError } from '../../lib/errors/storageErrors';

/** How runs are recorded. */
export interface RecordOptions extends TapOptions {
  /**
   * How many lines of one run may wait for the history; further ones are lost and reported, and a warning tells how many when
   * the run ends. When left out, 10,000, and only while the history is behind: lines of a run that lets nobody else work wait.
   */
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
  const { queue } = options;
  const most = queue ?? 10_000;
  return sideEffect<Transition<O>>(
    'record',
    (attempt) => {
      const logs = new Map<string, OpenLog>();

      /** Makes this call when those before it are done. */
      const next = (log: OpenLog, call: () => Promise<unknown>, isEnd = false): void => {
        // Without a limit of its own a quick history is never behind: see `isBehind`.
        const isFull = log.waiting >= most && (queue !== undefined || log.isBehind);
        if (isFull && !isEnd) {
          log.lost += 1;
          throw new LinesLostError(`more than ${most} lines wait for the history, one is lost`);
        }
        log.waiting += 1;
        // A run that keeps the thread to itself lets no history answer, however quick it is.
        log.turn ??= setImmediate(() => {
          log.isBehind = true;
        });
        log.written = log.written
          .then(() => call())
          .catch((error: unknown) => {
            attempt(() => {
              throw error;
            });
          })
          .finally(() => {
            log.waiting -= 1;
            if (log.waiting > 0) return;
            clearImmediate(log.turn);
            log.turn = undefined;
            log.isBehind = false;
          });
      };
      const begin = (runId: string, name: string, life: number): void => {
        const log: OpenLog = {
          logId: life > 1 ? `${runId}#${life}` : runId,
          waiting: 0,
          written: Promise.resolve(),
          turn: undefined,
          isBehind: false,
          lost: 0,
        };
        logs.set(runId, log);
        next(log, () => history.createLog(name, log.logId));
      };
      const end = (runId: string, status: string): void => {
        const log = logs.get(runId);
        logs.delete(runId);
        if (log === undefined) return;
        const { logId, lost } = log;
        if (lost > 0)
          process.emitWarning(
            `Execution log "${hideSecrets(logId)}" lacks ${lost} lines: the history was behind`,
            'MillraceWarning',
          );
        next(log, () => history.completeLog(logId, status), true);
      };

      return {
        next(transition) {
          const { event } = transition;
          const outcome = outcomes[event.type];
          if (event.type === 'run.started') begin(event.runId, event.name, 1);
          else if (event.type === 'run.resumed') begin(event.runId, transition.state.name, event.life);
          else if (!logs.has(event.runId) && isMidway(event))
            begin(event.runId, transition.state.name, transition.state.life);
          if (outcome === undefined) return;
          if (!('path' in event)) end(event.runId, outcome);
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
  /** Set while lines wait. */
  turn: NodeJS.Immediate | undefined;
  /** Whether lines still waited when everybody had had a turn. */
  isBehind: boolean;
  lost: number;
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
