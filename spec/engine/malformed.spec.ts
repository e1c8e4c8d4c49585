import fc from 'fast-check';
import * as t from 'io-ts';

import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { restateEngine } from '../../adapters/restate/client/restateEngine';
import type { RestateWorker } from '../../adapters/restate/worker/serveRestate';
import { serveRestate } from '../../adapters/restate/worker/serveRestate';
import { agent, approval, chain, execute } from '../../index';
import { amount, isLong, seedOr, tally } from '../support/torture';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

const paying = chain(
  'paying',
  agent('amount', (n: number) => n),
  approval('ok', t.boolean),
  agent('send', String),
);

const bodies: readonly string[] = [
  '',
  '{',
  '{}',
  'null',
  '[]',
  '1',
  '"x"',
  'true',
  '[null]',
  '{"__proto__":1}',
  '{"runId":"x","life":1,"at":1,"onMismatch":"refuse","seed":{}}',
  '{"runId":1,"life":"1","at":null}',
  '{"runId":"other","life":1,"at":1,"onMismatch":"refuse"}',
  '{"runId":"x","life":-1,"at":1,"onMismatch":"refuse"}',
  '{"runId":"x","life":1,"at":-1,"onMismatch":"perhaps"}',
  '{"hint":0,"parts":[null]}',
  '{"hint":-1,"parts":[]}',
  '{"hint":0,"parts":[{"key":"a","event":{"type":"run.completed"}}]}',
  '{"from":-1,"parts":0,"waitMs":0}',
  '{"from":0,"parts":0,"waitMs":"long"}',
  '{"path":1}',
  '{"value":true}',
  '{"isAsked":"yes"}',
  '{"index":-1}',
];

const fits: readonly Readonly<Record<string, unknown>>[] = [
  { runId: 'x', life: 1, at: 1, onMismatch: 'refuse', input: 1, incarnation: 'i', secret: 's' },
  {
    hint: 0,
    secret: 's',
    parts: [{ index: 0, event: { type: 'step.logged', runId: 'x', seq: 1, at: 1, path: '' } }],
  },
  { from: 0, parts: 0, waitMs: 0 },
  { path: 'ok', value: true, asking: 'a', incarnation: 'i', at: 1 },
  { isAsked: true, reason: 'why' },
  { life: 1, status: 'SUSPENDED', answers: [], text: '{}', chunks: 1, keptForMs: 1 },
  { index: 0, text: '{}' },
  { output: 1, expiresAt: 1, madeBy: 'r' },
];
const oddValue = fc.oneof(
  fc.constantFrom(null, true, -1, 0.5, 2 ** 53, '', 'x', '../x', '\u0000', '\ud800', [], {}, [[]], [null]),
  fc.jsonValue({ maxDepth: 4 }),
  fc
    .integer({ min: 100, max: 400 })
    .map((depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown),
  fc.constant({ ['__proto__']: { isAsked: true } }),
);
/** A body that fits a handler, with something of it left out, put in another's place, added or cut off. */
const oddBody = fc
  .tuple(
    fc.constantFrom(...fits),
    fc.nat(),
    oddValue,
    fc.constantFrom('drop', 'change', 'add', 'cut', 'other'),
  )
  .map(([body, place, value, how]) => {
    const keys = Object.keys(body);
    const key = keys[place % keys.length] ?? '';
    if (how === 'other') return JSON.stringify(value);
    if (how === 'drop') return JSON.stringify({ ...body, [key]: undefined });
    if (how === 'cut') return JSON.stringify(body).slice(0, place % 60);
    return JSON.stringify({ ...body, [how === 'add' ? 'more' : key]: value });
  });

const ifServer = restateBinary() === undefined ? describe.skip : describe;

ifServer('a body that is not ours', () => {
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
    service = answer.services.map(({ name }) => name).find((name) => /paying\.[0-9a-f]+$/.test(name)) ?? '';
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  const post = async (path: string, body: string): Promise<number> => {
    const response = await fetch(`${server.ingress}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(20_000),
    });
    await response.text();
    return response.status;
  };
  const open = async (): Promise<readonly unknown[]> => {
    const query = `select target_handler_name, target_service_key, last_failure from sys_invocation where status in ('backing-off', 'paused')`;
    const response = await fetch(`${server.admin}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query }),
    });
    return ((await response.json()) as { readonly rows: readonly unknown[] }).rows;
  };

  it.each(['run', 'tell', 'events', 'answer', 'cancel'])(
    'is refused by "%s" at once, and never repeated',
    async (handler) => {
      const statuses = await Promise.all(
        bodies.map((body, index) => post(`${service}/${handler}-${String(index)}/${handler}`, body)),
      );

      // Some of them are what another handler takes, and a seed that does not fit is told as the result of the life.
      expect(statuses.filter((status) => ![200, 400, 403].includes(status))).toEqual([]);
      expect(statuses.filter((status) => status === 400).length).toBeGreaterThan(bodies.length / 2);
      await expect(open()).resolves.toEqual([]);
    },
  );

  it.each(['get', 'text', 'answer'])('is refused by "%s" of what is kept of runs', async (handler) => {
    const statuses = await Promise.all(
      bodies.map((body, index) => post(`millrace.runs/x%2F${handler}-${String(index)}/${handler}`, body)),
    );

    expect(statuses.filter((status) => ![200, 400, 403].includes(status))).toEqual([]);
    await expect(open()).resolves.toEqual([]);
  });

  it(
    'is refused by every handler of every service, whatever of it is wrong, and runs beside it complete',
    async () => {
      const services = (await (await fetch(`${server.admin}/services`)).json()) as {
        readonly services: readonly {
          readonly name: string;
          readonly ty: string;
          readonly handlers: readonly { readonly name: string }[];
        }[];
      };
      const paths = services.services.flatMap(({ name, ty, handlers }) =>
        handlers.map(
          ({ name: handler }) =>
            (key: string) =>
              `${name}/${ty === 'Service' ? '' : `${key}/`}${handler}`,
        ),
      );
      const count = amount(8, 500);
      const some = fc.sample(oddBody, { seed: seedOr(15), numRuns: count });
      const beside = execute(paying, 1, { engine, runId: 'beside' });
      const odd: string[] = [];

      for (const path of paths)
        for (let at = 0; at < some.length; at += 16)
          await Promise.all(
            some.slice(at, at + 16).map(async (body, index) => {
              const asked = path(`odd-${String(at + index)}`);
              const status = await post(asked, body).catch((error: unknown) => String(error));
              if (![200, 400, 403, 404, 409].includes(Number(status)))
                odd.push(`${String(status)} ${asked} ${body.slice(0, 200)}`);
            }),
          );

      expect(paths.length).toBeGreaterThan(8);
      expect(odd).toEqual([]);
      await expect(open()).resolves.toEqual([]);
      expect((await beside).status).toBe('SUSPENDED');
      tally('bodies that are not ours', count * paths.length);
    },
    isLong ? 600_000 : 240_000,
  );

  it('does not wedge the run that it was sent to', async () => {
    const options = { engine, runId: 'honest' };
    await Promise.all(bodies.map((body) => post(`${service}/honest/answer`, body)));
    await execute(paying, 1, options);
    await Promise.all(bodies.map((body) => post(`${service}/honest/answer`, body)));
    await engine.answer('honest', 'ok', true);
    await waitFor(
      async () => (await engine.loadRun(paying, 'honest'))?.status === 'COMPLETED',
      10_000,
      'the end of the run',
    );

    await expect(engine.loadRun(paying, 'honest')).resolves.toMatchObject({ output: 'true' });
  });
});
