import { agent, chain, execute, memoryStore, workflow } from '../../index';
import type { Agent, Store, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';

let keys: string[] = [];
let isDown = false;
const pay = agent('pay', (amount: number, { idempotencyKey }) => {
  keys.push(idempotencyKey);
  if (isDown) throw new Error('down');
  return amount;
});
const times = (factor: number): Agent<number, number> =>
  agent(`times${String(factor)}`, (n: number) => n * factor);

async function keysOf(
  work: Agent<number, unknown>,
  store: Store,
  input = 1,
  onMismatch?: 'actual',
): Promise<string[]> {
  keys = [];
  await execute(work, input, { store, runId: 'r', ...(onMismatch && { onMismatch }) });
  return keys;
}

describe('the idempotency key', () => {
  beforeEach(() => {
    isDown = false;
  });

  it('is the same for every attempt of a step, over all lives', async () => {
    isDown = true;
    const store = memoryStore();
    const retried = workflow('work', (n: Wire<number>, step) =>
      step('often', pay, n, { retry: { count: 2, delayMs: 0 } }),
    );
    const first = await keysOf(retried, store);
    isDown = false;
    const second = await keysOf(retried, store);

    expect([...first, ...second]).toEqual(['r/often', 'r/often', 'r/often', 'r/often']);
  });

  it('is the same after a crash in the middle of the call', async () => {
    const store = recordingStore(memoryStore());
    const work = chain('work', times(2), pay);
    const [key] = await keysOf(work, store);
    const point = [...crashPoints(store, 'r')].find(
      ({ after }) => after.type === 'step.started' && after.path === 'pay',
    );

    expect(await keysOf(work, point!.store)).toEqual([key]);
  });

  it('is another one when the step is called with something else, because the definition has changed', async () => {
    const store = memoryStore();
    const [before] = await keysOf(chain('work', times(2), pay), store);
    const [after] = await keysOf(chain('work', times(3), pay), store, 1, 'actual');
    const [afterThat] = await keysOf(chain('work', times(4), pay), store, 1, 'actual');

    expect(new Set([before, after, afterThat]).size).toBe(3);
  });

  it('is another one when the input of the run has changed, also where the call had failed', async () => {
    isDown = true;
    const store = memoryStore();
    const [before] = await keysOf(pay, store, 1);
    isDown = false;
    const [after] = await keysOf(pay, store, 2, 'actual');
    expect(after).not.toBe(before);

    isDown = true;
    const other = memoryStore();
    await keysOf(pay, other, 1);
    const [failed] = await keysOf(pay, other, 2, 'actual');
    isDown = false;
    expect(await keysOf(pay, other, 2)).toEqual([failed]);
  });

  it('stays as it was for a step that had never been called', async () => {
    const store = memoryStore();
    const broken = agent('broken', (_: number): number => {
      throw new Error('down');
    });
    await keysOf(chain('work', broken, pay), store);

    expect(await keysOf(chain('work', times(2), pay), store, 1, 'actual')).toEqual(['r/pay']);
  });

  it('stays as it was for a step that does not depend on the change', async () => {
    const store = memoryStore();
    isDown = true;
    const both = (factor: number) =>
      workflow('both', (n: Wire<number>, step) => [step('pay', pay, n), step('times', times(factor), n)]);
    const [before] = await keysOf(both(2), store);
    isDown = false;

    expect(await keysOf(both(3), store, 1, 'actual')).toEqual([before]);
  });
});
