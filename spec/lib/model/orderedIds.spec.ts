import { orderedIds } from '../../../lib/model/orderedIds';

describe('orderedIds', () => {
  it('makes ids at the time 0, where fake clocks begin, that sort by when they were made', () => {
    const next = orderedIds();
    const made = [next(0), next(0), next(1), next(5), next(5)];

    expect(new Set(made).size).toBe(5);
    expect([...made].sort()).toEqual(made);
  });
});
