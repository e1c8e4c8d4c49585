import fc from 'fast-check';

import { patched } from '../../../lib/store/folder/deltas/applyDeltas';
import { outputChange } from '../../../lib/store/folder/deltas/outputDiff';
import { amount } from '../../support/torture';

const value = fc.jsonValue({ maxDepth: 4 }).filter((each) => !/"(__proto__|-0)/.test(JSON.stringify(each)));
const long = '.'.repeat(400);
const keyed = (size: number) => Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, 0]));

/** A value and one that has much in common with it. */
const pair = fc
  .record({
    base: value,
    other: value,
    key: fc.oneof(fc.string(), fc.constantFrom('constructor', '7', 'length')),
  })
  .chain(({ base, other, key }) => {
    const big = { long, base, list: [long, base, 1] };
    return fc.constantFrom<[unknown, unknown]>(
      [big, { ...big, base: other }],
      [big, { ...big, [key]: other }],
      [big, { [key]: other, ...big }],
      [{ ...big, [key]: other }, big],
      [
        { [key]: base, ...big },
        { [key]: other, ...big },
      ],
      [big, { ...big, list: [long, other] }],
      [big, { ...big, list: [...big.list, other, base] }],
      [big.list, [other, ...big.list]],
      [big.list, big.list.slice(0, 1)],
      [big, { long, inner: big }],
      [base, other],
      [
        [long, { [key]: base }],
        [long, { [key]: { deep: other } }],
      ],
    );
  });

describe('outputChange()', () => {
  it('leads from the one value to the other, in the same order of properties', () => {
    fc.assert(
      fc.property(pair, ([base, next]) => {
        const before = JSON.stringify(base);
        const patches = outputChange(base, next);
        if (patches === undefined) return;
        const read: unknown = patched(base as object, JSON.parse(JSON.stringify(patches)) as typeof patches);
        expect(JSON.stringify(read)).toBe(JSON.stringify(next));
        expect(JSON.stringify(base)).toBe(before);
      }),
      { numRuns: amount(500, 2_000) },
    );
  });

  it('is never longer than the value', () => {
    fc.assert(
      fc.property(pair, ([base, next]) => {
        const patches = outputChange(base, next);
        if (patches !== undefined)
          expect(JSON.stringify(patches).length).toBeLessThan(JSON.stringify(next).length);
      }),
      { numRuns: amount(500, 2_000) },
    );
  });

  it.each<[string, unknown, unknown, unknown]>([
    ['a property', { a: long, b: 1 }, { a: long, b: 2 }, [{ op: 'replace', path: ['b'], value: 2 }]],
    ['a new property', { a: long }, { a: long, b: 2 }, [{ op: 'add', path: ['b'], value: 2 }]],
    ['a lost property', { a: long, b: 2 }, { a: long }, [{ op: 'remove', path: ['b'] }]],
    ['a message at the end', [long], [long, 'hi'], [{ op: 'add', path: [1], value: 'hi' }]],
    ['a shorter list', [long, 1, 2], [long], [{ op: 'replace', path: ['length'], value: 1 }]],
    ['nothing', { a: [long] }, { a: [long] }, []],
    [
      'an inner part',
      { a: { b: [long, 1] } },
      { a: { b: [long, 2] } },
      [{ op: 'replace', path: ['a', 'b', 1], value: 2 }],
    ],
  ])('writes %s as that', (_, base, next, patches) => {
    expect(outputChange(base, next)).toEqual(patches);
  });

  it.each<[string, unknown, unknown]>([
    ['another order', { a: long, b: 1 }, { b: 1, a: long }],
    ['a key that sorts itself first', { a: long }, { a: long, 7: 1 }],
    ['a word no patch may name', { a: long, constructor: 1 }, { a: long, constructor: 2 }],
    ['another kind of value', { 0: long }, [long]],
    ['hardly anything in common', { a: long, b: 'x' }, { a: `${long}!`, b: 'x' }],
    ['a string', long, `${long}!`],
    ['nothing at all', undefined, { a: long }],
  ])('leaves a value whole that has %s', (_, base, next) => {
    expect(outputChange(base, next)).toBeUndefined();
  });

  it.each<[string, unknown, unknown]>([
    ['a list', Array(1_000).fill(0), Array(1_000_000).fill(0)],
    ['a record', { a: long }, { a: long, ...keyed(100_000) }],
    ['a record that shrinks', { a: long, ...keyed(100_000) }, { a: long }],
  ])('gives up %s early when too much of it is new', (_, base, next) => {
    let noted = 0;
    const push = jest.spyOn(Array.prototype, 'push').mockImplementation(function (this: unknown[], ...items) {
      noted += 1;
      for (const item of items) this[this.length] = item;
      return this.length;
    });
    try {
      outputChange(base, next);
    } finally {
      push.mockRestore();
    }
    expect(noted).toBeLessThan(5_000);
  });
});
