import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { lastValueFrom } from 'rxjs';
import { ulid } from 'ulid';

import { restateEngine } from '../../adapters/restate';
import { agent, resume, run } from '../../index';
import type { LifeResult } from '../../adapters/restate/protocol/protocol';

const echo = agent('echo', (text: string) => text);
const REFUSED: LifeResult = {
  status: 'FAILED',
  from: 0,
  events: [],
  parts: 0,
  refused: { name: 'Error', message: 'refused', retryable: false },
};

describe('the first question about a run', () => {
  const asked: string[] = [];
  let server: Server;
  let engine: ReturnType<typeof restateEngine>;

  beforeAll(async () => {
    // A server that keeps no run, and begins none.
    server = createServer((request, response) => {
      const path = request.url ?? '';
      asked.push(path.slice(path.lastIndexOf('/') + 1));
      response.writeHead(path.endsWith('/run') ? 200 : 404);
      response.end(JSON.stringify(path.endsWith('/run') ? REFUSED : { message: 'not found' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    engine = restateEngine({ ingress: `http://127.0.0.1:${port}` });
  });
  beforeEach(() => {
    asked.length = 0;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it('begins one that is given no id', async () => {
    await expect(lastValueFrom(run(echo, 'x', { engine }))).rejects.toThrow('refused');
    expect(asked).toEqual(['run']);
  });

  it.each([
    ['of a name', () => 'mine'],
    ['of an id that is not new', () => ulid(Date.now() - 60_000)],
    ['of an id of a later time', () => ulid(Date.now() + 60_000)],
  ])('is whether the server keeps it, %s', async (_, idOf) => {
    await expect(lastValueFrom(run(echo, 'x', { engine, runId: idOf() }))).rejects.toThrow('refused');
    expect(asked).toEqual(['output', 'run']);
  });

  it('is whether the server keeps it, where it is resumed', async () => {
    await expect(lastValueFrom(resume(echo, ulid(), { engine }))).rejects.toThrow('Cannot find run');
    expect(asked).not.toContain('run');
  });
});
