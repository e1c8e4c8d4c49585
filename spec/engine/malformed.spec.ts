import fc from 'fast-check';
import * as t from 'io-ts';

import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { restateEngine } from '../../adapters/restate/client/restateEngine';
import type { RestateWorker } from '../../adapters/restate/worker/serveRestate';
import { serveRestate } from '../../adapters/restate/worker/serveRestate';
import { agent, approval, chain, execute } from '../../index';
import { RunState as StateCodec } from '../../lib/codec/stateCodec';
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

/** A value within arrays, so many of them inside one another. */
const deep = (levels: number, innermost = ''): string =>
  `${'['.repeat(levels)}${innermost}${']'.repeat(levels)}`;
const MIB = 1024 * 1024;
/** What fits each handler but for a value in it that nobody can write down again, or that no message carries on. */
const heavy: readonly (readonly [string, (key: string) => string])[] = [
  ['answer', () => `{"path":"ok","value":${deep(6_000)}}`],
  ['answer', () => `{"path":"ok","value":${deep(6_000, '{"a":1}')}}`],
  ['answer', () => `{"path":"ok","value":"${'x'.repeat(25 * MIB)}"}`],
  ['answer', () => deep(3 * MIB)],
  ['run', (key) => startOf(key, `"input":${deep(6_000)}`)],
  ['run', (key) => startOf(key, `"input":${deep(6_000, '{"a":1}')}`)],
  ['run', (key) => startOf(key, `"input":"${'x'.repeat(25 * MIB)}"`)],
  ['run', (key) => startOf(key, `"seed":${deep(6_000)}`)],
  ['run', (key) => startOf(key, `"seed":{"input":${deep(6_000)}}`)],
  ['run', () => deep(3 * MIB)],
  ['tell', () => `{"hint":0,"secret":"","parts":[{"index":0,"event":{"type":"x","value":${deep(6_000)}}}]}`],
  ['tell', () => `{"hint":0,"secret":"${'x'.repeat(25 * MIB)}","parts":[]}`],
  ['cancel', () => `{"isAsked":true,"reason":"${'x'.repeat(25 * MIB)}"}`],
  ['cancel', () => `{"isAsked":true,"reason":${deep(6_000)}}`],
  ['events', () => `{"from":0,"parts":0,"waitMs":0,"more":${deep(6_000)}}`],
  ['text', () => `{"position":0,"index":0,"more":${deep(6_000)}}`],
];
const startOf = (key: string, more: string): string =>
  `{"runId":"${key}","life":1,"at":1,"onMismatch":"refuse",${more}}`;
/** What can go wrong with a part of a state. */
const oddPart = fc.oneof(
  oddValue,
  fc.constantFrom('RUNNING', 'SUSPENDED', 'COMPLETED', 'CANCELLED', 'FAILED', 'IDLE', 'drain', 1e300, {
    name: 'x',
  }),
);

const ifServer = restateBinary() === undefined ? describe.skip : describe;

function nthKey(of: Readonly<Record<string, unknown>>, n: number): string {
  const keys = Object.keys(of);
  return keys[n % keys.length] ?? '';
}

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
      // A busy machine takes seconds for each 10 MiB.
      signal: AbortSignal.timeout(body.length > MIB ? 120_000 : 20_000),
    });
    await response.text();
    return response.status;
  };
  const open = async (): Promise<readonly unknown[]> => {
    const query = `select target_handler_name, target_service_key, last_failure from sys_invocation where status in ('backing-off', 'paused') or (status <> 'completed' and (retry_count > 1 or last_failure is not null))`;
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

  it('is refused by every handler however deep or large it is, and what it was sent to stays free', async () => {
    await execute(paying, 1, { engine, runId: 'beside heavy ones' });
    const statuses: string[] = [];
    for (const [index, [handler, body]] of heavy.entries()) {
      const key = `heavy-${String(index)}`;
      statuses.push(`${handler} ${String(await post(`${service}/${key}/${handler}`, body(key)))}`);
    }
    const record = `millrace.runs/${encodeURIComponent(`${service}/beside heavy ones`)}`;
    for (const [handler, body] of heavy.filter(([name]) => name === 'answer'))
      statuses.push(`${handler} ${String(await post(`${record}/answer`, body('')))}`);
    statuses.push(`keep ${String(await post('millrace.answers/x/keep', `{"output":${deep(6_000)}}`))}`);
    const nobody = await post('millrace.runs/millrace.nobody.000000000000%2Fx/answer', '{"path":"ok"}');

    expect(statuses.filter((status) => !status.endsWith(' 400'))).toEqual([]);
    expect(nobody).toBe(404);
    await expect(open()).resolves.toEqual([]);
    await engine.answer('beside heavy ones', 'ok', true);
    await waitFor(
      async () => (await engine.loadRun(paying, 'beside heavy ones'))?.status === 'COMPLETED',
      10_000,
      'the end of the run',
    );
  });

  it('is told why when it begins a life with what is no state, or not one of this run', async () => {
    await execute(paying, 1, { engine, runId: 'to be copied' });
    const state = await engine.loadRun(paying, 'to be copied');
    const whole = { ...(StateCodec.encode(state as never) as object), life: 0 } as Record<string, unknown>;
    const [row = {}] = whole['steps'] as readonly Record<string, unknown>[];
    const named = (name: string, part: unknown) => ({ ...whole, [name]: part });
    const inStep = (name: string, part: unknown) => ({ ...whole, steps: [{ ...row, [name]: part }] });
    const parts = fc.sample(fc.tuple(oddPart, fc.nat(), fc.nat()), {
      seed: seedOr(16),
      numRuns: amount(60, 600),
    });
    const seeds: readonly unknown[] = [
      ...[{}, [], null, 1, 'x', true, whole, { ...whole, steps: [] }, { ...whole, plan: [] }],
      ...['name', 'runId', 'plan', 'steps', 'seq'].flatMap((name) => [
        named(name, undefined),
        named(name, null),
      ]),
      ...parts.flatMap(([part, ofRun, ofStep]) => [
        named(nthKey(whole, ofRun), part),
        inStep(nthKey(row, ofStep), part),
      ]),
    ];
    const odd: string[] = [];

    for (let at = 0; at < seeds.length; at += 16)
      await Promise.all(
        seeds.slice(at, at + 16).map(async (seed, index) => {
          const runId = `seeded-${String(at + index)}`;
          const asOwn =
            typeof seed === 'object' && seed !== null && 'runId' in seed ? { ...seed, runId } : seed;
          const body = JSON.stringify({ runId, life: 1, at: 1, onMismatch: 'refuse', seed: asOwn });
          const status = await post(`${service}/${runId}/run`, body).catch((error: unknown) => String(error));
          if (status !== 200 && status !== 400) odd.push(`${String(status)} ${body}`);
        }),
      );

    expect(odd).toEqual([]);
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
