import type { Wire } from '../../index';
import { agent, chain, execute, memoryStore, workflow } from '../../index';
import { describePlacements } from './support/placements';

const broken = (): never => {
  throw new RangeError('key broke');
};
const plus = agent('plus', (n: number) => n + 1);
const limited = workflow('limited', (n: Wire<number>, step) =>
  step('one', chain('one', plus), n, { limit: { concurrency: 1, key: broken } }),
);
const cached = workflow('cached', (n: Wire<number>, step) =>
  step('one', plus, n, { cache: { key: broken } }),
);

describePlacements('keys that fail on Restate', [limited, cached], (options) => {
  it.each([
    ['limit', limited],
    ['cache', cached],
  ])('fail the step as in this process, where a %s asks for them', async (_, asked) => {
    const { status, error } = await execute(asked, 1, options);
    const here = await execute(asked, 1, { store: memoryStore() });

    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ name: 'RangeError', message: 'key broke', path: 'one' });
    expect({ status: here.status, error: here.error }).toEqual({ status, error });
  });
});
