import { memoryStore } from '../../index';
import { amount, seedOr, tally } from '../support/torture';
import { check, checkGrowing } from './support/streamChecks';
import { streamOf } from './support/streamLife';

/** 20 cases, or as many as `LAW_CASES` says; 10,000 in the long form. */
const CASES = amount(Number(process.env['LAW_CASES'] ?? 20), 10_000);

describe('the law of streams that remember (P28)', () => {
  it('any composition, killed at any event any number of times, ends as if nothing had happened', async () => {
    const kills = await check({ memoryStore, streamOf }, CASES, seedOr(20_261_128));

    tally('streams', CASES);
    tally('kills', kills);
    expect(kills).toBeGreaterThan(CASES);
  });

  it('tells a window, and runs what handles it, with one content only, also where the source has grown meanwhile', async () => {
    const kills = await checkGrowing({ memoryStore, streamOf }, CASES, seedOr(20_261_129));

    tally('sources that grow', CASES);
    tally('kills', kills);
  });
});
