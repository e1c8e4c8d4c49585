import { firstValueFrom, toArray } from 'rxjs';

import { reduceRunAll } from '../../../../lib/model/reduce';
import { idleState } from '../../../../lib/model/state';
import type { KeptEvent, Store } from '../../../../lib/store/store';
import { throughJson } from './life';

/** The kept events of a run that rests. */
export const eventsOf = (store: Store, runId: string, after = 0): Promise<readonly KeptEvent[]> =>
  firstValueFrom(store.events(runId, { after }).pipe(toArray()));

const foldOf = (runId: string, kept: readonly KeptEvent[]) =>
  throughJson(
    reduceRunAll(
      idleState(runId, '', []),
      kept.map(({ event }) => event),
    ),
  );

/** What is wrong with the kept events of the runs of a store; undefined when nothing is. */
export async function faultIn(store: Store, runIds: readonly string[]): Promise<string | undefined> {
  for (const runId of runIds) {
    const state = await store.loadRun(runId);
    if (state === undefined) continue;
    const kept = await eventsOf(store, runId);
    if (kept.some(({ offset }, index) => offset !== index + 1)) return `${runId}: an offset is missing`;
    if (JSON.stringify(sorted(foldOf(runId, kept))) !== JSON.stringify(sorted(throughJson(state))))
      return `${runId}: folding ${String(kept.length)} events does not give its state`;
  }
  return undefined;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
