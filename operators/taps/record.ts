import type { MonoTypeOperatorFunction } from 'rxjs';

import type { ExecutionHistory } from '../../lib/history/executionHistory';
import type { RunEvent, Transition } from '../../lib/model/event';
import { InvalidArgumentError } from '../../lib/model/failure';
import { isMidway } from '../../lib/model/event';
import { hideSecrets } from '../../lib/model/secrets/secretTexts';
import type { Attempt, TapOptions, WatchEnd, Watcher } from './tap';
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
 * skipped, ended as `completed`, `failed`, `suspended` or `cancelled`. A life that broke off, such as on a full disk, has failed.
 *
 * The first life's log bears the `runId`, those of later lives `<runId>#2` and so on; where another run's log has that id, a
 * new one is made. No run waits for the history; `store.close()` of a `lowdbStore` does. A completed run that is only told again is
 * not recorded again.
 */
export function record<O>(
  history: RecordTarget,
  options: RecordOptions = {},
): MonoTypeOperatorFunction<Transition<O>> {
  return sideEffect<Transition<O>>('record', (attempt) => new Recording(history, options, attempt), options);
}

/** The logs of all runs that one subscription sees. */
class Recording<O> implements Watcher<Transition<O>> {
  readonly #history: RecordTarget;
  readonly #options: RecordOptions;
  readonly #attempt: Attempt;
  readonly #logs = new Map<string, OpenLog>();

  constructor(history: RecordTarget, options: RecordOptions, attempt: Attempt) {
    this.#history = history;
    this.#options = options;
    this.#attempt = attempt;
  }

  next({ event, state }: Transition<O>): void {
    const { runId } = event;
    if (event.type === 'run.started') this.#begin(runId, event.name, 1);
    else if (event.type === 'run.resumed') this.#begin(runId, state.name, event.life);
    else if (!this.#logs.has(runId) && isMidway(event)) this.#begin(runId, state.name, state.life);
    const outcome = outcomes[event.type];
    if (outcome === undefined) return;
    if (!('path' in event)) this.#finish(runId, outcome);
    else {
      const log = this.#logs.get(runId);
      const seconds = 'duration' in event ? event.duration : 0;
      if (log !== undefined)
        this.#write(log, () => this.#history.addStepResult(log.logId, event.path, outcome, seconds));
    }
  }

  end(how: WatchEnd): void {
    // Who leaves early hears no `run.cancelled`.
    if (how === 'unsubscribe') for (const runId of [...this.#logs.keys()]) this.#finish(runId, 'cancelled');
  }

  #begin(runId: string, name: string, life: number): void {
    // A life that the store broke off has no end.
    this.#finish(runId, 'failed');
    const log: OpenLog = {
      logId: life > 1 ? `${runId}#${life}` : runId,
      waiting: 0,
      written: Promise.resolve(),
      turn: undefined,
      isBehind: false,
      lost: 0,
    };
    this.#logs.set(runId, log);
    this.#write(log, () => beginLog(this.#history, log, name));
  }

  #finish(runId: string, status: string): void {
    const log = this.#logs.get(runId);
    this.#logs.delete(runId);
    if (log === undefined) return;
    const { logId, lost } = log;
    if (lost > 0)
      process.emitWarning(
        `Execution log "${hideSecrets(logId)}" lacks ${lost} lines: the history was behind`,
        'MillraceWarning',
      );
    this.#write(log, () => this.#history.completeLog(log.logId, status), true);
  }

  /** Makes this call when those before it are done. */
  #write(log: OpenLog, call: () => Promise<unknown>, isEnd = false): void {
    const { queue } = this.#options;
    const most = queue ?? 10_000;
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
        this.#attempt(() => {
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
  }
}

/** Another run may have had the id: its log stays, and this one gets an id of its own. */
async function beginLog(history: RecordTarget, log: OpenLog, name: string): Promise<void> {
  try {
    await history.createLog(name, log.logId);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    log.logId = (await history.createLog(name)).logId;
  }
}

interface OpenLog {
  logId: string;
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
