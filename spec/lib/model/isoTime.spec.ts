import * as fc from 'fast-check';

import { isoTime } from '../../../lib/model/stepResult';

describe('isoTime', () => {
  it('is what a Date says, whatever it was asked before', () => {
    const near = fc.integer({ min: -3_000, max: 3_000 });
    const anywhere = fc.double({ min: -8.64e15, max: 8.64e15, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.oneof(near, anywhere), { minLength: 1, maxLength: 20 }), (moments) => {
        for (const at of moments) expect(isoTime(at)).toBe(new Date(at).toISOString());
      }),
    );
  });

  it('throws for a moment that no Date can have', () => {
    for (const at of [Number.NaN, Infinity, 9e15]) expect(() => isoTime(at)).toThrow(RangeError);
  });
});
