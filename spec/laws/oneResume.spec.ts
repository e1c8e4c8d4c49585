import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { lastValueFrom, retry, tap } from 'rxjs';

import type { RunState, StepContext, Store } from '../../index';
import { execute, lowdbStore, memoryStore, run } from '../../index';
import { openFailures } from '../../lib/model/openFailures';
import { crashPoints, recordingStore } from '../../testing';
import { amount, seedOr } from '../support/torture';
import type { Shape } from './support/arbitraryStructure';
import { agentsOf, arbitraryShape, withoutReasons } from './support/arbitraryStructure';

/** 50 cases, or as many as `LAW_CASES` says; 10,000 in the long form. */
const CASES = amount(Number(process.env['LAW_CASES'] ?? 50), 10_000);

/** Agents of one shape, whose leaves fail where `fails` says so, and the paths of the leaves that were called. */
function play(shape: Shape) {
  const calls: string[] = [];
  let fails: (path: string) => boolean = () => false;
  const work = agentsOf(shape, {
    called({ path }: StepContext) {
      calls.push(path);
      if (fails(path)) throw new Error(`${path} is down`);
    },
  });
  return {
    work,
    calls,
    let(next: (path: string) => boolean) {
      fails = next;
      calls.length = 0;
    },
  };
}

type Play = ReturnType<typeof play>;

/** A schedule of failures: about one in three calls, by path. */
const schedule = (seed: number) => (path: string) =>
  (createHash('sha256')
    .update(`${String(seed)} ${path}`)
    .digest()[0] ?? 0) < 85;

const isLeaf = (path: string): boolean => /(^|[/\]])leaf\d+(\[\d+\])?$/.test(path);

/** Leaves of which nothing more is to be done: they have completed. */
const completed = ({ steps }: RunState): Set<string> =>
  new Set([...steps].filter(({ status }) => status === 'COMPLETED').map(({ stepId }) => stepId));

/** Leaves whose failures are facts. */
function facts({ steps }: RunState): Set<string> {
  const open = new Set(openFailures(steps).map(({ stepId }) => stepId));
  return new Set(
    [...steps]
      .filter(
        ({ status, stepId, agent }) => status === 'FAILED' && agent.startsWith('leaf') && !open.has(stepId),
      )
      .map(({ stepId }) => stepId),
  );
}

/** What the run would have come to, had nothing failed but what its record takes for a fact. */
async function undisturbed(shape: Shape, known: ReadonlySet<string>): Promise<unknown> {
  const other = play(shape);
  other.let((path) => known.has(path));
  const state = await execute(other.work, 'in', { store: memoryStore(), runId: 'r' });
  expect([state.status, state.error]).toEqual(['COMPLETED', undefined]);
  return state.output;
}

/** Checks the life that followed on a state: one is enough, it calls what had not completed, and nothing twice. */
async function checkNextLife(shape: Shape, before: RunState, state: RunState, calls: readonly string[]) {
  expect([state.status, state.error]).toEqual(['COMPLETED', undefined]);
  expect(state.life).toBe(before.life + 1);
  const done = completed(before);
  const known = facts(before);
  expect(calls.filter((path) => done.has(path) || known.has(path))).toEqual([]);
  expect(calls.length).toBe(new Set(calls).size);
  const called = new Set(calls);
  const leaves = [...completed(state)].filter((path) => isLeaf(path));
  expect(leaves.filter((path) => !done.has(path) && !called.has(path))).toEqual([]);
  expect(withoutReasons(state.output)).toEqual(withoutReasons(await undisturbed(shape, known)));
}

async function resumed({ work, calls, let: allow }: Play, store: Store, shape: Shape, seed: number) {
  allow(schedule(seed));
  const before = await execute(work, 'in', { store, runId: 'r' });
  if (before.status === 'COMPLETED') return;
  allow(() => false);
  await checkNextLife(shape, before, await execute(work, 'in', { store, runId: 'r' }), calls);
}

async function retried({ work, calls, let: allow }: Play, store: Store, shape: Shape, seed: number) {
  allow(schedule(seed));
  let before: RunState | undefined;
  const { state } = await lastValueFrom(
    run(work, 'in', { store, runId: 'r' }).pipe(
      tap(({ event, state: failed }) => {
        if (event.type !== 'run.failed') return;
        before = failed;
        allow(() => false);
      }),
      retry(1),
    ),
  );
  if (before !== undefined) await checkNextLife(shape, before, state, calls);
}

async function crashed({ work, calls, let: allow }: Play, shape: Shape, seed: number) {
  allow(schedule(seed));
  const store = recordingStore(memoryStore());
  await execute(work, 'in', { store, runId: 'r' });
  const points = [...crashPoints(store, 'r')].filter(
    ({ after }, at) => after.type === 'step.failed' || (at + seed) % 5 === 0,
  );
  for (const { state: before, store: left } of points.slice(0, 12)) {
    if (before.status === 'COMPLETED') continue;
    allow(() => false);
    await checkNextLife(shape, before, await execute(work, 'in', { store: left, runId: 'r' }), calls);
  }
}

describe('one resume is enough, whatever had failed (promises P21)', () => {
  const parameters = { numRuns: CASES, seed: seedOr(21), endOnFailure: CASES > 1000 };
  const folders: string[] = [];
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'millrace-law-'));
    folders.push(made);
    return made;
  };
  afterEach(() => {
    for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
  });

  it.each([
    ['in memory', memoryStore],
    ["in a folder, durability 'process'", () => lowdbStore(folder(), { durability: 'process' })],
    ['in a folder, on disk', () => lowdbStore(folder())],
  ] as const)(
    'resume() and retry() bring any structure to its end in one life, and call what had not completed: %s',
    async (_, open) => {
      await fc.assert(
        fc.asyncProperty(arbitraryShape, fc.nat({ max: 1e6 }), async (shape, seed) => {
          for (const carry of [resumed, retried]) {
            const store: Store = open();
            await carry(play(shape), store, shape, seed);
            await store.close();
          }
        }),
        parameters,
      );
    },
    3_600_000,
  );

  it('the next life does so after a crash between a failed step and the failed run', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryShape, fc.nat({ max: 1e6 }), (shape, seed) =>
        crashed(play(shape), shape, seed),
      ),
      parameters,
    );
  }, 3_600_000);
});
