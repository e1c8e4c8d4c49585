import type { RunState } from '../lib/model/state';
import { printable } from '../lib/report/columns';
import { openQuestions } from '../lib/store/summary';
import { commandLine } from './context';
import type { Output } from './view/output';
import type { Settings } from './settings';

/** What to type next about a run that has not completed: pairs of what for, and the command. */
export function goOnRows(state: RunState, settings: Settings, { words }: Output): string[][] {
  const runId = printable(state.runId);
  const command = commandLine(settings, ['resume', runId], { needsAgents: true });
  // Whoever has named the agents' file types the command; others have a program that runs them.
  const resume =
    settings.agentFiles.length + settings.agents.length > 0 ? command : words.orStartAgain(command);
  switch (state.status) {
    case 'FAILED': {
      const { path } = state.error ?? {};
      const fork = ['fork', runId, ...(path === undefined ? [] : ['--from', printable(path)]), '--resume'];
      return [
        [words.goOn, resume],
        [words.fromHere, commandLine(settings, fork, { needsAgents: true })],
      ];
    }
    case 'SUSPENDED': {
      const open = openQuestions(state);
      const answers = open
        .slice(0, MOST_QUESTIONS)
        .map((row) => [
          words.toAnswer,
          `${commandLine(settings, ['answer', runId, printable(row.stepId)])} '<json>'`,
        ]);
      return [...answers, [words.goOn, resume]];
    }
    case 'CANCELLED':
      return [[words.goOn, resume]];
    case 'RUNNING':
    case 'IDLE':
      return [[words.toWatch, commandLine(settings, ['watch', runId])]];
    case 'COMPLETED':
      return [];
  }
}

const MOST_QUESTIONS = 3;
