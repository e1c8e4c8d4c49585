import * as fc from 'fast-check';
import { firstValueFrom, of } from 'rxjs';

import { agent, chain, execute, memoryStore, outcomes, runEach } from '../../../index';
import { jsonValue } from '../../../lib/codec/jsonValue';
import { StateValueError } from '../../../lib/errors/runErrors';
import { amount } from '../../support/torture';

class Invoice {
  readonly total = 1;
}
const cycle: Record<string, unknown> = { a: {} };
(cycle['a'] as Record<string, unknown>)['back'] = cycle;
const deep = (levels: number): unknown =>
  Array.from({ length: levels }).reduce<unknown>((inner) => [inner], 1);

const throughJson = (value: unknown): unknown =>
  value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);

describe('jsonValue() (promises test 13, P5)', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['text', 'x'],
    ['a number', 1.5],
    ['a boolean', false],
    ['a plain object', { a: [1, { b: null }] }],
    ['undefined as a whole', undefined],
    ['a lone surrogate', '\ud800'],
    ['a frozen object', Object.freeze({ a: 1 })],
    ['an object of another realm', process.memoryUsage()],
    ['256 levels', deep(256)],
    ['an empty text', ''],
    ['an empty object', {}],
    ['the largest number', Number.MAX_VALUE],
    ['NUL and line separators', '\0\u2028\u2029'],
    ['keys that look like numbers, and inherited names', { 2: 'b', 1: 'a', constructor: 1, toString: null }],
  ])('keeps %s, the very same', (_, value) => {
    expect(jsonValue(value, 'x')).toBe(value);
  });

  it('drops what is undefined, and the sign of zero, in a copy', () => {
    const value = Object.freeze({ a: 1, b: undefined, c: Object.freeze([{ d: undefined }, -0]) });

    const kept = jsonValue(value, 'x');
    expect(kept).toStrictEqual({ a: 1, c: [{}, 0] });
    expect(Object.keys(value)).toEqual(['a', 'b', 'c']);
  });

  it('leaves out what JSON leaves out: hidden properties, as SDKs attach them to their answers, and those under symbols', () => {
    const hidden = (value: object): object => Object.defineProperty(value, '_request_id', { value: 'req_1' });
    const answer = hidden({
      id: 'msg_1',
      content: [hidden({ text: 'hi' })],
      list: hidden([1, 2]),
      [Symbol('x')]: 1,
    });

    const kept = jsonValue(answer, 'x') as object;
    expect(kept).toStrictEqual({ id: 'msg_1', content: [{ text: 'hi' }], list: [1, 2] });
    expect(kept).not.toHaveProperty('_request_id');
    expect(answer).toHaveProperty('_request_id', 'req_1');
    expect(throughJson(answer)).toStrictEqual(kept);
  });

  it('calls no getter that is hidden', () => {
    const value = Object.defineProperty({ a: 1 }, 'b', {
      get: () => {
        throw new Error('called');
      },
    });
    expect(jsonValue(value, 'x')).toStrictEqual({ a: 1 });
  });

  it.each<[string, unknown, string, RegExp]>([
    ['a Map', { index: new Map() }, '.index', /a Map/],
    ['a Set', [new Set()], '[0]', /a Set/],
    ['a Date', { items: [1, 2, 3, { when: new Date(0) }] }, '.items[3].when', /a Date/],
    ['NaN', { a: Number.NaN }, '.a', /NaN/],
    ['Infinity', [-Infinity], '[0]', /-Infinity/],
    ['a bigint', 1n, '', /bigint/],
    ['a function', { f: () => 1 }, '.f', /function/],
    ['a symbol', Symbol('x'), '', /symbol/],
    ['a hidden toJSON', [Object.defineProperty({}, 'toJSON', { value: () => 1 })], '[0]', /toJSON/],
    [
      'a getter',
      {
        get x() {
          return 1;
        },
      },
      '.x',
      /getter/,
    ],
    ['a cycle', cycle, expect.stringMatching(/^\.a\.back/), /cycle/],
    ['a class instance', { it: new Invoice() }, '.it', /Invoice/],
    ['a hole', [1, , 2], '', /holes/], // eslint-disable-line no-sparse-arrays
    ['undefined in an array', [undefined], '[0]', /undefined/],
    ['an array with more', /b/.exec('abc'), '', /further properties/],
    ['a Buffer', Buffer.from('x'), '', /Buffer/],
    ['an Error', new Error('x'), '', /Error/],
    ['a boxed number', Object(1), '', /Number/],
    ['inherited properties', Object.create({ a: 1 }), '', /prototype/],
    ['__proto__ as a key', JSON.parse('{"__proto__":1}'), '.__proto__', /__proto__/],
    ['a Promise', { later: Promise.resolve(1) }, '.later', /Promise/],
    ['a typed array', [new Float64Array(2)], '[0]', /Float64Array/],
    ['a RegExp', /x/, '', /RegExp/],
    ['257 levels', deep(257), expect.any(String), /deeper than 256/],
    ['17 MiB', 'x'.repeat(17 << 20), '', /larger/],
    ['6 bytes a character', '\u0001'.repeat(3 << 20), '', /larger/],
  ])('refuses %s, by step and place', (_, value, at, why) => {
    expect(() => jsonValue(value, 'sum')).toThrow(StateValueError);
    expect(() => jsonValue(value, 'sum')).toThrow(
      expect.objectContaining({ path: 'sum', at, why: expect.stringMatching(why), retryable: false }),
    );
  });

  it('looks at a million numbers in far less than a second a MiB, and knows how long their text is', () => {
    const list = Array.from({ length: 1_000_000 }, (_, n) => n % 10);
    const since = process.cpuUsage();
    expect(jsonValue(list, 'sum', { bytes: 2_000_001 })).toBe(list);
    const tookMs = process.cpuUsage(since).user / 1_000;
    expect(tookMs / (2_000_001 / 2 ** 20)).toBeLessThan(1_000);
    expect(() => jsonValue(list, 'sum', { bytes: 2_000_000 })).toThrow(/larger/);
  });

  it.each<[string, (list: unknown[]) => unknown, RegExp]>([
    ['further properties', (list) => Object.assign(list, { count: 5 }), /further properties/],
    ['a hole', (list) => Reflect.deleteProperty(list, 1_500), /a hole/],
    ['undefined', (list) => (list[1_500] = undefined), /undefined/],
    ['NaN', (list) => (list[1_500] = NaN), /NaN/],
    ['a further property that looks like an item', (list) => Object.assign(list, { '01': 5 }), /further/],
    ['a toJSON', (list) => Object.defineProperty(list, 'toJSON', { value: () => 1 }), /toJSON/],
  ])('refuses a long list with %s', (_, spoil, why) => {
    const list: unknown[] = Array.from({ length: 2_000 }, (__, n) => n);
    spoil(list);
    expect(() => jsonValue(list, 'sum')).toThrow(
      expect.objectContaining({ why: expect.stringMatching(why) }),
    );
  });

  it('refuses a value that is small in memory and endless as JSON', () => {
    let value: unknown = [];
    for (let i = 0; i < 60; i += 1) value = [value, value];

    expect(() => jsonValue(value, 'x', { bytes: 2 ** 20 })).toThrow('larger than');
  });

  it('keeps or refuses anything: what is kept is what is read back', () => {
    fc.assert(
      fc.property(
        fc.anything({
          withMap: true,
          withDate: true,
          withBigInt: true,
          withSparseArray: true,
          withNullPrototype: true,
        }),
        (value) => {
          let kept: unknown;
          try {
            kept = jsonValue(value, 'x');
          } catch (error) {
            expect(error).toBeInstanceOf(StateValueError);
            return;
          }
          expect(throughJson(kept)).toStrictEqual(kept);
        },
      ),
      { numRuns: amount(500, 20_000) },
    );
  });
});

describe('an input 20,000 levels deep', () => {
  const levels = (wrap: (inner: unknown) => unknown): unknown =>
    Array.from({ length: 20_000 }).reduce<unknown>((inner) => wrap(inner), 1);
  const never = jest.fn();
  const same = agent('same', never);

  it.each([
    ['lists', (inner: unknown) => [inner]],
    ['objects', (inner: unknown) => ({ inner })],
  ])('of %s is refused by name where runs are saved, and nobody is called with it', async (_, wrap) => {
    const input = levels(wrap);
    const store = memoryStore();
    for (const work of [same, chain('work', same)])
      await expect(execute(work, input, { store, runId: 'r' })).rejects.toThrow(
        /^Cannot save a value of the run: .{1,100} is nested deeper than 256/,
      );
    await expect(execute(same, input, { store })).rejects.toBeInstanceOf(StateValueError);
    expect(await firstValueFrom(of(input).pipe(runEach(same, { store }), outcomes()))).toMatchObject({
      _tag: 'Left',
    });
    expect(never).not.toHaveBeenCalled();
    expect(await store.listRuns()).toEqual([]);
  });
});
