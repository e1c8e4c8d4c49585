import { createServer } from 'node:http';
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
});
