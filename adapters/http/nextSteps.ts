import type { RunState } from '../../lib/model/state';
import { commandText, shellText } from '../../lib/report/shellText';
import { summaryOf } from '../../lib/store/summary';
import type { DefinitionCheck, NextStep } from './contract';
import type { Shown } from './shown';

/** What is known besides how the run stands. */
interface Known {
  readonly isServed: boolean;
  /** The folder of the store, where it is in one. */
  readonly folder: string | undefined;
  readonly definition: DefinitionCheck;
  readonly shown: Shown;
}

/** What can be done with a run now, the most useful first. */
export function nextSteps(state: RunState, known: Known): readonly NextStep[] {
  const { runId, status, error } = state;
  const { shown } = known;
  const cancel: NextStep = { action: 'cancel', text: 'Stop it.', ...commandOn('cancel', [runId], known) };
  switch (status) {
    case 'SUSPENDED':
      return [...answers(state, known), ...(state.reason === 'drain' ? [resume(runId, known)] : []), cancel];
    case 'IDLE':
    case 'RUNNING':
      return [known.isServed ? waiting() : resume(runId, known), cancel];
    case 'FAILED': {
      const path = error?.path === undefined ? undefined : shown.path(error.path);
      return [resume(runId, known), fork(runId, known, path)];
    }
    case 'CANCELLED':
      return [resume(runId, known), fork(runId, known)];
    case 'COMPLETED':
      return [fork(runId, known)];
  }
}

function answers(state: RunState, known: Known): readonly NextStep[] {
  return summaryOf(state).waiting.map((question) => {
    const path = known.shown.path(question.path);
    return {
      action: 'answer',
      path,
      asking: question.asking,
      text: `Answer what "${path}" asks.`,
      ...commandOn('answer', [state.runId, path, '<json>'], known),
    };
  });
}

function waiting(): NextStep {
  return { action: 'wait', text: 'It is under way, or goes on by itself.' };
}

function resume(runId: string, known: Known): NextStep {
  const { isServed, definition } = known;
  const by = isServed ? '' : ' Nobody serves this store: whoever does it needs the agents.';
  const changed =
    definition.is === 'changed'
      ? ' Its definition has changed since: that is refused unless it is allowed.'
      : '';
  return {
    action: 'resume',
    text: `Go on; what is done is not called again.${by}${changed}`,
    ...commandOn('resume', [runId], known, isServed ? '' : ' --agents <file>'),
  };
}

function fork(runId: string, known: Known, path?: string): NextStep {
  return {
    action: 'fork',
    ...(path !== undefined && { path }),
    text: 'Make a new run that reuses what this one has done; this one stays as it is.',
    ...commandOn('fork', [runId], known, ` --from ${path === undefined ? '<path>' : shellText([path])}`),
  };
}

/** A command about a run, wherever it is typed. It reaches runs in folders only. */
function commandOn(
  action: NextStep['action'],
  operands: readonly string[],
  { folder }: Known,
  more = '',
): Pick<NextStep, 'command'> {
  if (folder === undefined) return {};
  const options = `${shellText(['--store', folder])}${more}`;
  return { command: commandText(['npx', 'millrace', action], operands, options) };
}
