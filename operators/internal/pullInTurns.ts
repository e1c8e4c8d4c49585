import type { Engine } from '../../lib/graph/engine';
import type { Pull, PullReceiver } from '../../lib/graph/pull';
import type { StepTask } from '../../lib/graph/stepTask';
import { StreamSourceError } from '../streamSourceError';
import type { Turns } from './turns';

/**
 * Takes items from a stream for a step, one for each `next()`; each comes in a turn of its own.
 *
 * @throws StreamSourceError where the engine cannot replay a stream.
 */
export function pullInTurns(
  { engine, turns }: { readonly engine: Pick<Engine, 'pull'>; readonly turns: Turns },
  task: StepTask,
  source: object,
  receiver: PullReceiver,
): Pull {
  if (engine.pull === undefined) throw new StreamSourceError(task.path);
  let reaction = (): void => undefined;
  let reply = (): void => undefined;
  const settle = (work: () => void): void => {
    const answer = reply;
    reply = () => undefined;
    reaction = work;
    answer();
  };
  const pull = engine.pull(source, {
    item(value) {
      settle(() => {
        receiver.item(value);
      });
    },
    end() {
      settle(() => {
        receiver.end();
      });
    },
    fail(error) {
      settle(() => {
        receiver.fail(error);
      });
    },
  });
  return {
    next() {
      reply = turns.ask(task, () => {
        reaction();
      });
      pull.next();
    },
    stop() {
      pull.stop();
    },
  };
}
