import { setMaxListeners } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { EngineUnreachableError } from '../../adapters/restate/index';
import { handlerPath, ingressOf } from '../../adapters/restate/protocol/ingress';
import { InvalidArgumentError } from '../../lib/model/failure';
import { until } from '../support/until';

/** A server that can be away, and that answers nothing when it comes back until it is told to. */
function flaky() {
  let open = 0;
  let most = 0;
  let total = 0;
  let isReady = Promise.resolve();
  let speak = (): void => undefined;
  let server: Server;
  const listen = async (port: number): Promise<number> => {
    server = createServer((_request, response) => {
      open += 1;
      total += 1;
      most = Math.max(most, open);
      response.on('close', () => (open -= 1));
      // Not at once, so that those who ask together are here together.
      void isReady.then(() => setTimeout(() => response.end('1'), 5));
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  return {
    listen,
    speak: () => {
      speak();
    },
    most: () => most,
    total: () => total,
    async restart(port: number) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await new Promise((resolve) => setTimeout(resolve, 300));
      [open, most, total] = [0, 0, 0];
      isReady = new Promise((resolve) => (speak = resolve));
      await listen(port);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('ingressOf()', () => {
  it.each(['localhost:8080', 'http://', 'http://[bad', 'http://host:99999', 'http://host/?a=1'])(
    'refuses %s as an address',
    (address) => {
      expect(() => ingressOf([address], 300)).toThrow(InvalidArgumentError);
    },
  );

  it('asks below the path of an address, as whoever stands in it', async () => {
    const heard: unknown[] = [];
    const server = createServer(({ url, headers: { authorization } }, response) => {
      heard.push([url, authorization]);
      response.end('1');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      for (const at of [`HTTP://127.0.0.1:${port}`, `http://me:a%40b@127.0.0.1:${port}/gate/way//`])
        await ingressOf([at], 300).request(handlerPath('s', 'a b/ü', 'run'));
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }

    expect(heard).toEqual([
      ['/s/a%20b%2F%C3%BC/run', undefined],
      ['/gate/way/s/a%20b%2F%C3%BC/run', `Basic ${Buffer.from('me:a@b').toString('base64')}`],
    ]);
  });

  it('asks a server that has come back a few questions at a time until it answers', async () => {
    const server = flaky();
    const port = await server.listen(0);
    const ingress = ingressOf([`http://127.0.0.1:${port}`], 20_000);
    const asked = Array.from({ length: 200 }, async (_, n) => {
      for (let i = 0; i < 10; i += 1) await ingress.request(handlerPath('s', `${n}`, 'run'), { body: n });
    });

    await until(() => server.total() >= 200);
    await server.restart(port);
    await until(() => server.most() > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const mostWhileSilent = server.most();
    server.speak();
    await Promise.all(asked);
    await server.close();

    expect(mostWhileSilent).toBeGreaterThan(0);
    expect(mostWhileSilent).toBeLessThanOrEqual(4);
    expect(server.most()).toBeGreaterThan(mostWhileSilent);
  });

  it('gives up when the patience has passed, however many wait', async () => {
    const ingress = ingressOf(['http://127.0.0.1:1'], 300);
    const began = Date.now();
    const ended = await Promise.allSettled(
      Array.from({ length: 400 }, (_, n) => ingress.request(handlerPath('s', `${n}`, 'run'), { body: n })),
    );

    expect(
      ended.every((end) => end.status === 'rejected' && end.reason instanceof EngineUnreachableError),
    ).toBe(true);
    // If they waited one behind the other, the four at a time that may ask would take 30 s.
    expect(Date.now() - began).toBeLessThan(10_000);
  });

  it('leaves nobody waiting who has left', async () => {
    const ingress = ingressOf(['http://127.0.0.1:1'], 60_000);
    const abort = new AbortController();
    setMaxListeners(0, abort.signal); // Asked so often at once only here.
    const ended = Promise.allSettled(
      Array.from({ length: 20 }, (_, n) =>
        ingress.request(handlerPath('s', `${n}`, 'run'), { body: n, signal: abort.signal }),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    const leftAt = Date.now();
    abort.abort(new Error('left'));

    expect((await ended).every(({ status }) => status === 'rejected')).toBe(true);
    expect(Date.now() - leftAt).toBeLessThan(10_000);
  });
});
