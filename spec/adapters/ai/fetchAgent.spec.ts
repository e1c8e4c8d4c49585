import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import * as TE from 'fp-ts/lib/TaskEither';
import { lastValueFrom } from 'rxjs';

import { fetchAgent, fromTaskEither, HttpError, toTaskEither } from '../../../adapters/ai/index';
import { memoryStore, outputs, run } from '../../../index';
import { until } from '../../support/until';

describe('fetchAgent', () => {
  let server: Server;
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const serving = async (listener: RequestListener): Promise<string> => {
    server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
  };

  it('gives the JSON of the answer, or what is read of it', async () => {
    const url = await serving((request, response) => response.end(JSON.stringify({ asked: request.url })));
    const asked = fetchAgent('asked', (path: string) => `${url}${path}`);
    const length = fetchAgent('length', (path: string) => new Request(`${url}${path}`), {
      read: async (response) => (await response.text()).length,
    });

    expect(await lastValueFrom(run(asked, 'a').pipe(outputs()))).toEqual({ asked: '/a' });
    expect(await lastValueFrom(run(length, 'a').pipe(outputs()))).toBe(14);
  });

  it.each([204, 205, 304])(
    'gives nothing for %d, an answer without a body, and asks once',
    async (status) => {
      let asked = 0;
      const url = await serving((_, response) => {
        asked += 1;
        response.writeHead(status).end();
      });
      const remove = fetchAgent('remove', () => new Request(url, { method: 'DELETE' }), { retry: 2 });

      expect(await lastValueFrom(run(remove, undefined).pipe(outputs()))).toBeUndefined();
      expect(asked).toBe(1);
    },
  );

  it('fails with the status, and what the server said', async () => {
    const url = await serving((_, response) => response.writeHead(404).end('nothing here'));
    const store = memoryStore();
    const failed = lastValueFrom(
      run(
        fetchAgent('page', () => url),
        undefined,
        { store, runId: 'r' },
      ),
    );

    await expect(failed).rejects.toMatchObject({ cause: expect.any(HttpError) as unknown });
    expect((await store.loadRun('r'))?.error).toMatchObject({
      name: 'HttpError',
      code: 'HTTP_STATUS',
      status: 404,
      message: '"page" was answered with 404 Not Found: nothing here',
    });
  });

  it('cuts the connection when nobody waits any more, or its own signal says so', async () => {
    let came = 0;
    let left = 0;
    const url = await serving((request) => {
      came += 1;
      request.socket.on('close', () => (left += 1));
    });
    const subscription = run(fetchAgent('never', () => url)).subscribe();
    const own = new AbortController();
    const aborted = lastValueFrom(run(fetchAgent('own', () => new Request(url, { signal: own.signal }))));
    await until(() => came === 2);
    subscription.unsubscribe();
    own.abort();

    await expect(aborted).rejects.toThrow();
    await until(() => left === 2);
  });
});

describe('a TaskEither', () => {
  it('is an agent: what is left is how the step fails', async () => {
    const half = fromTaskEither('half', (n: number) =>
      n % 2 === 0 ? TE.right(n / 2) : TE.left(new Error(`${String(n)} is odd`)),
    );

    expect(await lastValueFrom(run(half, 4).pipe(outputs()))).toBe(2);
    await expect(lastValueFrom(run(half, 3))).rejects.toThrow('3 is odd');
  });

  it('is what a run may be: it begins when the task is called', async () => {
    const half = fromTaskEither('half', (n: number) => (n === 4 ? TE.right(2) : TE.left('no')));

    expect(await toTaskEither(half, 4)()).toEqual({ _tag: 'Right', right: 2 });
    expect(await toTaskEither(half, 3)()).toMatchObject({
      _tag: 'Left',
      left: { message: expect.stringContaining('no') as unknown },
    });
  });
});
