import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

import { asyncScheduler } from 'rxjs';

import type { RunEvent } from '../../lib/model/event';
import type { RunState } from '../../lib/model/state';
import { StepTable } from '../../lib/model/stepTable';
import type { Store } from '../../lib/store/store';
import { append, folded, life, throughJson } from './life';

/** A store under test. */
export interface Subject {
  /** A new store in an empty place. */
  readonly store: Store;
  /** Another store of the same place. */
  readonly reopen: () => Promise<Store>;
}

/** One thing that a store does. */
export interface StoreCase {
  readonly name: string;
  readonly check: (subject: Subject) => Promise<void>;
}

/** Runs of a contract began an hour ago: old enough to be forgotten. */
export function anHourAgo(): number {
  return asyncScheduler.now() - 3_600_000;
}

/** Lets a run live and rest: completed, or as far as these events go. Returns them. */
export async function rest(
  store: Store,
  runId: string,
  events: readonly RunEvent[] = life(runId, 3),
): Promise<readonly RunEvent[]> {
  const claim = await store.claim(runId);
  await append(claim, events);
  await claim.release(undefined);
  return events;
}

/** The same, and how it stands then. */
export async function restingState(
  store: Store,
  runId: string,
  events: readonly RunEvent[] = life(runId, 2),
): Promise<RunState> {
  await rest(store, runId, events);
  const state = await store.loadRun(runId);
  assert.ok(state !== undefined, `loadRun(${JSON.stringify(runId)}) knows nothing of a run that rests`);
  return state;
}

/** The same state with a value that JSON would change, as that of a run without a store may have. */
export function withMap(state: RunState): RunState {
  const steps = [...state.steps].map((step, i) =>
    i === 0 ? { ...step, output: new Map([[1, 'a']]) } : step,
  );
  return { ...state, steps: StepTable.of(steps) };
}

/** A run stands as these events say. */
export function stands(state: RunState | undefined, events: readonly RunEvent[]): void {
  assert.deepEqual(throughJson(state), folded(events));
}

/** Fails with an error of one of these names, thrown or through a Promise. */
export async function refuses(work: () => unknown, ...names: readonly string[]): Promise<void> {
  await assert.rejects(
    async () => {
      await work();
    },
    (error: unknown) => {
      const name = error instanceof Error ? error.name : String(error);
      assert.ok(names.includes(name), `expected ${names.join(' or ')}, got ${name}`);
      return true;
    },
    `expected ${names.join(' or ')}, but it was allowed`,
  );
}

/** Waits until something holds, for four seconds at most: a busy disk takes its time. */
export async function becomes(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let waitedMs = 0; !(await holds()); waitedMs += 5) {
    assert.ok(waitedMs < 4_000, `${what}, but not within four seconds`);
    await setTimeout(5);
  }
}
