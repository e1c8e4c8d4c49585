import * as t from 'io-ts';

import { validate } from '../../../lib/codec/validate';
import { ValidationError } from '../../../lib/errors/runErrors';

describe('validate() (S37)', () => {
  it('names place, expected type and the type of what came, never the value', () => {
    const act = () =>
      validate(t.type({ data: t.array(t.number) }), { data: { secret: 1 } }, 'input of step "sum"');

    expect(act).toThrow(ValidationError);
    expect(act).toThrow('Cannot accept input of step "sum": .data expected Array<number>, got object');
  });

  it('speaks of a union as one', () => {
    expect(() => validate(t.type({ a: t.union([t.string, t.number]) }), { a: null })).toThrow(
      'Cannot accept the value: .a expected (string | number), got null',
    );
  });

  it('leaves the members of an intersection out of the path', () => {
    const codec = t.intersection([t.type({ a: t.string }), t.type({ b: t.array(t.string) })]);

    expect(() => validate(codec, { a: 'x', b: [1] })).toThrow('.b[0] expected string, got number');
  });

  it('gives the decoded value', () => {
    const length = new t.Type<number, string>(
      'Length',
      t.number.is,
      (value) => t.success(String(value).length),
      String,
    );

    expect(validate(length, 'four')).toBe(4);
  });

  it('does not take inherited properties, nor __proto__', () => {
    expect(() => validate(t.type({ a: t.number }), Object.create({ a: 1 }))).toThrow('inherited');
    expect(() => validate(t.record(t.string, t.unknown), JSON.parse('{"__proto__":{"x":1}}'))).toThrow(
      '__proto__',
    );
  });
});
