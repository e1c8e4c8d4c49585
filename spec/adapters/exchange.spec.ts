import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { exchange, targetOf } from '../../adapters/restate/protocol/exchange';

describe('a question to a server', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let asked: { readonly url: string | undefined; readonly headers: IncomingMessage['headers'] }[];
  const at = (before = '', prefix = ''): string =>
    `http://${before}127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`;

  beforeEach(async () => {
    asked = [];
    answer = (_request, response) => response.end('"yes"');
    server = createServer((request, response) => {
      asked.push({ url: request.url, headers: request.headers });
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('bears the name and the password of the address, and what it was given', async () => {
    const target = targetOf(at('me:p%40ss@', '/behind'));
    const headers = { 'x-own': '1' };

    expect(await exchange(target, '/a', { method: 'POST', body: '{}', headers })).toEqual({
      status: 200,
      text: '"yes"',
    });
    expect(asked).toMatchObject([
      {
        url: '/behind/a',
        headers: {
          authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
          'content-type': 'application/json',
          'content-length': '2',
          'x-own': '1',
        },
      },
    ]);
  });

  it('puts the bytes of its answer together, however they come', async () => {
    const bytes = Buffer.from('"운영 € 🌊"');
    answer = (_request, response) => {
      let sent = 0;
      const next = (): void => {
        if (sent === bytes.length) response.end();
        else response.write(bytes.subarray(sent, (sent += 1)), () => setImmediate(next));
      };
      next();
    };

    expect((await exchange(targetOf(at()), '/a', { method: 'GET' })).text).toBe(bytes.toString());
  });

  it('ends at once when nobody waits any more, and gives its connection up', async () => {
    const left = new AbortController();
    const closed = new Promise((resolve) => {
      answer = (request) => {
        request.on('close', resolve);
        left.abort();
      };
    });

    await expect(
      exchange(targetOf(at()), '/a', { method: 'GET', signal: left.signal }),
    ).rejects.toMatchObject({ name: 'AbortError' });
    await closed;
  });

  it('is not sent when it was left before there was a connection', async () => {
    const left = new AbortController();
    const told = exchange(targetOf(at()), '/a', { method: 'POST', body: '{}', signal: left.signal });
    left.abort();
    await expect(told).rejects.toMatchObject({ name: 'AbortError' });
    await exchange(targetOf(at()), '/b', { method: 'GET' });

    expect(asked.map(({ url }) => url)).toEqual(['/b']);
  });

  it('fails with what its time limit says when no answer comes', async () => {
    answer = () => undefined;

    await expect(exchange(targetOf(at()), '/a', { method: 'GET', timeoutMs: 50 })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
  });

  it('fails with what the connection has failed with', async () => {
    const target = targetOf(at());
    answer = (request) => request.socket.destroy();
    await expect(exchange(target, '/a', { method: 'GET' })).rejects.toBeInstanceOf(Error);
    await new Promise((resolve) => server.close(resolve));
    await expect(exchange(target, '/a', { method: 'GET' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
