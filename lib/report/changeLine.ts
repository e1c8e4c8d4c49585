import type { RunEvent } from '../model/event';
import { durationText, printable, skipReasons } from './columns';
import { shortId } from './runPicture';

/** An event as one line for a log file or CI; undefined for events that are too frequent. */
export function changeLine(event: RunEvent, name: string): string | undefined {
  const text = changeText(event);
  if (text === undefined) return undefined;
  const path = 'path' in event && event.path !== '' ? `  ${printable(event.path)}` : '';
  return `${printable(name)} ${shortId(event.runId)}${path}  ${printable(text)}`;
}

/** What an event says, in words; undefined for events that are too frequent. */
export function changeText(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'run.started':
      return 'started';
    case 'run.imported':
      return 'put in as it stands';
    case 'run.resumed':
      return `resumed, ${event.reused} finished steps are reused`;
    case 'step.started':
      return event.attempt === 1 ? 'started' : `started, attempt ${event.attempt}`;
    case 'step.retrying':
      return `attempt ${event.attempt} failed, next in ${event.delayMs} ms: ${event.error.message}`;
    case 'step.completed':
      return `completed in ${durationText(event.duration)}`;
    case 'step.failed':
      return `failed after ${durationText(event.duration)}: ${event.error.message}`;
    case 'step.skipped':
      return `skipped, ${skipReasons[event.reason]}`;
    case 'step.cancelled':
      return 'cancelled';
    case 'step.suspended':
      return 'waits for an answer';
    case 'step.answered':
      return event.by === 'answer' ? 'was answered' : 'was not answered in time';
    case 'run.completed':
      return event.replayed === true
        ? 'had completed before'
        : `completed in ${durationText(event.duration)}`;
    case 'run.failed':
      return `failed after ${durationText(event.duration)}: ${event.error.message}`;
    case 'run.suspended':
      // Without anything to wait for, whoever served it has stopped.
      return event.waiting.length > 0
        ? `waits for ${event.waiting.join(', ')}`
        : 'stopped, goes on when it is served again';
    case 'run.cancelled':
      return `cancelled after ${durationText(event.duration)}${event.error === undefined ? '' : `: ${event.error.message}`}`;
    case 'step.emitted':
    case 'step.logged':
      return undefined;
  }
}
