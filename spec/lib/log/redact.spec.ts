import { redactor } from '../../../lib/log/redact';
import { SECRET } from '../../support/secrets';

describe('redactor()', () => {
  it('removes secrets at any depth, inside arrays, Maps, errors and toJSON, and leaves the original alone', () => {
    const error = Object.assign(new Error('failed'), { config: { headers: { authorization: 'Bearer x' } } });
    const data = {
      user: { password: 'x', name: 'a' },
      list: [{ token: 'x' }],
      map: new Map([['apiKey', 'x']]),
      error,
      model: { toJSON: () => ({ secret: 'x', id: 1 }) },
      missing: { token: undefined, cookie: null },
    };
    const plain = redactor()(data);
    expect(JSON.stringify(plain)).not.toContain('Bearer');
    expect(plain).toMatchObject({
      user: { password: '[redacted]', name: 'a' },
      list: [{ token: '[redacted]' }],
      map: { apiKey: '[redacted]' },
      error: { message: 'failed', config: { headers: { authorization: '[redacted]' } } },
      model: { secret: '[redacted]', id: 1 },
      missing: { cookie: null },
    });
    expect(data.user.password).toBe('x');
  });

  it('removes what stands under keys and at paths of its own', () => {
    const redact = redactor({ keys: ['IBAN', /^internal/g], paths: ['user.card', 'items[*].price'] });
    const data = {
      iban: 1,
      internalId: 2,
      other: { internalId: 2 },
      user: { card: 3, id: 4 },
      items: [{ price: 5, n: 6 }],
    };
    expect(redact(data)).toEqual({
      iban: '[redacted]',
      internalId: '[redacted]',
      other: { internalId: '[redacted]' },
      user: { card: '[redacted]', id: 4 },
      items: [{ price: '[redacted]', n: 6 }],
    });
    expect(redact({ nothing: 1 })).toEqual({ nothing: 1 });
    expect(redact()).toEqual({});
  });

  it('keeps a key called __proto__ as a key', () => {
    const plain = redactor()(JSON.parse('{"__proto__": {"a": 1}}') as object);
    expect(Object.keys(plain)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(plain)).toBe(Object.prototype);
  });

  it('shortens what is too long, too many or too deep', () => {
    let deep: object = {};
    for (let i = 0; i < 100; i += 1) deep = { deep };
    const text = JSON.stringify(redactor()({ deep, text: 'x'.repeat(100_000), list: Array(10_000).fill(1) }));
    expect(text).toContain('[too deep]');
    expect(text).toContain('[100000 characters]');
    expect(text).toMatch(/\[\d+ more\]/);
    expect(text.length).toBeLessThan(60_000);
  });

  it('finds secrets in pairs, lists of headers, arguments, patches, and JSON within texts', () => {
    const plain = redactor()({
      pair: { name: 'Authorization', value: SECRET },
      other: { key: 'password', val: SECRET, note: 1 },
      harmless: { name: 'color', value: 'red' },
      entries: [['x-api-key', SECRET]],
      rawHeaders: ['Host', 'example.com', 'Authorization', SECRET],
      argv: ['node', 'x.js', '--token', SECRET],
      patches: [
        { op: 'replace', path: ['user', 'password'], value: SECRET },
        { op: 'replace', path: '/user/password', value: SECRET },
        { op: 'replace', path: ['user', 'city'], value: 'Seoul' },
      ],
      json: JSON.stringify({ a: { password: SECRET, n: 1 } }),
      twice: JSON.stringify(JSON.stringify({ password: SECRET })),
      headers: new Headers({ authorization: SECRET, accept: 'text/plain' }),
      query: new URLSearchParams([
        ['api_key', SECRET],
        ['page', '2'],
        ['page', '3'],
      ]),
      url: new URL(`https://u:${SECRET}@h/x?api_key=${SECRET}`),
      pattern: /x/g,
    });
    expect(JSON.stringify(plain)).not.toContain(SECRET);
    expect(plain).toMatchObject({
      other: { key: 'password', val: '[redacted]', note: 1 },
      harmless: { name: 'color', value: 'red' },
      rawHeaders: ['Host', 'example.com', 'Authorization', '[redacted]'],
      patches: [{}, {}, { value: 'Seoul' }],
      json: '{"a":{"password":"[redacted]","n":1}}',
      headers: { accept: 'text/plain' },
      query: { page: ['2', '3'] },
      pattern: '/x/g',
    });
  });

  it('shows counts and yes or no where a text would be secret', () => {
    expect(redactor()({ accessTokens: 3, session: { seconds: 5, user: 'u' }, pass: true })).toEqual({
      accessTokens: 3,
      session: { seconds: 5, user: '[redacted]' },
      pass: true,
    });
  });

  it('tells the errors within an AggregateError, causes, codes and states of errors', () => {
    const cause = new AggregateError([new Error('mirror A'), new Error('mirror B')], 'all mirrors');
    const error = Object.assign(new Error('top', { cause }), { status: 503, code: 'E_DOWN' });
    expect(redactor()(error)).toMatchObject({
      message: 'top',
      status: 503,
      code: 'E_DOWN',
      cause: { message: 'all mirrors', errors: [{ message: 'mirror A' }, { message: 'mirror B' }] },
    });
  });
});
