import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';

import { serveRestate } from '../../adapters/restate';
import { agent } from '../../index';

const ingress = 'http://127.0.0.1:1';
const plain = agent('plain', (n: number) => n);

describe('serveRestate()', () => {
  it('gives its port back when the server refuses it', async () => {
    const admin = createServer((_, response) => {
      response.writeHead(400).end('{"message":"no such worker"}');
    });
    await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(admin.address() as AddressInfo).port}`;
    const { port, close } = await serveRestate([plain], { port: 0, ingress });
    await close();

    await expect(serveRestate([plain], { port, ingress, admin: address })).rejects.toMatchObject({
      name: 'IngressError',
      message: expect.stringContaining('no such worker'),
    });
    const again = await serveRestate([plain], { port, ingress });
    expect(again.port).toBe(port);
    await again.close();
    await new Promise((resolve) => admin.close(resolve));
  });

  it('refuses agents that it could not tell apart, and an empty list', async () => {
    const twin = agent('plain', (n: number) => n * 2);
    await expect(serveRestate([plain, twin], { port: 0, ingress })).rejects.toThrow(
      'Cannot serve two agents named "plain" with the same plan',
    );
    await expect(serveRestate([], { port: 0, ingress })).rejects.toThrow('empty list');
    await (await serveRestate([plain, plain], { port: 0, ingress })).close();
  });

  it.each<[string, OutgoingHttpHeaders, boolean]>([
    ['its own name', {}, false],
    ['localhost', { ':authority': 'localhost:1234' }, false],
    ['the name it is registered with', { ':authority': 'worker.internal' }, false],
    ['a foreign host', { ':authority': 'evil.example' }, true],
    ['a foreign host that begins like its own', { ':authority': '127.0.0.1.evil.example:80' }, true],
    ['an origin', { origin: 'http://evil.example' }, true],
    ['the origin of a file', { origin: 'null' }, true],
  ])(
    'on loopback, a request under %s, with the headers %j, is refused: %s',
    async (_, headers, isRefused) => {
      const worker = await serveRestate([plain], { port: 0, ingress, uri: 'http://worker.internal:80' });
      const client = connect(`http://127.0.0.1:${worker.port}`);
      const accept = 'application/vnd.restate.endpointmanifest.v3+json';
      const request = client.request({ ':path': '/discover', accept, ...headers });
      const [answered] = (await once(request, 'response')) as [IncomingHttpHeaders];
      client.destroy();
      await worker.close();

      expect(Number(answered[':status']) === 403).toBe(isRefused);
    },
  );
});
