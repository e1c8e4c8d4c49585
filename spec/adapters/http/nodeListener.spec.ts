import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

import { httpApi, nodeListener } from '../../../adapters/http';
import { agent, memoryStore } from '../../../index';
import { until } from '../../support/until';

describe('nodeListener(), behind what has read the body', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    server?.closeAllConnections();
  });

  /** What a handler gets of a body that was read before, as a parser of Express leaves it. */
  async function taken(sent: string, parsed: (bytes: Buffer) => unknown): Promise<string> {
    const node = nodeListener(async (request) => new Response(await request.text()));
    const listening = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        // `readableEnded` is true behind the end.
        setImmediate(() => {
          const body = parsed(Buffer.concat(parts));
          void node(Object.assign(request, body === undefined ? {} : { body }), response);
        });
      });
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const { port } = listening.address() as AddressInfo;
    const signal = AbortSignal.timeout(5_000);
    const response = await fetch(`http://127.0.0.1:${String(port)}/`, { method: 'POST', body: sent, signal });
    return response.text();
  }

  it.each([
    ['a value, by express.json()', (bytes: Buffer) => JSON.parse(bytes.toString()) as unknown],
    ['a text, by express.text()', (bytes: Buffer) => bytes.toString()],
    ['bytes, by express.raw()', (bytes: Buffer) => bytes],
  ])('takes it as %s', async (_, parsed) => {
    expect(await taken('{"agent":"greet"}', parsed)).toBe('{"agent":"greet"}');
  });

  it('says of a body that was read and not handed on that it is not there', async () => {
    const { fetch: ask } = httpApi({ store: memoryStore(), authorize: () => 'write' });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const response = await ask(new Request('http://x/runs', init));

    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining('Cannot read the body: it is empty, or somebody has read it before'),
    ]);
  });

  it('tells onError nothing of who leaves in the middle of a body', async () => {
    const heard: unknown[] = [];
    const api = httpApi({
      store: memoryStore(),
      agents: [agent('greet', () => 1)],
      authorize: () => 'write',
      onError: (error) => heard.push(error),
    });
    let answered = 0;
    const listening = createServer((request, response) => {
      void api.node(request, response).finally(() => (answered += 1));
    });
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const { port } = listening.address() as AddressInfo;
    const head = 'POST /runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    for (const rest of [
      'Content-Length: 99\r\n\r\n{"ag',
      'Transfer-Encoding: chunked\r\n\r\n5\r\n{"age\r\n',
    ]) {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(`${head}${rest}`, () => setTimeout(() => socket.destroy(), 50));
      });
    }
    await until(() => answered === 2);

    expect(heard).toEqual([]);
  });
});
