import type { RunState } from '../lib/model/state';
import { waitingMessages } from '../lib/store/folder/records/inboxFiles';
import { fateOf, hearingOf } from '../lib/store/messages';
import type { Store } from '../lib/store/store';
import { storeFiles } from './queuedRuns';

/** An answer that was given to a run, and that no life of it has taken yet. */
export interface KeptAnswer {
  /** Path of the step that it is for. */
  readonly path: string;
  readonly value: unknown;
  /** When it was given, epoch milliseconds; absent in a file of an earlier version. */
  readonly at?: number;
}

/** The answers that a run takes when it goes on, the oldest first. Those that are void by now are left out. Takes no lock. */
export async function keptAnswers(
  store: Pick<Store, 'folder'>,
  state: RunState,
): Promise<readonly KeptAnswer[]> {
  const place = storeFiles(store);
  if (place === undefined || state.status === 'COMPLETED') return [];
  const hearing = hearingOf(state, state.incarnation);
  const messages = await waitingMessages(place.files, place.layout.inbox, state.runId);
  return messages.flatMap((message) => {
    if (message.kind !== 'answer') return [];
    const { path, value, at } = message;
    const isVoid = fateOf(message, hearing, state.steps.get(path)) === 'void';
    return isVoid ? [] : [{ path, value, ...(at !== undefined && { at }) }];
  });
}
