import type { RunState } from '../../lib/model/state';
import { summaryOf } from '../../lib/store/summary';
import type { DefinitionCheck, NextStep } from './contract';
import type { Shown } from './shown';

/** What is known besides how the run stands. */
interface Known {
  readonly isServed: boolean;
  readonly definition: DefinitionCheck;
  readonly shown: Shown;
}

/** What can be done with a run now, the most useful first. */
export function nextSteps(state: RunState, known: Known): readonly NextStep[] {
  const { runId, status, error } = state;
  const { shown } = known;
  const run = quoted(runId);
  const cancel: NextStep = { action: 'cancel', text: 'Stop it.', command: `millrace cancel ${run}` };
  switch (status) {
    case 'SUSPENDED':
      return [...answers(state, known), ...(state.reason === 'drain' ? [resume(run, known)] : []), cancel];
    case 'IDLE':
    case 'RUNNING':
      return [known.isServed ? waiting() : resume(run, known), cancel];
    case 'FAILED': {
      const path = error?.path === undefined ? undefined : shown.path(error.path);
      return [resume(run, known), fork(run, path)];
    }
    case 'CANCELLED':
      return [resume(run, known), fork(run)];
    case 'COMPLETED':
      return [fork(run)];
  }
}

function answers(state: RunState, { shown }: Known): readonly NextStep[] {
  return summaryOf(state).waiting.map((question) => {
    const path = shown.path(question.path);
    return {
      action: 'answer',
      path,
      asking: question.asking,
      text: `Answer what "${path}" asks.`,
      command: `millrace answer ${quoted(state.runId)} ${quoted(path)} '<json>'`,
    };
  });
}

function waiting(): NextStep {
  return { action: 'wait', text: 'It is under way, or goes on by itself.' };
}

function resume(run: string, { isServed, definition }: Known): NextStep {
  const by = isServed ? '' : ' Nobody serves this store: whoever does it needs the agents.';
  const changed =
    definition.is === 'changed'
      ? ' Its definition has changed since: that is refused unless it is allowed.'
      : '';
  return {
    action: 'resume',
    text: `Go on; what is done is not called again.${by}${changed}`,
    command: `millrace resume ${run}${isServed ? '' : ' --agents <file>'}`,
  };
}

function fork(run: string, path?: string): NextStep {
  return {
    action: 'fork',
    ...(path !== undefined && { path }),
    text: 'Make a new run that reuses what this one has done; this one stays as it is.',
    command: `millrace fork ${run} --from ${path === undefined ? '<path>' : quoted(path)}`,
  };
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
