import { networkInterfaces } from 'node:os';

import { httpApi, portGuard } from '../../../adapters/http';
import { memoryStore } from '../../../index';
import type { Listening } from './support/listening';
import { curl, listening } from './support/listening';

const token = 'a-token-of-32-characters-or-more';
const json = ['-H', 'content-type: application/json'];
const bearer = ['-H', `authorization: Bearer ${token}`];

describe('portGuard(), asked by curl', () => {
  let server: Listening;
  let readOnly: Listening;

  beforeAll(async () => {
    const api = httpApi({ store: memoryStore(), authorize: () => 'write' });
    const guard = portGuard({ token, port: () => server.port });
    server = await listening((request) => guard(request, api.fetch));
    const bare = httpApi({ store: memoryStore(), authorize: () => 'write', readOnly: true });
    const open = portGuard({ token, port: () => readOnly.port });
    readOnly = await listening((request) => open(request, bare.fetch));
  });

  afterAll(async () => {
    await server.close();
    await readOnly.close();
  });

  it.each([
    ['who has no token', [], 401],
    ['who has another token', ['-H', 'authorization: Bearer another-token-of-32-characters'], 401],
    ['who has the token of another port as a cookie', ['-H', `cookie: millrace-1=${token}`], 401],
    ['a name that is not its own', [...bearer, '-H', 'host: evil.example'], 403],
    ['its own name with another port', [...bearer, '-H', 'host: 127.0.0.1:1'], 403],
    ['a name that only begins as its own', [...bearer, '-H', 'host: 127.0.0.1.evil.example'], 403],
    ['a page of others', [...bearer, '-H', 'origin: http://evil.example'], 403],
    ['a page of another port', [...bearer, '-H', 'origin: http://127.0.0.1:1'], 403],
    ['a page without an origin', [...bearer, '-H', 'origin: null'], 403],
    ['a request that another site causes', [...bearer, '-H', 'sec-fetch-site: cross-site'], 403],
    ['a request of another port of this machine', [...bearer, '-H', 'sec-fetch-site: same-site'], 403],
  ])('refuses %s', async (_, headers, status) => {
    const { status: got, body } = await curl(`${server.url}/runs`, ...headers);

    expect({ got, body: JSON.parse(body) }).toEqual({
      got: status,
      body: {
        error: {
          code: status === 401 ? 'NOT_AUTHORIZED' : 'FORBIDDEN',
          name: 'HttpRequestError',
          message: expect.any(String),
          next: expect.any(String),
        },
      },
    });
  });

  it('refuses a POST of a page of others that has the cookie', async () => {
    const cookie = ['-H', `cookie: millrace-${String(server.port)}=${token}`];
    const evil = ['-H', 'origin: http://evil.example', ...json, '-d', '{}'];

    expect(await curl(`${server.url}/runs`, ...cookie, ...evil)).toMatchObject({ status: 403 });
    expect(await curl(`${server.url}/runs`, ...cookie)).toMatchObject({ status: 200 });
  });

  it('refuses a body that a form can send', async () => {
    const plain = ['-H', 'content-type: text/plain', '-d', '{}'];
    const form = ['-d', 'agent=report'];

    expect(await curl(`${server.url}/runs`, ...bearer, ...plain)).toMatchObject({ status: 415 });
    expect(await curl(`${server.url}/runs`, ...bearer, ...form)).toMatchObject({ status: 415 });
    expect(await curl(`${server.url}/runs`, ...bearer, '-X', 'POST')).toMatchObject({ status: 415 });
  });

  it('refuses changes where it is read-only', async () => {
    const got = await curl(`${readOnly.url}/runs/r/delete`, ...bearer, ...json, '-d', '{}');

    expect(got).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    expect(JSON.parse(got.body)).toMatchObject({ error: { code: 'READ_ONLY' } });
  });

  it.each([
    '..%2F..%2Fetc%2Fpasswd',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '..%5C..%5Cetc',
    '%00',
    '../../etc/passwd',
  ])('finds no run named %s', async (id) => {
    expect(await curl(`${server.url}/runs/${id}`, ...bearer)).toMatchObject({ status: 404 });
  });

  it('takes the token once from the address, and leads to the same address without it', async () => {
    const { status, headers } = await curl(`${server.url}/?a=1&t=${token}&b=2`);

    expect({ status, location: headers['location'] }).toEqual({ status: 303, location: '/?a=1&b=2' });
    expect(headers['set-cookie']).toBe(
      `millrace-${String(server.port)}=${token}; HttpOnly; SameSite=Strict; Path=/`,
    );
    expect(await curl(`${server.url}//evil.example/?t=${token}`)).toMatchObject({
      headers: { location: '/evil.example/' },
    });
    expect(await curl(`${server.url}/?t=wrong`)).toMatchObject({ status: 401 });
    for (const [query, rest] of [
      [`%74=${token}`, '/'],
      [`t=${token}&t=${token}`, '/'],
      [`t=${token}&at=1&t`, '/?at=1'],
    ] as const)
      expect(await curl(`${server.url}/?${query}`)).toMatchObject({ headers: { location: rest } });
  });

  it('lets a page load nothing but its own, on every answer', async () => {
    const policy =
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    for (const args of [bearer, [], [...bearer, '-H', 'host: evil.example']])
      expect((await curl(`${server.url}/runs`, ...args)).headers).toMatchObject({
        'content-security-policy': policy,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      });
  });

  it('is reached on this machine only', async () => {
    const others = Object.values(networkInterfaces())
      .flat()
      .filter((each) => each !== undefined && !each.internal && each.family === 'IPv4')
      .map((each) => each?.address ?? '');

    for (const address of others)
      await expect(curl(`http://${address}:${String(server.port)}/`)).rejects.toThrow();
  });

  it('lets in who is named, and everybody without a token', async () => {
    const named = portGuard({ port: () => 80, hosts: ['Box.local', '::2', 'FE80::A'] });
    const ask = (host: string): Promise<Response> =>
      named(new Request('http://x/', { headers: { host } }), () => Promise.resolve(new Response('in')));

    expect((await ask('box.local')).status).toBe(200);
    expect((await ask('[::2]:80')).status).toBe(200);
    expect((await ask('[fe80::a]')).status).toBe(200);
    expect((await ask('box.local:81')).status).toBe(403);
    expect(() => portGuard({ token: 'short', port: () => 80 })).toThrow(
      'Cannot guard a port with so short a token',
    );
  });
});
