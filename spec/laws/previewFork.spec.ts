import { createHash } from 'node:crypto';

import fc from 'fast-check';
import { catchError, lastValueFrom, of, toArray } from 'rxjs';

import * as library from '../../index';
import type { Agent, RunEvent, RunState, StepContext, Store, Wire } from '../../index';
import { agent, fork, memoryStore, resume, run, workflow } from '../../index';
import { previewFork } from '../../history';
import { isBelow } from '../../lib/model/stepPath';
import { amount, seedOr, tally } from '../support/torture';
import type { Shape } from './support/arbitraryStructure';
import { agentsOf, arbitraryShape, hasKind } from './support/arbitraryStructure';

const CASES = amount(Number(process.env['LAW_CASES'] ?? 20), 5_000);

const seededBy = (text: string): number => createHash('sha256').update(text).digest()[0] ?? 0;

/** The events of a fork of a run, and those of its life alone. */
async function forkOf(
  work: Agent<unknown, unknown>,
  store: Store,
  from: string | undefined,
): Promise<readonly RunEvent[]> {
  const runId = await fork('r', { store, ...(from !== undefined && { from }) });
  const told = resume(work, runId, { store }).pipe(
    catchError(() => of()),
    toArray(),
  );
  return (await lastValueFrom(told)).map(({ event }) => event);
}

/** Steps that were called, or left out because of their condition. */
const begun = (events: readonly RunEvent[]): Set<string> =>
  new Set(
    events.flatMap((event) =>
      event.type === 'step.started' || event.type === 'step.skipped' ? [event.path] : [],
    ),
  );

async function firstLife(work: Agent<unknown, unknown>, store: Store): Promise<RunState> {
  const told = run(work, 1, { store, runId: 'r' }).pipe(
    catchError(() => of()),
    toArray(),
  );
  await lastValueFrom(told);
  return (await store.loadRun('r')) as RunState;
}

/** Adds a step of which only the law knows the types. */
type LooseStep = (id: string, work: unknown, source: unknown, policy: object) => Wire<unknown>;

interface StepPlan {
  readonly reads: readonly number[];
  readonly fails: boolean;
  readonly isSkipped: boolean;
  readonly isCritical: boolean;
}

const dag: fc.Arbitrary<readonly StepPlan[]> = fc
  .array(
    fc.record({
      picks: fc.array(fc.nat(), { maxLength: 3 }),
      fails: fc.constantFrom(false, false, false, false, true),
      isSkipped: fc.constantFrom(false, false, false, true),
      isCritical: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((rows) =>
    rows.map(({ picks, ...rest }, index) => ({
      ...rest,
      reads: index === 0 ? [] : [...new Set(picks.map((pick) => pick % index))],
    })),
  );

function build(plans: readonly StepPlan[], isMended: () => boolean): Agent<unknown, unknown> {
  return workflow('random', (input: Wire<unknown>, typed) => {
    const step = typed as unknown as LooseStep;
    const wires: Wire<unknown>[] = [];
    plans.forEach(({ reads, fails, isSkipped, isCritical }, index) => {
      const work: Agent<unknown, unknown> = agent(`a${String(index)}`, (_: unknown) => {
        if (fails && !isMended()) throw new Error('down');
        return index;
      });
      const policy = {
        ...(isSkipped && { when: () => false, otherwise: 0 }),
        ...(isCritical && { critical: true }),
      };
      const source = reads.length === 0 ? input : reads.map((read) => wires[read] as Wire<unknown>);
      wires.push(step(`s${String(index)}`, work, source, policy));
    });
    return wires;
  });
}

describe('the preview of a fork', () => {
  it('names exactly the steps of a DAG that the fork begins, and those that it reuses', async () => {
    await fc.assert(
      fc.asyncProperty(dag, fc.nat(), fc.boolean(), async (plans, pick, isFromStep) => {
        let isMended = false;
        const work = build(plans, () => isMended);
        const store = memoryStore();
        const state = await firstLife(work, store);
        const from =
          isFromStep || state.status === 'COMPLETED' ? `s${String(pick % plans.length)}` : undefined;
        const { again, reused, critical } = previewFork(state, from);

        isMended = true;
        const events = await forkOf(work, store, from);

        const called = begun(events);
        expect(new Set(again)).toEqual(called);
        expect(new Set(reused)).toEqual(
          new Set(plans.map((_, n) => `s${String(n)}`).filter((id) => !called.has(id))),
        );
        expect(events.find(({ type }) => type === 'run.resumed')).toMatchObject({ reused: reused.length });
        const started = new Set(
          [...state.steps].filter(({ attempts }) => attempts > 0).map(({ stepId }) => stepId),
        );
        expect(critical).toEqual(
          again.filter((id) => plans[Number(id.slice(1))]?.isCritical === true && started.has(id)),
        );
      }),
      { numRuns: CASES * 2, seed: seedOr(5) },
    );
    tally('forks of DAGs', CASES * 2);
  }, 7_200_000);

  // Which members of a quorum are needed is only known when enough have come.
  const isOpen = (shape: Shape): boolean =>
    (['ask', 'sleep', 'quorum'] as const).some((kind) => hasKind(shape, kind)) ||
    // Nor is what a cache spares.
    JSON.stringify(shape).includes('"cache"');

  it('names, of what any structure had begun, exactly what the fork begins again', async () => {
    let checked = 0;
    await fc.assert(
      fc.asyncProperty(
        arbitraryShape.filter((shape) => !isOpen(shape)),
        fc.nat(),
        fc.constantFrom(0, 0, 40),
        async (shape, pick, rate) => {
          const work = agentsOf(library, shape, 'x', {
            called: ({ path }: StepContext, canFail) => {
              if (canFail && seededBy(`${String(pick)} ${path}`) < rate) throw new Error(`${path} is down`);
            },
          });
          const store = memoryStore();
          const state = await firstLife(work, store);
          if (state.status !== 'COMPLETED') return;
          const rows = [...state.steps].filter(({ attempts }) => attempts > 0);
          const from = rows[pick % rows.length]?.stepId;
          if (from === undefined) return;
          const { again, reused } = previewFork(state, from);

          const events = await forkOf(work, store, from);

          const started = begun(events);
          const known = new Set(rows.map(({ stepId }) => stepId));
          checked += 1;
          expect([from, again.filter((path) => known.has(path)).sort()]).toEqual([
            from,
            [...started].filter((path) => known.has(path)).sort(),
          ]);
          expect(reused.filter((path) => started.has(path))).toEqual([]);
          // Below a question it goes on with what was done instead of an answer.
          const asked = events.flatMap((event) => (event.type === 'step.suspended' ? [event.path] : []));
          expect(asked.filter((path) => isBelow(from, path, state.steps))).toEqual([]);
          const left = rows.filter(({ stepId }) => ![...again, ...reused].includes(stepId));
          // All else belongs to what has ended without it.
          expect(left.filter(({ status }) => status === 'COMPLETED')).toEqual([]);
        },
      ),
      { numRuns: CASES * 2, seed: seedOr(6) },
    );
    tally('forks of structures', checked);
    expect(checked).toBeGreaterThan(CASES / 2);
  }, 7_200_000);
});
