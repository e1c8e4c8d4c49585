import type { Agent } from '../../../lib/model/agentType';
import { pause } from '../protocol/pause';
import { WATCH_MS } from '../protocol/wireLimits';
import { WorkerUnreachableError } from '../restateErrors';
import type { EngineContext } from './engineContext';
import type { Follower } from './follower';
import type { Cursor } from './readEvents';
import { askEvents, takeReply } from './readEvents';

/** Between two questions for events: what happens meanwhile comes with one answer. */
const POLL_GAP_MS = 60;

/** How long one of them is held open: the end of a run comes another way, and leaves it behind. */
const POLL_MS = 5_000;

/**
 * Asks for events as they come, until it is aborted.
 *
 * @param answered - Told after each question whether a worker has answered within the patience.
 */
export async function watchLife<O>(
  context: EngineContext,
  { agent, key }: { readonly agent: Agent<never, unknown>; readonly key: string },
  follow: Follower<O>,
  cursor: Cursor,
  signal: AbortSignal,
  answered: (isAnswered: boolean) => void,
): Promise<void> {
  await pause(context.pace.after(WATCH_MS), signal);
  // A function, because the compiler does not see that it changes while one waits.
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      const reply = await askEvents(context, agent, key, { ...cursor, waitMs: POLL_MS }, signal);
      answered(true);
      if (!isOver()) takeReply(follow, cursor, reply);
      await pause(context.pace.after(POLL_GAP_MS), signal);
    } catch (error) {
      // The end, or why there is none, comes another way; but not that the server is there and all workers are gone.
      answered(!(error instanceof WorkerUnreachableError));
      await pause(250, signal);
    }
  }
}
