import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { serveRestate } from '../../adapters/restate';
import { agent, schedule } from '../../index';
import { until } from '../support/until';

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

  it('says at its start that registers: false does nothing without admin', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await (await serveRestate([plain], { port: 0, ingress, registers: false })).close();
    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(
        /^The worker at http:\/\/127\.0\.0\.1:\d+ is given registers: false and no admin: .*give admin too/,
      ),
    ]);

    warn.mockClear();
    for (const registers of [true, undefined])
      await (await serveRestate([plain], { port: 0, ingress, ...(registers && { registers }) })).close();
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  it('gives a Node without Promise.withResolvers one when it begins to serve', async () => {
    const target = Promise as { withResolvers?: unknown };
    const given = target.withResolvers;
    delete target.withResolvers;

    await (await serveRestate([plain], { port: 0, ingress })).close();

    expect(target.withResolvers).toEqual(expect.any(Function));
    if (given !== undefined) target.withResolvers = given;
  });

  it('refuses agents that it could not tell apart, and an empty list', async () => {
    const twin = agent('plain', (n: number) => n * 2);
    await expect(serveRestate([plain, twin], { port: 0, ingress })).rejects.toThrow(
      'Cannot serve two agents named "plain" with the same plan',
    );
    await expect(serveRestate([], { port: 0, ingress })).rejects.toThrow('empty list');
    await (await serveRestate([plain, plain], { port: 0, ingress })).close();
  });

  it.each([
    [[], 'an empty list of identityKeys'],
    [[''], 'identityKeys[0]'],
    [['publickeyv1_2G8dCQhArfvGpzPw5Vx2ALciR4xCLHfS5YaT93XjNxX9', 'other'], 'identityKeys[1]'],
    [[undefined], 'identityKeys[0]'],
  ])('refuses identityKeys that check nobody: %j', async (identityKeys, what) => {
    const options = { port: 0, ingress, identityKeys: identityKeys as readonly string[] };

    await expect(serveRestate([plain], options)).rejects.toMatchObject({
      name: 'InvalidArgumentError',
      message: expect.stringContaining(`Cannot serve with ${what}`),
    });
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

  it('answers the commands of SECURITY.md as that page says, and a stranger with nothing but a refusal', async () => {
    const page = readFileSync(join(__dirname, '../../SECURITY.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(curl [^`]*127\.0\.0\.1:9080[^`]*)` \| (.+) \|$/gm)];
    const worker = await serveRestate([plain], { port: 0, ingress });
    const answers: string[] = [];
    for (const [, command = ''] of rows) {
      const asked = command
        .replace('curl', 'curl -s -w "%{http_code}" --max-time 10')
        .replace('9080', String(worker.port));
      // What is refused before HTTP ends curl with an error.
      answers.push(await said(`${asked} || true`));
    }
    await worker.close();

    const refusal = expect.stringMatching(/^Cannot answer: [^\n]{1,100}\n403$/);
    expect(rows.map(([, , comes = ''], index) => [comes, answers[index]])).toEqual([
      [expect.stringMatching(/^refused by the worker: it speaks HTTP\/2 only/), '000'],
      [expect.stringMatching(/^`403`/), refusal],
      [expect.stringMatching(/^`403`/), refusal],
      [expect.stringMatching(/^the list of services/), expect.stringMatching(/"millrace\.plain\..*200$/s)],
    ]);
  });

  it.each([
    ['looks for the runs of earlier ticks', '1 hour', 0],
    ['begins the run of a tick', '1 second', 1_500],
  ])(
    'asks nothing more once it is closed while it %s, though the server is away',
    async (_, when, afterMs) => {
      const asked: string[] = [];
      const away = createServer((request, response) => {
        asked.push(request.url ?? '');
        response.writeHead(503).end();
      });
      await new Promise<void>((resolve) => away.listen(0, '127.0.0.1', resolve));
      const address = `http://127.0.0.1:${(away.address() as AddressInfo).port}`;
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
      const worker = await serveRestate([], {
        port: 0,
        ingress: address,
        schedules: [schedule(when, plain, 1)],
      });
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await until(() => asked.length > 0);

      await worker.close();
      await new Promise((resolve) => setTimeout(resolve, 50));
      const before = asked.length;
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const after = asked.length;
      expect(warn).not.toHaveBeenCalled();
      warn.mockRestore();
      away.closeAllConnections();
      await new Promise((resolve) => away.close(resolve));

      expect(after).toBe(before);
    },
  );
});

/** What a command of the shell writes. */
async function said(command: string): Promise<string> {
  return (await promisify(execFile)('bash', ['-c', command])).stdout;
}
