import { amount, tally } from '../support/torture';
import { eachKilledTwice } from '../torture/each.torture';

const ITEMS = amount(6_000, 100_000);

describe('each() over many items in a process that is killed twice (promises test 1)', () => {
  it('completes, and handles no item again that was acknowledged before a kill', async () => {
    const report = await eachKilledTwice(ITEMS);
    expect(report).toMatchObject({ status: 'COMPLETED', items: ITEMS, sum: (ITEMS * (ITEMS + 1)) / 2 });
    expect(report.cuts[0]).toBeLessThan(report.cuts[1]!);
    expect(report.again).toBeLessThanOrEqual(32);
    tally('durable items', ITEMS);
    tally('kills', 2);
  });
});
