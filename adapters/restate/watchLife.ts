import { askEvents } from './askEvents';
import type { EngineContext } from './engineContext';
import type { Agent } from '../../lib/model/agent';
import { WATCH_MS } from './limits';
import { pause } from './pause';
import type { EventsReply } from './protocol';

/** Between two questions for events: what happens meanwhile comes with one answer. */
const POLL_GAP_MS = 60;

/** How long one of them is held open: the end of a run comes another way, and leaves it behind. */
const POLL_MS = 5_000;

/** Asks for events as they come, until it is aborted. */
export async function watchLife(
  context: EngineContext,
  { agent, key }: { readonly agent: Agent<never, unknown>; readonly key: string },
  cursor: { readonly from: number; readonly parts: number },
  take: (reply: EventsReply) => void,
  signal: AbortSignal,
): Promise<void> {
  await pause(context.pace.after(WATCH_MS), signal);
  // A function, because the compiler does not see that it changes while one waits.
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      const reply = await askEvents(context, agent, key, { ...cursor, waitMs: POLL_MS }, signal);
      if (!isOver()) take(reply);
      await pause(context.pace.after(POLL_GAP_MS), signal);
    } catch {
      // The end, or why there is none, comes another way.
      await pause(250, signal);
    }
  }
}
