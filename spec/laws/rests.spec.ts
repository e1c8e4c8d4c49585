import { setImmediate as turn } from 'node:timers/promises';

import * as fc from 'fast-check';
import { VirtualTimeScheduler } from 'rxjs';

import type { Agent, RunState, Store, Transition } from '../../index';
import { answer, chain, memoryStore, run } from '../../index';
import { StepExecutor } from '../../lib/engine/interpreter/stepExecutor';
import { LocalEngine } from '../../lib/engine/local/localEngine';
import { Permits } from '../../lib/engine/interpreter/permits';
import { amount, seedOr, tally } from '../support/torture';
import type { Asker, Clock } from './support/askers';
import { arbitraryAsker, askersOf } from './support/askers';

/*
 * A run either moves or is told as resting, in the turn in which nothing moves any more; once answered, it goes on to its end. DESIGN.md,
 * "When a run rests", has the definition. Time is virtual: a life that has not ended when nothing is left to come never would.
 */

/** 20 cases, or as many as `LAW_CASES` says; 10,000 in the long form. */
const CASES = amount(Number(process.env['LAW_CASES'] ?? 20), 10_000);

/** In how many turns of the event loop promises may settle until a run in memory knows that nothing moves any more. */
const LATEST_TURN = 1;

type Settling = LocalEngine<unknown>;

/** What is done between the lives. */
interface Schedule {
  /** How many runs share the limits. */
  readonly runs: number;
  /** Which of the open questions are answered, a number for each life. */
  readonly answered: readonly number[];
}

const schedule: fc.Arbitrary<Schedule> = fc.record({
  runs: fc.constantFrom(1, 1, 2),
  answered: fc.array(fc.nat(255), { minLength: 6, maxLength: 6 }),
});

/** One life of each of these runs at the same time, up to where nothing is left to come. */
async function live(
  self: Agent<unknown, unknown>,
  clock: Clock,
  store: Store,
  runIds: readonly string[],
): Promise<readonly string[]> {
  const scheduler = new VirtualTimeScheduler();
  clock.scheduler = scheduler;
  const faults: string[] = [];
  /** When something moved last: the moment, and the turn of the event loop. */
  let latest = { at: 0, turn: 0 };
  let turns = 0;
  let open = runIds.length;
  for (const runId of runIds) {
    run(self, runId, { store, runId, scheduler }).subscribe({
      next: ({ event, state }: Transition) => {
        // What is told together with the rest does not move the run.
        if (event.type === 'run.suspended') {
          if (scheduler.now() !== latest.at)
            faults.push(`${runId} rests late: ${String(scheduler.now() - latest.at)} ms`);
          if (turns - latest.turn > LATEST_TURN)
            faults.push(`${runId} rests late: ${String(turns - latest.turn)} turns`);
          faults.push(...disagreements(state, event.waiting));
        } else latest = { at: scheduler.now(), turn: turns };
      },
      error: (error: unknown) => {
        open -= 1;
        faults.push(`${runId} fails: ${String(error)}`);
      },
      complete: () => {
        open -= 1;
      },
    });
  }
  // Promises need turns of their own between the moments.
  for (let quiet = 0; open > 0 && quiet < 3; quiet += 1) {
    await turn();
    turns += 1;
    const [first] = scheduler.actions;
    if (first === undefined) continue;
    quiet = -1;
    scheduler.maxFrames = first.delay;
    scheduler.flush();
  }
  if (open > 0) faults.push(`${String(open)} of ${String(runIds.length)} runs end in silence`);
  return faults;
}

/** What the run says about who waits, and what its steps say. */
function disagreements({ runId, steps }: RunState, waiting: readonly string[]): readonly string[] {
  const open = [...steps].filter(({ status }) => status === 'SUSPENDED').map(({ stepId }) => stepId);
  const faults = [...steps]
    .filter(({ status }) => status === 'RUNNING')
    .map(({ stepId }) => `${runId}: ${stepId} runs`);
  if (open.toSorted().join() !== waiting.toSorted().join())
    faults.push(`${runId} waits for ${waiting.join()}, and open are ${open.join()}`);
  return faults;
}

async function faultsOf(shape: Asker, { runs, answered }: Schedule): Promise<readonly string[]> {
  const clock: Clock = { scheduler: new VirtualTimeScheduler() };
  const self = chain('root', askersOf(shape, clock));
  const store = memoryStore();
  const faults: string[] = [];
  let resting = Array.from({ length: runs }, (_, index) => `r${String(index)}`);
  for (let lives = 0; resting.length > 0; lives += 1) {
    faults.push(...(await live(self, clock, store, resting)));
    if (faults.length > 0) break;
    const next: string[] = [];
    for (const runId of resting) {
      const { status, steps } = (await store.loadRun(runId)) as RunState;
      const open = [...steps].filter((row) => row.status === 'SUSPENDED').map(({ stepId }) => stepId);
      if (status === 'COMPLETED' && open.length > 0)
        faults.push(`${runId} has ended, and ${open.join()} still ask`);
      if (status !== 'SUSPENDED') continue;
      if (open.length === 0) faults.push(`${runId} rests, and nobody is asked`);
      next.push(runId);
      const chosen = open.filter((_, index) => ((answered[lives] ?? 255) >> (index % 8)) % 2 === 1);
      for (const path of lives > 5 ? open : chosen) await answer(runId, path, `to ${path}`, { store });
    }
    resting = next;
    if (lives > 40) faults.push(`${resting.join()} never ends`);
  }
  await store.close();
  return faults;
}

async function check(cases: number, seed: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitraryAsker, schedule, async (shape, made) => {
      expect(await faultsOf(shape, made)).toEqual([]);
    }),
    { numRuns: cases, seed, endOnFailure: cases > 1000 },
  );
}

describe('runs of whatever asks, works, sleeps, reads and waits for room', () => {
  it('move or are told as resting in the same turn, and complete when they are answered', async () => {
    await check(CASES, seedOr(24));
    tally('structures that rest', CASES);
  }, 3_600_000);

  /* Tests of the test: each of these makes the interpreter behave as if a line of it were wrong. */
  const bugs: Readonly<Record<string, () => jest.SpyInstance>> = {
    'a step that waits for a person keeps its room': () =>
      jest.spyOn(Permits.prototype, 'lendResting').mockImplementation(() => undefined),
    'a run comes to rest two turns late': () => {
      const { settle } = LocalEngine.prototype;
      return jest.spyOn(LocalEngine.prototype, 'settle').mockImplementation(function (this: Settling, then) {
        let stop: (() => void) | undefined;
        const late = setImmediate(() => {
          const later = setImmediate(() => {
            stop = settle.call(this, then);
          });
          stop = () => {
            clearImmediate(later);
          };
        });
        return () => {
          clearImmediate(late);
          stop?.();
        };
      });
    },
    'a run does not look whether it is idle': () =>
      jest.spyOn(StepExecutor.prototype, 'onIdle').mockImplementation(() => undefined),
    'a reader that waits is taken for one that works': () =>
      jest.spyOn(StepExecutor.prototype, 'readerWaits').mockImplementation(() => undefined),
  };
  it.each(Object.keys(bugs))('would notice that %s', async (bug) => {
    const spy = bugs[bug]?.();
    try {
      await expect(check(200, 7)).rejects.toThrow('Property failed');
    } finally {
      spy?.mockRestore();
    }
  });
});
