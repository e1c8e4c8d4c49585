import { setMaxListeners } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { EngineUnreachableError } from '../../adapters/restate/index';
import { handlerPath, ingressOf } from '../../adapters/restate/protocol/ingress';

/** A server that can be away, and that answers nothing for a while when it comes back. */
function flaky() {
  let open = 0;
  let most = 0;
  let total = 0;
  let readyAt = 0;
  let server: Server;
  const listen = async (port: number): Promise<number> => {
    server = createServer((_request, response) => {
      open += 1;
      total += 1;
      most = Math.max(most, open);
      response.on('close', () => (open -= 1));
      setTimeout(() => response.end('1'), Math.max(0, readyAt - Date.now()));
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  return {
    listen,
    most: () => most,
    total: () => total,
    async restart(port: number, silentMs: number) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await new Promise((resolve) => setTimeout(resolve, 300));
      [open, most, total, readyAt] = [0, 0, 0, Date.now() + silentMs];
      await listen(port);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('ingressOf()', () => {
  it('asks a server that has come back a few questions at a time until it answers', async () => {
    const server = flaky();
    const port = await server.listen(0);
    const ingress = ingressOf([`http://127.0.0.1:${port}`], 20_000);
    const asked = Array.from({ length: 200 }, async (_, n) => {
      for (let i = 0; i < 10; i += 1) await ingress.request(handlerPath('s', `${n}`, 'run'), { body: n });
    });

    await new Promise((resolve) => setTimeout(resolve, 50));
    const restarted = server.restart(port, 1_500);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await restarted;
    const mostWhileSilent = server.most();
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
      Array.from({ length: 100 }, (_, n) => ingress.request(handlerPath('s', `${n}`, 'run'), { body: n })),
    );

    expect(
      ended.every((end) => end.status === 'rejected' && end.reason instanceof EngineUnreachableError),
    ).toBe(true);
    expect(Date.now() - began).toBeLessThan(2_000);
  });

  it('leaves nobody waiting who has left', async () => {
    const ingress = ingressOf(['http://127.0.0.1:1'], 10_000);
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
    expect(Date.now() - leftAt).toBeLessThan(500);
  });
});
