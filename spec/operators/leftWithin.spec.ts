import * as t from 'io-ts';
import { map, take, timer, VirtualTimeScheduler } from 'rxjs';

import { agent, approval, chain, each, memoryStore, run, withPolicy, workflow } from '../../index';
import type { Agent, Wire } from '../../index';

/*
 * A run that is left at an event which a step tells while what is above has not been given that step yet: nothing of it may go on.
 */

type Any = Agent<unknown, unknown>;

const limit = { timeoutMs: 600_000 };
let scheduler: VirtualTimeScheduler;
const pass = agent('pass', (input: unknown) => input);
const slow = agent('slow', (input: unknown) => timer(3, scheduler).pipe(map(() => input)));
const list = agent('list', () => [1, 2]) as Any;

const limited: Readonly<Record<string, Any>> = {
  'a chain': chain('r', pass, withPolicy(chain('c', slow), limit)),
  'a chain within a chain': chain(
    'r',
    withPolicy(chain('c', withPolicy(chain('d', pass, slow), limit)), limit),
  ),
  'a workflow': workflow('r', (input: Wire<unknown>, step) =>
    step('w', chain('c', slow), step('p', pass, input), limit),
  ),
  'items, one by one': chain(
    'r',
    list,
    each('all', withPolicy(chain('c', pass), limit), { concurrency: 1 }) as Any,
  ),
  'a question': chain('r', withPolicy(chain('c', pass, approval('ask', t.string)), limit)),
};

describe('a run that is left while a step with a time limit begins', () => {
  it.each(Object.keys(limited))('leaves no timer behind, at any event: %s', (name) => {
    const self = limited[name] as Any;
    scheduler = new VirtualTimeScheduler();
    let events = 0;
    run(self, 1, { store: memoryStore(), runId: 'r', scheduler }).subscribe(() => (events += 1));
    scheduler.flush();
    expect(events).toBeGreaterThan(4);

    for (let count = 1; count <= events; count += 1) {
      scheduler = new VirtualTimeScheduler(undefined, 10);
      run(self, 1, { store: memoryStore(), runId: 'r', scheduler }).pipe(take(count)).subscribe();
      scheduler.flush();
      expect([count, scheduler.actions.length]).toEqual([count, 0]);
    }
  });
});
