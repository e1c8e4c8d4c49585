import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as t from 'io-ts';

import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { restateEngine } from '../../adapters/restate/client/restateEngine';
import type { RestateWorker } from '../../adapters/restate/worker/serveRestate';
import { serveRestate } from '../../adapters/restate/worker/serveRestate';
import { agent, approval, chain, execute } from '../../index';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

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

  const ask = async (
    path: string,
    body: unknown,
  ): Promise<{ readonly status: number; readonly text: string }> => {
    const response = await fetch(`${server.ingress}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  const post = async (path: string, body: unknown): Promise<number> => (await ask(path, body)).status;
  /** What a life knows of itself, as only the admin shows it. */
  const selfOf = async (key: string): Promise<Readonly<Record<string, unknown>>> => {
    const query = `select value_utf8 from state where service_name = '${service}' and service_key = '${key}' and key = 'self'`;
    const response = await fetch(`${server.admin}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query }),
    });
    const { rows } = (await response.json()) as { readonly rows: readonly { readonly value_utf8: string }[] };
    return JSON.parse(rows[0]?.value_utf8 ?? '{}') as Record<string, unknown>;
  };
  /** What is answered for what the server alone may call: other than for a name that nobody has. */
  const PRIVATE = /not (public|accessible)|private|ingress/i;

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
    const { status, text } = await ask(`${service}.steps.default/call`, request);

    expect([status, text]).toEqual([400, expect.stringMatching(PRIVATE)]);
    expect(text).not.toContain('not found');
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
    ['back', { life: 1 }],
    ['late', { life: 1, path: 'ok', value: true }],
    ['wake', { life: 1 }],
    ['forget', { life: 1 }],
    ['chunk', { index: 0, text: '' }],
    ['mark', {}],
    ['secret', {}],
    ['leave', { life: 2, at: 1, keptForMs: 1 }],
    ['cancel', { life: 1, isAsked: true }],
  ])('cannot ask for "%s" of what is kept of a run', async (handler, body) => {
    const { status, text } = await ask(
      `millrace.runs/${encodeURIComponent(`${service}/r`)}/${handler}`,
      body,
    );

    expect([status, text]).toEqual([400, expect.stringMatching(PRIVATE)]);
    expect(text).not.toContain('not found');
    await expect(engine.loadRun(paying, 'r')).resolves.toMatchObject({ status: 'SUSPENDED', life: 1 });
  });

  it('reads no nested steps of a life', async () => {
    const { status, text } = await ask(`${service}/r/nested`, {});

    expect([status, text]).toEqual([400, expect.stringMatching(PRIVATE)]);
  });

  it('forgets no cached answer', async () => {
    const { status, text } = await ask('millrace.answers/x/forget', {});

    expect([status, text]).toEqual([400, expect.stringMatching(PRIVATE)]);
  });

  it('does not get to know the secret of a run that is kept', async () => {
    const { text } = await ask(`millrace.runs/${encodeURIComponent(`${service}/r`)}/get`, {});

    expect(JSON.parse(text)).toMatchObject({ status: 'SUSPENDED' });
    expect(text).not.toContain('secret');
  });

  it('tells no end of a later life, also when it has begun that life itself with a secret of its own', async () => {
    await execute(paying, 1, { engine, runId: 'begun by a stranger' });
    const begin = { runId: 'begun by a stranger', life: 2, at: 1, onMismatch: 'refuse', secret: 'guessed' };
    expect(await post(`${service}/${encodeURIComponent('2~begun by a stranger')}/run`, begin)).toBe(200);
    const event = { type: 'run.completed', runId: 'r', seq: 9, at: 1, output: 'forged', duration: 0 };
    const tell = { hint: 0, secret: 'guessed', parts: [{ index: 4, event }] };

    expect(await post(`${service}/${encodeURIComponent('2~begun by a stranger')}/tell`, tell)).toBe(403);
    const [first, second] = [await selfOf('begun by a stranger'), await selfOf('2~begun by a stranger')];
    expect(second['secret']).toBe(first['secret']);
    expect(second['secret']).toMatch(/^[0-9a-z]{16}$/);
  });

  it('does not find the secret of a life that an answer begins: it is that of the first', async () => {
    await execute(paying, 1, { engine, runId: 'answered' });
    const { secret } = await selfOf('answered');
    await engine.answer('answered', 'ok', false);
    await waitFor(async () => (await selfOf('2~answered'))['isHandedOn'] === true, 10_000, 'the life');

    expect((await selfOf('2~answered'))['secret']).toBe(secret);
  });

  it('does not find the secret of a fork either', async () => {
    await execute(paying, 1, { engine, runId: 'to fork' });
    const forkId = await engine.fork('to fork', { agent: paying });
    await waitFor(async () => (await selfOf(forkId))['secret'] !== undefined, 10_000, 'the fork');

    expect((await selfOf(forkId))['secret']).toMatch(/^[0-9a-z]{16}$/);
  });

  it.each<
    readonly [
      string,
      (named: Readonly<Record<'run' | 'second' | 'record', string>>) => string,
      string,
      object,
    ]
  >([
    ['answers', ({ run }) => `${run}/answer`, 'answer -d', { path: 'ok', value: true }],
    ['answers one that rests', ({ record }) => `${record}/answer`, 'drop', { path: 'ok', value: true }],
    ['reads how it stands', ({ record }) => `${record}/get`, '/get', {}],
    ['reads the rest of that of', ({ record }) => `${record}/text`, '{"index":1}', { index: 0 }],
    ['cancels', ({ run }) => `${run}/cancel`, '/cancel', { isAsked: true }],
    ['sets a cached answer', () => 'millrace.answers/x/keep', '/keep', { output: 1 }],
    ['reads the events of', ({ run }) => `${run}/events`, '/events', { from: 0, parts: 0, waitMs: 0 }],
    ['reads a piece of an event of', ({ run }) => `${run}/text`, '/text -d', { position: 0, index: 0 }],
    ['reads why somebody ended', ({ run }) => `${run}/fate`, '/fate', {}],
    ['has another life begun when an operator kills', ({ run }) => `${run}/replace`, '/replace', {}],
    [
      'goes on with what it says of',
      ({ second }) => `${second}/run`,
      '"seed"',
      { life: 2, at: 1, onMismatch: 'refuse', seed: {} },
    ],
  ])('%s a run, as SECURITY.md says: only the network protects it', async (what, pathOf, named, body) => {
    const runId = `by hand: ${what}`;
    await execute(paying, 1, { engine, runId });
    const path = pathOf({
      run: `${service}/${encodeURIComponent(runId)}`,
      second: `${service}/${encodeURIComponent(`2~${runId}`)}`,
      record: `millrace.runs/${encodeURIComponent(`${service}/${runId}`)}`,
    });
    const page = readFileSync(join(__dirname, '../../SECURITY.md'), 'utf8');

    expect(await post(path, 'life' in body ? { ...body, runId } : body)).toBe(200);
    expect(page.split('\n').filter((line) => line.includes('curl') && line.includes(named))).not.toEqual([]);
  });

  it('has no life begun out of turn', async () => {
    const runId = 'out of turn';
    await execute(paying, 1, { engine, runId });
    const begin = { runId, life: 900, at: 1, onMismatch: 'refuse' };

    expect(await post(`${service}/${encodeURIComponent(`900~${runId}`)}/run`, begin)).toBe(409);
    await expect(engine.loadRun(paying, runId)).resolves.toMatchObject({ status: 'SUSPENDED', life: 1 });
  });

  it('ends no run by what it says of it that nobody can read', async () => {
    const runId = 'unread';
    await execute(paying, 1, { engine, runId });
    const begin = { runId, life: 2, at: 1, onMismatch: 'refuse', seed: {} };
    await post(`${service}/${encodeURIComponent(`2~${runId}`)}/run`, begin);
    await engine.answer(runId, 'ok', false);

    await waitFor(
      async () => (await engine.loadRun(paying, runId))?.status === 'COMPLETED',
      10_000,
      'the end of the run',
    );
  });
});
