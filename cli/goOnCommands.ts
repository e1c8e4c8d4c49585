import { failedUndoing, undoneSagas } from '../lib/engine/undone';
import type { RunState } from '../lib/model/state';
import { printable } from '../lib/report/columns';
import { openQuestions } from '../lib/store/summary';
import { anyAnswer } from './answerShape';
import { commandLine } from './context';
import type { Output } from './view/output';
import type { Settings } from './settings';
import { namesAgents } from './settings';

/**
 * What to type next about a run that has not completed: pairs of what for, and the command.
 *
 * @param isLeft - Whether its process was killed, so that nobody carries it on although it is `RUNNING`.
 * @param shapes - How the answers look that it waits for, by the paths of the steps, where that is known.
 * @param answered - Paths of steps whose answers it only has to take.
 * @param isServed - Whether a process serves the store, which goes on with runs that are answered.
 */
export function goOnRows(
  state: RunState,
  settings: Settings,
  { words }: Output,
  {
    isLeft = false,
    shapes,
    answered,
    isServed = false,
  }: {
    readonly isLeft?: boolean;
    readonly shapes?: ReadonlyMap<string, string>;
    readonly answered?: ReadonlySet<string>;
    readonly isServed?: boolean;
  } = {},
): string[][] {
  const runId = printable(state.runId);
  const command = commandLine(settings, 'resume', [runId], { needsAgents: true });
  // Whoever has named the agents' file types the command; others have a program that runs them.
  const resume = namesAgents(settings) ? command : words.orStartAgain(command);
  const back = wayBack(state);
  if (back !== undefined) {
    const anew = commandLine(settings, 'retry', [runId], { needsAgents: true });
    return [...(back === 'unsure' ? [[words.toUndo, resume]] : []), [words.doAnew, anew]];
  }
  switch (state.status) {
    case 'FAILED': {
      const { path } = state.error ?? {};
      const options = [...(path === undefined ? [] : ['--from', printable(path)]), '--resume'];
      return [
        [words.goOn, resume],
        [words.fromHere, commandLine(settings, 'fork', [runId], { needsAgents: true, options })],
      ];
    }
    case 'SUSPENDED': {
      const open = openQuestions(state);
      const answers = open
        .filter(({ stepId }) => answered?.has(stepId) !== true)
        .slice(0, MOST_QUESTIONS)
        .map((row) => [
          words.toAnswer,
          commandLine(settings, 'answer', [
            runId,
            printable(row.stepId),
            printable(shapes?.get(row.stepId) ?? anyAnswer),
          ]),
        ]);
      return isServed ? answers : [...answers, [words.goOn, resume]];
    }
    case 'CANCELLED':
      return [[words.goOn, resume]];
    case 'RUNNING':
    case 'IDLE':
      return [isLeft ? [words.goOn, resume] : [words.toWatch, commandLine(settings, 'watch', [runId])]];
    case 'COMPLETED':
      return [];
  }
}

const MOST_QUESTIONS = 3;

/** Says why a run that has gone back is not to be resumed; undefined for any other. */
export function wentBackText(state: RunState, { words }: Output): string | undefined {
  const back = wayBack(state);
  const runId = printable(state.runId);
  return back && (back === 'unsure' ? words.goesBack(runId) : words.wentBack(runId));
}

/** Whether a run that has stopped can only go back, since a saga has begun to undo what it did; `unsure` where some of it may be left. */
function wayBack({ status, steps }: RunState): 'gone' | 'unsure' | undefined {
  const isOver = status === 'FAILED' || status === 'CANCELLED';
  if (!isOver || undoneSagas(steps).length === 0) return undefined;
  // One that was cancelled may have been stopped in the middle of it, by Ctrl-C.
  return status === 'FAILED' && failedUndoing(steps) === undefined ? 'gone' : 'unsure';
}
