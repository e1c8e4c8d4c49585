import * as t from 'io-ts';
import { delay, NEVER, Observable, of } from 'rxjs';

import { agent, approval, chain, each, firstOf, memoryStore, run, sleep, workflow } from '../../index';
import type { Agent, StepContext, Wire } from '../../index';
import { random } from '../lib/store/support/random';
import { amount, seedOr, tally } from '../support/torture';
import { until } from '../support/until';

/** What agents hold open: subscriptions of their streams, and listeners of their signals. */
let open = 0;

const held = <T>(values: Observable<T>): Observable<T> =>
  new Observable((subscriber) => {
    open += 1;
    const subscription = values.subscribe(subscriber);
    return () => {
      open -= 1;
      subscription.unsubscribe();
    };
  });

/** Waits until nobody wants its answer any more. */
const waiting = async (_: number, { signal }: StepContext): Promise<number> =>
  new Promise((_resolve, reject) => {
    open += 1;
    signal.addEventListener('abort', () => {
      open -= 1;
      reject(new Error('aborted'));
    });
  });

const soon = agent('soon', (n: number) => held(of(n + 1).pipe(delay(1))));
const never = agent('never', () => held(NEVER as Observable<number>));
const hang = agent('hang', waiting);
const limited = agent('limited', waiting, { timeoutMs: 60_000, idleTimeoutMs: 60_000 });
const again = agent(
  'again',
  () => {
    throw new Error('always');
  },
  { retry: { count: 9, delayMs: 60_000 } },
) as Agent<number, number>;

const shapes: readonly Agent<number, unknown>[] = [
  chain('chain', soon, soon, never),
  chain('retries', soon, again),
  chain('sleeps', soon, sleep('pause', 60_000)),
  chain('asks', soon, approval('ask', t.number, { timeoutMs: 60_000 })),
  firstOf('race', hang, never, limited),
  chain(
    'many',
    soon,
    (n) => n,
    agent('list', (n: number) => [n, n, n, n]),
    each('each', limited, { concurrency: 3 }),
  ),
  workflow('dag', (input: Wire<number>, step) => {
    const one = step('one', soon, input);
    return [step('two', hang, one), step('three', never, one), step('four', limited, input)];
  }),
];

/** How many timers and other things there are that keep a process alive, by their kinds. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('runs that are started and cancelled at random (promises test 18)', () => {
  it('leave no subscription, no listener and no timer behind', async () => {
    const COUNT = amount(500, 10_000);
    const draw = random(seedOr(18));
    const store = memoryStore();
    await turn();
    const before = resources();
    for (let done = 0; done < COUNT; done += 25) {
      const lives = Array.from({ length: Math.min(25, COUNT - done) }, (_, index) =>
        run(shapes[Math.floor(draw() * shapes.length)]!, 1, {
          store,
          runId: `r${String(done + index)}`,
        }).subscribe({ error: () => undefined }),
      );
      while (lives.length > 0) {
        // Some are left at once, some between two steps, some while they wait.
        const wait = draw();
        if (wait < 0.2) await new Promise((resolve) => setTimeout(resolve, 2));
        else if (wait < 0.5) await turn();
        lives.splice(Math.floor(draw() * lives.length), 1)[0]!.unsubscribe();
      }
    }
    // Jest's own timers may have gone meanwhile.
    const more = () => [...resources()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
    await until(() => open === 0 && more().length === 0, 10_000).catch(() => undefined);

    expect(open).toBe(0);
    expect(more()).toEqual([]);
    tally('cancelled', COUNT);
  });
});
