import type { RunEvent } from '../model/event';
import { printable } from './columns';

/** What to do next after a run stopped without an output, as lines of text; none when there is nothing to do. */
export function goOnLines(event: RunEvent): readonly string[] {
  switch (event.type) {
    case 'run.failed':
      return [goOnText(event.runId, event.error.path)];
    case 'run.cancelled':
      return [goOnText(event.runId)];
    case 'run.suspended':
      return event.waiting.map((path) => {
        const call = `answer(store, ${quoted(event.runId)}, ${quoted(path)}, value)`;
        return `To go on: ${call}, then run it again.`;
      });
    default:
      return [];
  }
}

/** How to go on with a run that stopped. */
export function goOnText(runId: string, path?: string): string {
  const from = path === undefined ? '' : ` from ${printable(path)}`;
  return `To go on${from}: run it again with runId ${quoted(runId)} and the same store; what is done is not called again.`;
}

function quoted(text: string): string {
  return JSON.stringify(printable(text));
}
