import { eachKilledTwice } from '../torture/each.torture';

describe('each() over many items in a process that is killed twice', () => {
  it('completes, and handles no item again that was acknowledged before a kill', async () => {
    const report = await eachKilledTwice(6_000);
    expect(report).toMatchObject({ status: 'COMPLETED', items: 6_000, sum: 18_003_000 });
    expect(report.cuts[0]).toBeLessThan(report.cuts[1]!);
    expect(report.again).toBeLessThanOrEqual(32);
  });
});
