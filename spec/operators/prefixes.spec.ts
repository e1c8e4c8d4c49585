import fc from 'fast-check';
import { from, map, of } from 'rxjs';

import {
  agent,
  branch,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  live,
  loop,
  memoryStore,
  sleep,
  workflow,
} from '../../index';
import type { Agent, StepContext, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';
import { amount, isLong, seedOr, tally } from '../support/torture';

const RUNS = amount(40, 3_000);

type Num = Agent<number, number>;

/** Paths of the calls of the run under way. */
let calls: string[] = [];
const counted =
  (work: (n: number) => number) =>
  (n: number, { path }: StepContext) => {
    calls.push(path);
    return work(n);
  };

let names = 0;
const name = (kind: string) => `${kind}${String((names += 1))}`;

const leaf = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean()).map(([step, isStream]): Num => {
  const work = counted((n) => n + step);
  return isStream
    ? agent(name('stream'), (n: number, context) =>
        from([0, 1]).pipe(map((i) => (i === 0 ? -1 : work(n, context)))),
      )
    : agent(name('leaf'), work);
});
const broken = (): Num =>
  agent(
    name('broken'),
    counted((n) => {
      throw new Error(`no ${String(n)}`);
    }),
  );

/** An agent of any shape that takes a number and gives one. */
const shape = fc.letrec<{ any: Num }>((tie) => {
  const any = tie('any');
  return {
    any: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.tuple(any, any).map(([a, b]) => chain(name('chain'), a, b)),
      fc.tuple(any, fc.integer({ min: 1, max: 3 }), fc.boolean()).map(([a, concurrency, keyed]) =>
        chain(
          name('many'),
          agent(
            name('spread'),
            counted((n) => n),
          ),
          agent(name('list'), (n: number) => [n, n + 1, n + 2]),
          each(name('each'), a, {
            concurrency,
            ...(keyed && { key: (_: number, i: number) => `k/${String(i)}` }),
          }),
          agent(name('sum'), (all: number[]) => all.reduce((x, y) => x + y, 0) % 50),
        ),
      ),
      fc
        .tuple(any, any)
        .map(([a, b]) =>
          branch(name('branch'), (n: number) => (n % 2 === 0 ? 'even' : 'odd'), { even: a, odd: b }),
        ),
      fc
        .tuple(any, fc.integer({ min: 1, max: 3 }))
        .map(([a, rounds]) => loop(name('loop'), a, { until: (_, round) => round + 1 >= rounds, max: 3 })),
      any.map((a) =>
        fallback(
          name('fallback'),
          broken(),
          chain(
            name('other'),
            agent(name('given'), ({ input }: { input: number }) => input),
            a,
          ),
        ),
      ),
      fc.tuple(any, any).map(([a, b]) => firstOf(name('first'), chain(name('slow'), a, broken()), b)),
      any.map((a) => chain(name('rested'), sleep<number>(name('sleep'), 0), a)),
      fc.tuple(any, any, any).map(([a, b, c]) =>
        workflow(name('dag'), (n: Wire<number>, step) => {
          const one = step('one', a, n);
          const two = step('two', b, n, { when: (given) => given % 3 !== 0, otherwise: 7 });
          const sum = step('sum', ({ x, y }) => x + y, { x: one, y: two });
          return step('last', c, sum);
        }),
      ),
      fc.tuple(any, any).map(([a, b]) => {
        const pair = workflow(name('pair'), (n: Wire<number>, step) => [
          step('one', a, n),
          step('two', b, n, { when: (given) => given % 2 === 0 }),
        ]);
        return chain(
          name('pairs'),
          pair,
          agent(name('sum'), ([x = 0, y = 1]: readonly (number | undefined)[]) => x + y),
        );
      }),
      any.map((a) =>
        workflow(name('live'), (n: Wire<number>, step) => {
          const some = step('some', (given) => of(given, given + 1, given + 2), n);
          const heard = step('heard', each(name('ears'), a), live(some));
          return step('count', (all) => all.reduce((x, y) => x + y, 0) % 50, heard);
        }),
      ),
    ),
  };
}).any;

interface Row {
  readonly stepId: string;
  readonly status: string;
  readonly output?: unknown;
}

/** How every step ended, but for those that lost a race: how far they came is a matter of time. */
const summary = (steps: Iterable<Row>) =>
  [...steps]
    .filter(({ stepId }) => !/(^|\/)slow/.test(stepId))
    .map(({ stepId, status, output }) => `${stepId} ${status} ${JSON.stringify(output)}`)
    .sort();

describe('a run of any shape', () => {
  afterAll(() => tally('shapes', RUNS));

  it('gives the same when it is killed after any event and resumed; what was acknowledged is not called again', async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.integer({ min: 0, max: 9 }), async (root, input) => {
        const store = recordingStore(memoryStore());
        const whole = await execute(root, input, { store, runId: 'r' });
        expect(whole.status).toBe('COMPLETED');
        for (const { finished, store: left } of crashPoints(store, 'r')) {
          calls = [];
          const again = await execute(root, input, { store: left, runId: 'r', maxCrashes: 100 });
          expect(again.output).toEqual(whole.output);
          expect(summary(again.steps)).toEqual(summary(whole.steps));
          const done = new Set(finished);
          expect(calls.filter((path) => done.has(path))).toEqual([]);
        }
      }),
      { numRuns: RUNS, ...(isLong && { seed: seedOr(0) }) },
    );
  });
});
