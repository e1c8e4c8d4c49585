import type { RunEvent } from '../model/event';
import { printable } from './columns';
import { commandText } from './shellText';

/** What to do next after a run stopped without an output, as lines of text; none when there is nothing to do. */
export function goOnLines(event: RunEvent): readonly string[] {
  switch (event.type) {
    case 'run.failed':
      return [goOnText(event.runId, event.error.path)];
    case 'run.cancelled':
      return [goOnText(event.runId)];
    case 'run.suspended':
      return event.waiting.map((path) => {
        const operands = [printable(event.runId), printable(path), '<json>'];
        const typed = commandText(['npx', 'millrace', 'answer'], operands);
        const call = `answer(${quoted(event.runId)}, ${quoted(path)}, value, { store })`;
        return `To go on: ${call}, or type ${typed}; then run it again.`;
      });
    default:
      return [];
  }
}

/** How to go on with a run that stopped: in the program, and what to type where its store is a folder: whoever imports the package has it in a project. */
export function goOnText(runId: string, path?: string): string {
  const from = path === undefined ? '' : ` from ${printable(path)}`;
  const again = `run it again with runId ${quoted(runId)} and that store`;
  const typed = commandText(['npx', 'millrace', 'resume'], [printable(runId)], '--agents <file>');
  return `To go on${from}, where a store keeps the run: ${again}, or type ${typed}; what is done is not called again.`;
}

function quoted(text: string): string {
  return JSON.stringify(printable(text));
}
