import type { RunEvent } from '../../../../lib/model/event';
import type { Durability } from '../../../../lib/store/durability';
import { lowdbStore } from '../../../../lib/store/folder/lowdbStore';
import type { Store } from '../../../../lib/store/store';
import { folded, life, throughJson } from './life';
import { ownersOf } from './lockRace';
import type { MemoryFiles } from './memoryFiles';

/** The process has ended: nothing it does any more has an effect. */
export class Ended extends Error {
  override readonly name = 'Ended';
}

let lives = 0;

/** A store on files in memory, opened by a process that takes all others for dead. */
export function storeOn(files: MemoryFiles, durability: Durability = 'disk', rotateBytes = 1500): Store {
  lives += 1;
  const pid = lives;
  const owners = ownersOf(pid, (other) => other !== pid);
  return lowdbStore('/state', { files, owners, durability, rotateBytes });
}

/** An output large enough to be journaled as a change of the one before. */
const changing = (step: number) => ({ step, text: '.'.repeat(700) });

/** Two runs, one after the other; the second one is longer than a file of the journal. */
export const runs: readonly (readonly RunEvent[])[] = [life('first', 2), life('second', 14, changing)];

/** What was acknowledged to somebody: for each run the number of its latest event. */
export type Acknowledged = Map<string, number>;

/** Carries the runs on from where they stand, up to their ends, as an engine does. */
export async function work(
  store: Store,
  acknowledged: Acknowledged = new Map(),
  histories = runs,
): Promise<Acknowledged> {
  for (const events of histories) {
    const { runId } = events[0]!;
    const claim = await store.claim(runId);
    try {
      for (const event of events.slice(claim.state?.seq ?? 0)) {
        if (event.type === 'step.started') {
          claim.note(event);
        } else {
          await claim.append(event);
          acknowledged.set(runId, event.seq);
        }
      }
    } finally {
      await claim.release(undefined);
    }
  }
  return acknowledged;
}

/** What is wrong with a store, seen by somebody who was told what is acknowledged; undefined when nothing is. */
export async function fault(
  files: MemoryFiles,
  acknowledged: Acknowledged,
  histories = runs,
): Promise<string | undefined> {
  const store = storeOn(files);
  try {
    for (const events of histories) {
      const { runId } = events[0]!;
      const claim = await store.claim(runId);
      const seq = claim.state?.seq ?? 0;
      if (seq < (acknowledged.get(runId) ?? 0))
        return `run ${runId}: ${seq} of ${acknowledged.get(runId) ?? 0} events are left`;
      const expected = seq === 0 ? undefined : folded(events.slice(0, seq));
      if (JSON.stringify(sorted(throughJson(claim.state))) !== JSON.stringify(sorted(expected ?? null))) {
        return `run ${runId}: its state is not the fold of its first ${seq} events`;
      }
      await claim.release(undefined);
    }
    return undefined;
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  } finally {
    await store.close().catch(() => undefined);
  }
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
}

/** What is done in a life, and when a file of its journal is full. */
export interface LifeOptions {
  readonly histories?: readonly (readonly RunEvent[])[];
  readonly rotateBytes?: number;
}

/** Runs the work on these files until call number `at`, with which the process ends. */
export async function workUntil(
  files: MemoryFiles,
  at: number,
  durability: Durability,
  isHalfDone: boolean,
  { histories = runs, rotateBytes }: LifeOptions = {},
): Promise<Acknowledged> {
  files.fate = ({ number }) =>
    number < at
      ? undefined
      : { error: new Ended('the process has ended'), isHalfDone: isHalfDone && number === at };
  const acknowledged: Acknowledged = new Map();
  const store = storeOn(files, durability, rotateBytes);
  await work(store, acknowledged, histories).catch(() => undefined);
  await store.close().catch(() => undefined);
  files.fate = () => undefined;
  return acknowledged;
}
