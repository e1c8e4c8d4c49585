import fc from 'fast-check';
import { delay, of, take, throwError, VirtualAction, VirtualTimeScheduler } from 'rxjs';

import { agent, memoryStore, run, workflow } from '../../index';
import type { Agent, RunEvent, RunState, Store, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';
import { amount, isLong, seedOr, tally } from '../support/torture';

interface StepPlan {
  /** Earlier steps it reads; the input when there are none. */
  readonly reads: readonly number[];
  readonly delayMs: number;
  /** How many of its first attempts fail. */
  readonly failures: number;
  readonly retries: number;
  readonly isSkipped: boolean;
}

const dag: fc.Arbitrary<readonly StepPlan[]> = fc
  .array(
    fc.record({
      picks: fc.array(fc.nat(), { maxLength: 3 }),
      delayMs: fc.constantFrom(0, 0, 3, 10),
      failures: fc.constantFrom(0, 0, 0, 1, 2),
      retries: fc.constantFrom(0, 1, 2),
      isSkipped: fc.constantFrom(false, false, false, true),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((rows) =>
    rows.map(({ picks, ...rest }, index) => ({
      ...rest,
      reads: [...new Set(picks.map((pick) => (index === 0 ? -1 : pick % index)))].filter((read) => read >= 0),
    })),
  );

/** The slow obvious model: one step after another. */
function oracle(plans: readonly StepPlan[], input: number): readonly number[] {
  const outputs: number[] = [];
  for (const [index, { reads, isSkipped }] of plans.entries()) {
    const values = reads.length === 0 ? [input] : reads.map((read) => outputs[read]!);
    outputs.push(isSkipped ? 0 - index : values.reduce((sum, value) => sum + value, index) % 10_007);
  }
  return outputs;
}

function build(plans: readonly StepPlan[], calls: string[]): Agent<number, readonly number[]> {
  return workflow('random', (input: Wire<number>, step) => {
    const wires: Wire<number>[] = [];
    for (const [index, plan] of plans.entries()) {
      const id = `s${String(index)}`;
      const work = agent(
        id,
        (values: readonly number[], { attempt }) => {
          calls.push(id);
          if (attempt <= plan.failures)
            return throwError(() => new Error(`attempt ${String(attempt)} fails`));
          const value = values.reduce((sum, each) => sum + each, index) % 10_007;
          return plan.delayMs === 0 ? of(value) : of(value).pipe(delay(plan.delayMs));
        },
        { retry: { count: plan.retries, delayMs: 5 } },
      );
      const source = plan.reads.length === 0 ? [input] : plan.reads.map((read) => wires[read]!);
      wires.push(
        plan.isSkipped
          ? step(id, work, source, { when: () => false, otherwise: 0 - index })
          : step(id, work, source),
      );
    }
    return wires;
  });
}

/**
 * Carries a run on, life after life, until it completes; each of the first lives is cancelled after so many events.
 * Real timers are not used: delays are those of the test clock.
 */
function carryOn(
  work: Agent<number, readonly number[]>,
  store: Store,
  cancelAfter: readonly number[] = [],
): { readonly events: RunEvent[]; readonly state: RunState } {
  const events: RunEvent[] = [];
  let state: RunState | undefined;
  for (let life = 0; life < 50 && state?.status !== 'COMPLETED'; life += 1) {
    const scheduler = new VirtualTimeScheduler(VirtualAction);
    const transitions = run(work, 7, { store, runId: 'r', scheduler });
    const subscription = transitions.pipe(take(cancelAfter[life] ?? Infinity)).subscribe({
      next: (transition) => {
        events.push(transition.event);
        state = transition.state;
      },
      error: () => undefined,
    });
    for (let turn = 0; turn < 60 && !subscription.closed; turn += 1) {
      scheduler.flush();
      jest.advanceTimersByTime(10);
    }
  }
  jest.clearAllTimers();
  return { events, state: state! };
}

/** Lets everything go that waits for the end of a turn: a hundred thousand runs in one would fill the memory. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('random DAGs', () => {
  // Once for all: each time costs 17 KB that are never given back.
  beforeAll(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  });
  afterAll(() => {
    jest.useRealTimers();
  });

  const all = amount(1_500, 50_000);
  // So many of them are resumed at every prefix too.
  const numRuns = amount(300, 10_000);
  const seeded = isLong ? { seed: seedOr(0) } : {};
  const patienceMs = isLong ? 7_200_000 : 180_000;

  it(
    'give what one step after another gives, and call each step as often as it has to be',
    async () => {
      await fc.assert(
        fc.asyncProperty(dag, async (plans) => {
          const calls: string[] = [];
          const { state } = carryOn(build(plans, calls), memoryStore());
          await turn();

          expect(state.status).toBe('COMPLETED');
          expect(state.output).toEqual(oracle(plans, 7));
          plans.forEach(({ failures, isSkipped }, index) => {
            const cancelled = state.steps.get(`s${String(index)}`)!.attempts - failures - 1;
            const called = calls.filter((id) => id === `s${String(index)}`).length;
            if (isSkipped) expect(called).toBe(0);
            else expect(called).toBe(failures + 1 + Math.max(0, cancelled));
          });
        }),
        { numRuns: all, ...seeded },
      );
      tally('DAGs', all);
    },
    patienceMs,
  );

  it(
    'resumed at every prefix of the journal, give the same, and call nothing again that has finished',
    async () => {
      let prefixes = 0;
      await fc.assert(
        fc.asyncProperty(dag, async (plans) => {
          const store = recordingStore(memoryStore());
          carryOn(build(plans, []), store);
          await turn();
          for (const { finished, store: left } of crashPoints(store, 'r')) {
            prefixes += 1;
            const calls: string[] = [];
            const { state } = carryOn(build(plans, calls), left);

            expect(state.status).toBe('COMPLETED');
            expect(state.output).toEqual(oracle(plans, 7));
            expect(calls.filter((id) => finished.includes(id))).toEqual([]);
          }
        }),
        { numRuns, ...seeded },
      );
      tally('DAGs resumed', numRuns);
      tally('prefixes', prefixes);
    },
    patienceMs,
  );

  it(
    'cancelled at random and carried on, give the same, and call nothing again that has finished',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          dag,
          fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 4 }),
          async (plans, cancelAfter) => {
            const calls: string[] = [];
            const store = memoryStore();
            const { state, events } = carryOn(build(plans, calls), store, cancelAfter);
            await turn();

            expect(state.status).toBe('COMPLETED');
            expect(state.output).toEqual(oracle(plans, 7));
            const completed = events.flatMap((event) =>
              event.type === 'step.completed' ? [event.path] : [],
            );
            expect(new Set(completed).size).toBe(completed.length);
            // A step is called once for each attempt that was not stopped before its call, and never more.
            for (const [index] of plans.entries()) {
              const id = `s${String(index)}`;
              expect(calls.filter((called) => called === id).length).toBeLessThanOrEqual(
                state.steps.get(id)!.attempts,
              );
            }
          },
        ),
        { numRuns, ...seeded },
      );
      tally('DAGs cancelled', numRuns);
    },
    patienceMs,
  );
});
