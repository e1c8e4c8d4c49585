import { generateKeyPairSync } from 'node:crypto';
import { connect } from 'node:http2';

import type { RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { agent, execute } from '../../index';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;

const calls: number[] = [];
const note = agent('note', (n: number) => {
  calls.push(n);
  return n;
});

/** A key pair as Restate has them: Ed25519, the public part in base 58 behind `publickeyv1_`. */
function keyPair(): { readonly pem: string; readonly name: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return {
    pem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    name: `publickeyv1_${base58(raw)}`,
  };
}

const DIGITS = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function base58(bytes: Buffer): string {
  let rest = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (; rest > 0n; rest /= 58n) text = `${DIGITS[Number(rest % 58n)] ?? ''}${text}`;
  for (const byte of bytes) {
    if (byte !== 0) break;
    text = `1${text}`;
  }
  return text;
}

/** The status that a worker answers over HTTP/2 to somebody who is no server of its own. */
function statusOf(
  uri: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connect(uri);
    session.on('error', reject);
    const asked = session.request({
      ':path': path,
      ':method': path === '/discover' ? 'GET' : 'POST',
      ...headers,
    });
    asked.on('response', ({ ':status': status = 0 }) => {
      resolve(status);
      session.destroy();
    });
    asked.on('error', reject);
    asked.end();
  });
}

describeHere('a worker with identityKeys', () => {
  const own = keyPair();
  const other = keyPair();
  let server: RestateServer;
  let worker: RestateWorker;
  beforeAll(async () => {
    server = await startRestate({ identityKey: own.pem });
    const { ingress, admin } = server;
    worker = await serveRestate([note], { port: 0, ingress, admin, identityKeys: [own.name] });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  it('hears the server that has the key', async () => {
    const engine = restateEngine({ ingress: server.ingress, admin: server.admin });

    expect((await execute(note, 7, { engine, runId: 'signed' })).output).toBe(7);
  });

  it.each([
    ['/discover', {}],
    ['/invoke/millrace.note/run', {}],
    ['/discover', { 'x-restate-signature-scheme': 'unsigned' }],
    ['/discover', { 'x-restate-signature-scheme': 'v1', 'x-restate-jwt-v1': 'e30.e30.c2ln' }],
  ])('refuses %s to whoever does not sign: %j', async (path, headers) => {
    const before = calls.length;

    expect(await statusOf(worker.uri, path, headers)).toBe(401);
    expect(calls).toHaveLength(before);
  });

  it('is not registered by a server with another key', async () => {
    const { ingress, admin } = server;

    await expect(
      serveRestate([agent('stranger', (n: number) => n)], {
        port: 0,
        ingress,
        admin,
        identityKeys: [other.name],
      }),
    ).rejects.toThrow();
  });
});
