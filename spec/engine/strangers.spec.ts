import * as t from 'io-ts';

import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { restateEngine } from '../../adapters/restate/client/restateEngine';
import type { RestateWorker } from '../../adapters/restate/worker/serveRestate';
import { serveRestate } from '../../adapters/restate/worker/serveRestate';
import { agent, approval, chain, execute } from '../../index';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate } from './support/restateServer';

const sent: unknown[] = [];
const paying = chain(
  'guarded',
  agent('amount', (n: number) => n),
  approval('ok', t.boolean),
  agent('send', (given: boolean) => {
    sent.push(given);
    return given;
  }),
);

const ifServer = restateBinary() === undefined ? describe.skip : describe;

ifServer('somebody at the ingress who carries no life out', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;
  let service: string;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    worker = await serveRestate([paying], { port: 0, ingress, admin });
    engine = restateEngine({ ingress, admin });
    const answer = (await (await fetch(`${admin}/services`)).json()) as {
      readonly services: readonly { readonly name: string }[];
    };
    service = answer.services.map(({ name }) => name).find((name) => /guarded\.[0-9a-f]+$/.test(name)) ?? '';
    await execute(paying, 1, { engine, runId: 'r' });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  const post = async (path: string, body: unknown): Promise<number> => {
    const response = await fetch(`${server.ingress}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    await response.text();
    return response.status;
  };

  it('calls no function past its approval', async () => {
    const request = {
      runId: 'r',
      key: 'r',
      secret: '',
      path: 'send',
      attempt: 1,
      agent: 1,
      input: true,
      keepPartials: false,
    };
    const status = await post(`${service}.steps.default/call`, request);

    expect(status).toBeGreaterThanOrEqual(400);
    expect(sent).toEqual([]);
  });

  it.each(['', 'guessed'])('tells no end that others believe, with the secret "%s"', async (secret) => {
    const event = { type: 'run.completed', runId: 'r', seq: 9, at: 1, output: 'forged', duration: 0 };
    const status = await post(`${service}/r/tell`, { hint: 0, secret, parts: [{ index: 4, event }] });

    expect(status).toBe(403);
    await expect(engine.loadRun(paying, 'r')).resolves.toMatchObject({ status: 'SUSPENDED' });
  });

  it.each([
    ['rest', { life: 1, status: 'COMPLETED', answers: [], text: '{}', chunks: 1 }],
    ['take', { life: 2 }],
    ['ended', { life: 1, keptForMs: 0 }],
    ['late', { life: 1, path: 'ok', value: true }],
    ['wake', { life: 1 }],
    ['forget', { life: 1 }],
    ['chunk', { index: 0, text: '' }],
    ['mark', {}],
  ])('cannot ask for "%s" of what is kept of a run', async (handler, body) => {
    const status = await post(`millrace.runs/${encodeURIComponent(`${service}/r`)}/${handler}`, body);

    expect(status).toBeGreaterThanOrEqual(400);
    await expect(engine.loadRun(paying, 'r')).resolves.toMatchObject({ status: 'SUSPENDED', life: 1 });
  });

  it('reads no nested steps of a life', async () => {
    expect(await post(`${service}/r/nested`, {})).toBeGreaterThanOrEqual(400);
  });
});
