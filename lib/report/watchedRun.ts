import type { RunEvent } from '../model/event';
import type { RunState } from '../model/state';
import { skipReasons } from './columns';

/** A run as it is drawn: its state, and what the state does not keep. */
export interface WatchedRun {
  readonly state: RunState;
  /** When the steps of this life began and ended, epoch milliseconds. */
  readonly times: ReadonlyMap<string, StepTimes>;
  /** Notes on steps, shown beside their status. */
  readonly notes: ReadonlyMap<string, string>;
  /** Beginning of this life, epoch milliseconds. */
  readonly beganAt: number;
}

/** When a step of this life began and ended, epoch milliseconds. */
export interface StepTimes {
  readonly startedAt: number;
  readonly endedAt?: number;
}

/** Collects what a `WatchedRun` knows besides the state. */
export interface RunNotes extends Omit<WatchedRun, 'state'> {
  take(event: RunEvent): void;
}

/** How many steps that have ended keep their times and notes; beyond that, the oldest is forgotten. */
const KEPT = 500;

/** Notes on one life of a run; bounded however many steps there are. */
export function runNotes(beganAt: number): RunNotes {
  const times = new Map<string, StepTimes>();
  const notes = new Map<string, string>();
  const ended: string[] = [];

  const end = (path: string, at: number): void => {
    const begun = times.get(path);
    if (begun === undefined) return;
    times.set(path, { startedAt: begun.startedAt, endedAt: at });
    if (ended.push(path) <= KEPT) return;
    const oldest = ended.shift();
    if (oldest !== undefined && times.get(oldest)?.endedAt !== undefined) {
      times.delete(oldest);
      notes.delete(oldest);
    }
  };

  return {
    beganAt,
    times,
    notes,
    take(event) {
      switch (event.type) {
        case 'step.started':
          if (times.get(event.path)?.endedAt !== undefined || !times.has(event.path)) {
            times.set(event.path, { startedAt: event.at });
          }
          if (event.attempt > 1) {
            const last = notes.get(event.path)?.replace(/^.*?last: /, '');
            notes.set(event.path, `attempt ${event.attempt}${last === undefined ? '' : `, last: ${last}`}`);
          }
          break;
        case 'step.retrying': {
          const next = `attempt ${event.attempt + 1} in ${event.delayMs} ms`;
          notes.set(event.path, `${next}, last: ${event.error.message}`);
          break;
        }
        case 'step.skipped':
          notes.set(event.path, skipReasons[event.reason]);
          end(event.path, event.at);
          break;
        case 'step.completed':
          if (event.attempt === 1) notes.delete(event.path);
          else notes.set(event.path, `attempt ${event.attempt}`);
          end(event.path, event.at);
          break;
        case 'step.failed':
        case 'step.cancelled':
        case 'step.suspended':
          end(event.path, event.at);
          break;
        default:
          break;
      }
    },
  };
}
