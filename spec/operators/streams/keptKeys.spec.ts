import { lastValueFrom, toArray } from 'rxjs';

import { deduped, fromOffset, memoryStore, scanned } from '../../../index';

interface Visit {
  readonly at: number;
}

const at = (visit: Visit): number => visit.at;

describe('keys that were kept for ever', () => {
  const visits = (...times: number[]) => {
    const all = times.map((time, index) => ({ offset: index + 1, value: { at: time } }));
    return (offset = 0) => all.slice(offset);
  };
  const heard = (read: ReturnType<typeof visits>, store: ReturnType<typeof memoryStore>, ttlMs?: number) =>
    lastValueFrom(
      fromOffset(read, { name: 's', store }).pipe(
        scanned('totals', (count: number) => count + 1, 0, {
          key: (visit) => String(visit.at % 10),
          at,
          ...(ttlMs !== undefined && { ttlMs }),
        }),
        toArray(),
      ),
    );

  it('count from the next item on when a time to live is given to them', async () => {
    const store = memoryStore();
    await heard(visits(1, 2, 11), store);

    expect(await heard(visits(1, 2, 11, 1_001, 1_012, 2_002), store, 100)).toEqual([
      ['1', 3],
      ['2', 2],
      ['2', 1],
    ]);
  });

  it('keep what comes twice out for as long as is said then', async () => {
    const store = memoryStore();
    const passed = (read: ReturnType<typeof visits>, withinMs?: number) =>
      lastValueFrom(
        fromOffset(read, { name: 's', store }).pipe(
          deduped('seen', (visit) => String(visit.at % 10), {
            at,
            ...(withinMs !== undefined && { withinMs }),
          }),
          toArray(),
        ),
      );
    await passed(visits(1, 2));

    expect(await passed(visits(1, 2, 1_001, 1_102), 100)).toEqual([{ at: 1_102 }]);
  });
});
