import type { Agent } from '../../../lib/model/agentType';
import { pause } from '../protocol/pause';
import { WorkerUnreachableError } from '../restateErrors';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import type { Follower } from './follower';
import type { Cursor } from './readEvents';
import { askEvents, takeReply } from './readEvents';
import type { Sleepers } from './sleepers';

/** Between two questions for events: what happens meanwhile comes with one answer. */
const POLL_GAP_MS = 60;

/** How long one of them is held open: the end of a run comes another way, and leaves it behind. Longer where nothing comes. */
const POLL_MS = 5_000;
const LONGEST_POLL_MS = 15_000;
/** How long an answer about one of a crowd may take. */
const CROWD_ANSWER_MS = 30_000;

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
  const { pace, sleepers } = context;
  // A function, because the compiler does not see that it changes while one waits.
  const isOver = (): boolean => signal.aborted;
  /** Asks once; says whether something had come. */
  const ask = async (waitMs: number, answerMs?: number): Promise<boolean> => {
    const { from, parts } = cursor;
    const reply = await askEvents(context, agent, key, { ...cursor, waitMs }, signal, answerMs);
    answered(true);
    if (isOver()) return true;
    takeReply(follow, cursor, reply);
    return cursor.from !== from || cursor.parts !== parts;
  };
  const service = serviceFor(agent);
  /**
   * Until something happens. Of many, each is asked about then, and now and then in any case, because partial results do not stand in
   * its journal.
   */
  const watchTogether = async (together: Sleepers): Promise<void> => {
    const askInTurn = (): Promise<boolean> =>
      together.asks.take(async () => isOver() || ask(0, CROWD_ANSWER_MS));
    let stamp = await together.changed(service, key, undefined, signal);
    while (!isOver() && pace.isCrowded()) {
      // What happens from the stamp on is seen by the next look, whether this hears of it or not.
      const isNews = await askInTurn();
      const mostMs = isNews ? pace.after(POLL_GAP_MS) : pace.crowdMs();
      stamp = await together.changed(service, key, stamp, signal, mostMs);
    }
  };
  let waitMs = POLL_MS;
  while (!isOver()) {
    try {
      if (sleepers !== undefined && pace.isCrowded()) await watchTogether(sleepers);
      else waitMs = (await ask(waitMs)) ? POLL_MS : Math.min(LONGEST_POLL_MS, waitMs * 2);
      await pause(pace.after(POLL_GAP_MS), signal);
    } catch (error) {
      // The end, or why there is none, comes another way; but not that the server is there and all workers are gone.
      answered(!(error instanceof WorkerUnreachableError));
      await pause(250, signal);
    }
  }
}
