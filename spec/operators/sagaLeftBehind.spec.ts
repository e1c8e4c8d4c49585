import { map, NEVER, of, Subject, takeUntil, timer, VirtualTimeScheduler } from 'rxjs';

import {
  agent,
  bail,
  branch,
  chain,
  each,
  fallback,
  firstOf,
  loop,
  memoryStore,
  run,
  saga,
  workflow,
} from '../../index';
import type { Agent, RunState, Wire } from '../../index';

/*
 * A saga that is under way somewhere within a step which has lost, when the process dies: the next life does not go through what is
 * between, and undoes it all the same before the run goes on.
 */

type Any = Agent<unknown, unknown>;

let log: string[];
let scheduler: VirtualTimeScheduler;

const booking = agent(
  'book',
  () => {
    log.push('book');
    return 'booked';
  },
  {
    compensate: () => {
      log.push('undo');
    },
  },
) as Any;
const never = agent('never', () => NEVER) as Any;
const pass = agent('pass', (input: unknown) => input);
const list = agent('list', () => ['a', 'b']);
const fails = agent('fails', (): never => {
  throw new Error('fails');
}) as Any;
const two = agent('two', () => 2) as Any;
const ends = agent('ends', () => timer(5, scheduler).pipe(map(() => bail('won')))) as Any;
const winner = agent('winner', () => timer(5, scheduler).pipe(map(() => 'won'))) as Any;

const under = saga('s', chain('work', booking, never));
/** A chain of what does not fit together by its types. */
const linked = (...links: readonly Agent<never, unknown>[]): Any => chain('linked', ...(links as [Any]));

/** Where the saga is within what has lost, and how often something is booked. */
const within: Readonly<Record<string, readonly [candidate: Any, bookings: number]>> = {
  'by itself': [under, 1],
  'behind a step': [linked(pass, under), 1],
  'behind many steps': [
    linked(...Array.from({ length: 9 }, (_, n) => agent(`p${String(n)}`, (input: unknown) => input)), under),
    1,
  ],
  'as items': [linked(list, each('all', under)), 2],
  'as items with keys': [linked(list, each('all', under, { key: (item) => `${String(item)}/[x]` })), 2],
  'as an item of a stream': [each('all', under) as Any, 1],
  'in a round': [linked(pass, loop('rounds', under, { until: () => true, max: 3 })), 1],
  'in a later round': [
    loop(
      'rounds',
      branch('which', (input: unknown) => (input === 2 ? 'second' : 'first'), {
        first: two,
        second: linked(pass, under),
      }),
      { until: () => false, max: 3 },
    ),
    1,
  ],
  'after a failure': [linked(pass, fallback('either', fails, linked(pass, under))), 1],
  'under a time limit': [
    workflow('limited', (input: Wire<unknown>, step) =>
      step('s', under, step('p', pass, input), { timeoutMs: 1_000 }),
    ),
    1,
  ],
  'in a race': [linked(pass, firstOf('inner', never, linked(pass, under))), 1],
  'within another saga': [saga('outer', linked(pass, booking, under)), 2],
};

/** The run of two lives: the first one dies when this step has completed. */
async function twoLives(self: Any, last: string): Promise<RunState | undefined> {
  log = [];
  const store = memoryStore();
  const dies$ = new Subject<void>();
  let killed: RunState | undefined;
  scheduler = new VirtualTimeScheduler();
  run(self, of('a'), { store, runId: 'r', scheduler })
    .pipe(takeUntil(dies$))
    .subscribe(({ event, state }) => {
      if (event.type !== 'step.completed' || event.agent !== last) return;
      killed = state;
      dies$.next();
    });
  scheduler.flush();
  await store.deleteRun('r');
  await store.importRun(killed as RunState);
  log.push('died');
  scheduler = new VirtualTimeScheduler();
  run(self, of('a'), { store, runId: 'r', scheduler }).subscribe();
  scheduler.flush();
  return store.loadRun('r');
}

/** Everything that was booked was so before the process died, and was undone once behind that. */
const undone = (bookings: number): readonly string[] => [
  ...Array<string>(bookings).fill('book'),
  'died',
  ...Array<string>(bookings).fill('undo'),
];

describe('a saga that was under way in what had lost when the process died', () => {
  describe.each(Object.entries(within))('%s', (_, [candidate, bookings]) => {
    it('is undone behind the winner of its race', async () => {
      const state = await twoLives(firstOf('race', winner, candidate), 'winner');

      expect(log).toEqual(undone(bookings));
      expect(state).toMatchObject({ status: 'COMPLETED', output: 'won' });
    });

    it('is undone before the winner of its race', async () => {
      const state = await twoLives(firstOf('race', candidate, winner), 'winner');

      expect(log).toEqual(undone(bookings));
      expect(state).toMatchObject({ status: 'COMPLETED', output: 'won' });
    });

    it('is undone where a step beside it has ended the workflow early', async () => {
      const early = workflow('w', (input: Wire<unknown>, step) => ({
        early: step('early', ends, input),
        late: step('late', candidate, input),
      }));
      const state = await twoLives(early, 'ends');

      expect(log).toEqual(undone(bookings));
      expect(state).toMatchObject({ status: 'COMPLETED', output: 'won' });
    });
  });

  it('leaves what had completed within it as it is', async () => {
    const done = saga('done', chain('d', booking));
    const state = await twoLives(firstOf('race', winner, linked(pass, done, under)), 'winner');

    expect(log).toEqual(['book', 'book', 'died', 'undo']);
    expect(state?.steps.get('linked/done')).toMatchObject({ status: 'COMPLETED' });
  });
});
