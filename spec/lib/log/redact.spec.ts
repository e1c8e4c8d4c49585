import { isSecretKey, redactor } from '../../../lib/log/redact';

describe('isSecretKey()', () => {
  it.each([
    'password',
    'passwd',
    'PASSPHRASE',
    'pwd',
    'secret',
    'client_secret',
    'apiKey',
    'API_KEY',
    'x-api-key',
    'token',
    'accessToken',
    'refresh-token',
    'Authorization',
    'auth',
    'cookie',
    'Set-Cookie',
    'credentials',
    'privateKey',
    'AWS_SECRET_ACCESS_KEY',
    'connectionString',
    'bearer',
    'jwt',
    'sessionId',
    'ssn',
    'cvv',
  ])('takes %s for a secret', (key) => {
    expect(isSecretKey(key)).toBe(true);
  });

  it.each([
    'tokens',
    'maxTokens',
    'tokenCount',
    'author',
    'key',
    'passed',
    'keyword',
    'path',
    'message',
    'pass',
    '',
    'x'.repeat(300),
  ])('leaves %s readable', (key) => {
    expect(isSecretKey(key)).toBe(false);
  });
});

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
});
