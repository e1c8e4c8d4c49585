import type { Decided } from '../../lib/graph/answer';
import type { Engine } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import type { Turns } from './turns';

/** Asks a function of the user's how a step goes on. A step that has stopped meanwhile does not hear what it decided. */
export function decideFor<T>(
  { engine, turns }: { readonly engine: Pick<Engine, 'decide'>; readonly turns: Turns },
  task: StepTask,
  question: string,
  decision: () => T,
  answer: (decided: Decided<T>) => void,
): void {
  engine.decide(task.path, question, decision, (decided) => {
    turns.later(() => {
      if (task.phase !== 'done') answer(decided);
    });
  });
}
