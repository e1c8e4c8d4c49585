import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import type {
  AgentsReply,
  EventLine,
  ForkPreviewReply,
  HttpApi,
  HttpApiOptions,
  LogsReply,
  MetricsReply,
  RunReply,
  RunsReply,
  StateReply,
  StoresReply,
  StreamsReply,
  ValueReply,
} from '../../../adapters/http';
import { httpApi } from '../../../adapters/http';
import { t } from '../../../fp';
import type { StepContext, Store, Wire } from '../../../index';
import {
  agent,
  answer,
  approval,
  chain,
  createMonitor,
  each,
  execute,
  lowdbStore,
  memoryStore,
  reduceRun,
  serve,
  waitFor,
  workflow,
} from '../../../index';
import { initialState } from '../../../storePort';
import { readable, SECRET } from '../../support/secrets';
import { until } from '../../support/until';

const load = agent(
  'load',
  ({ pages }: { pages: number }) => Array.from({ length: pages }, (_, page) => page),
  {
    input: t.type({ pages: t.number }),
  },
);
const ocr = agent('ocr', (page: number, { log }) => {
  log(page === 1 ? 'WARNING' : 'INFO', `page ${String(page)}`);
  if (page === 7) throw new Error(`scanner jammed, password=${SECRET}`);
  return { page, apiKey: `sk-${SECRET}0123456789abcdef` };
});
const sign = approval('sign', t.type({ ok: t.boolean }));
const book = chain(
  'book',
  load,
  each('pages', ocr),
  agent('count', (all: readonly unknown[]) => all.length),
  sign,
);

const json = { 'content-type': 'application/json' };
const writer: Partial<HttpApiOptions> = { agents: [book], authorize: () => 'write' };

function get(api: HttpApi, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return api.fetch(new Request(`http://x${path}`, { headers }));
}

async function read<T>(api: HttpApi, path: string): Promise<T> {
  const response = await get(api, path);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

function post(
  api: HttpApi,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return api.fetch(
    new Request(`http://x${path}`, {
      method: 'POST',
      headers: { ...json, ...headers },
      body: JSON.stringify(body),
    }),
  );
}

async function refusal(response: Response): Promise<unknown> {
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
}

describe('httpApi()', () => {
  let folder: string;
  const open: Store[] = [];

  const openStore = (): Store => {
    const store = lowdbStore(folder);
    open.push(store);
    return store;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-http-'));
  });

  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    rmSync(folder, { recursive: true });
  });

  it('lists runs with counts, filters and pages, and tells no secret', async () => {
    const store = memoryStore();
    for (const [index, pages] of [2, 8, 3, 9].entries())
      await execute(
        book,
        { pages },
        { store, runId: `r${String(index)}`, tags: { customer: String(pages), token: SECRET } },
      );
    const api = httpApi({ store, agents: [book] });

    const first = await read<RunsReply>(api, '/runs?limit=3');
    const second = await read<RunsReply>(api, `/runs?limit=3&cursor=${encodeURIComponent(first.next!)}`);
    expect([...first.runs, ...second.runs].map(({ runId }) => runId)).toEqual(['r3', 'r2', 'r1', 'r0']);
    expect(second.next).toBeUndefined();
    expect(first).toMatchObject({ total: 4, counts: { FAILED: 2, SUSPENDED: 2, COMPLETED: 0 }, damaged: [] });
    const ids = async (query: string) =>
      (await read<RunsReply>(api, `/runs?${query}`)).runs.map(({ runId }) => runId);
    expect(await ids('status=FAILED')).toEqual(['r3', 'r1']);
    expect(await ids('failedStep=pages%5B7%5D/ocr')).toEqual(['r3', 'r1']);
    expect(await ids('tag=customer:3')).toEqual(['r2']);
    expect(await ids('q=JAMMED')).toEqual(['r3', 'r1']);
    expect(await ids(`since=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
    // Who sees no secret finds none by asking for it.
    expect(await ids(`q=${SECRET}`)).toEqual([]);
    expect(await ids(`tag=token:${SECRET}`)).toEqual([]);
    expect(readable(JSON.stringify(first))).toEqual([]);
  });

  it('shows a run: its plan, its definition, what it waits for, and what can be done', async () => {
    const store = memoryStore();
    await execute(book, { pages: 2 }, { store, runId: 'r' });
    const known = await read<RunReply>(httpApi({ store, agents: [book] }), '/runs/r');
    const other = chain(
      'book',
      load,
      agent('other', () => 1),
    );

    expect(known).toMatchObject({
      run: { runId: 'r', status: 'SUSPENDED' },
      definition: { is: 'same' },
      waiting: [{ path: 'sign', asking: expect.any(String), request: 2, schema: { type: 'object' } }],
      hasEvents: true,
      isServed: false,
      input: { pages: 2 },
    });
    expect(known.next.map(({ action, command }) => [action, command])).toEqual([
      // No command reaches a run in the memory of a process.
      ['answer', undefined],
      ['cancel', undefined],
    ]);
    const inFolder = httpApi({ store: { ...store, folder: '/srv/my state' }, agents: [book] });
    expect((await read<RunReply>(inFolder, '/runs/r')).next.map(({ command }) => command)).toEqual([
      "npx millrace answer r sign '<json>' --store '/srv/my state'",
      "npx millrace cancel r --store '/srv/my state'",
    ]);
    expect(await read<RunReply>(httpApi({ store }), '/runs/r')).toMatchObject({
      definition: { is: 'unknown' },
    });
    expect(await read<RunReply>(httpApi({ store, agents: [other] }), '/runs/r')).toMatchObject({
      definition: { is: 'changed', diff: { removed: ['pages', 'count', 'sign'], added: ['other'] } },
    });
  });

  it('gives values in pieces, and as a file, without secrets', async () => {
    const store = memoryStore();
    const large = agent('large', (count: number) => ['ü'.repeat(count), { password: SECRET }]);
    await execute(large, 100_000, { store, runId: 'r' });
    const api = httpApi({ store });

    const state = await read<StateReply>(api, '/runs/r/state');
    expect(state.steps[0]?.output).toMatchObject({ $at: { path: 'large', of: 'output' }, bytes: 200_030 });
    const part = await read<ValueReply>(api, '/runs/r/values?path=large&limit=7');
    expect(part).toEqual({ path: 'large', of: 'output', bytes: 200_030, text: '["üü', isCut: true });
    const whole = await get(api, '/runs/r/values?path=large&raw');
    expect(whole.headers.get('content-disposition')).toBe('attachment; filename="r-large-output.json"');
    expect(await whole.json()).toEqual(['ü'.repeat(100_000), { password: '[redacted]' }]);
    const ofEvent = await read<ValueReply>(api, '/runs/r/values?path=large&offset=3&limit=5');
    expect(ofEvent).toMatchObject({ text: '["ü', isCut: true });
    expect(await read(api, '/runs/r/values?of=input')).toMatchObject({ text: '100000', path: '' });
    expect(await refusal(await get(api, '/runs/r/values?path=x'))).toEqual([404, 'NO_VALUE']);
    expect(await refusal(await get(api, '/runs/r/values?of=x'))).toEqual([400, 'QUERY_MALFORMED']);
  });

  it('gives the lines of the log by level, step and text', async () => {
    const store = memoryStore();
    await execute(book, { pages: 3 }, { store, runId: 'r' });
    const api = httpApi({ store });
    const messages = async (query: string) =>
      (await read<LogsReply>(api, `/runs/r/logs?${query}`)).lines.map(({ message }) => message);

    expect(await messages('')).toEqual(['page 0', 'page 1', 'page 2']);
    expect(await messages('level=warning')).toEqual(['page 1']);
    expect(await messages('path=pages%5B2%5D')).toEqual(['page 2']);
    expect(await messages('q=E+0')).toEqual(['page 0']);
    const first = await read<LogsReply>(api, '/runs/r/logs?limit=2');
    expect(await messages(`after=${String(first.next)}`)).toEqual(['page 2']);
  });

  it('tells the lines of a step from those of the second one of its name', async () => {
    const store = memoryStore();
    const say = agent('say', (n: number, { log, path }) => {
      log('INFO', `said by ${path}`);
      return n;
    });
    await execute(chain('twice', say, say), 1, { store, runId: 'r' });
    const messages = async (path: string) =>
      (await read<LogsReply>(httpApi({ store }), `/runs/r/logs?path=${encodeURIComponent(path)}`)).lines.map(
        ({ message }) => message,
      );

    expect(await messages('say')).toEqual(['said by say']);
    expect(await messages('say[1]')).toEqual(['said by say[1]']);
  });

  it('tells the agents, the numbers, and itself', async () => {
    const monitor = createMonitor();
    monitor.endWorkflow('book', 2, true);
    const api = httpApi({ stores: { a: memoryStore(), b: memoryStore() }, agents: [book], metrics: monitor });

    expect(await read<StoresReply>(api, '/stores')).toMatchObject({
      stores: [{ name: 'a' }, { name: 'b', kind: 'store', isServed: false, queued: 0 }],
      access: 'read',
      agents: ['book'],
    });
    expect(await read(api, '/agents')).toMatchObject({
      agents: [{ name: 'book', input: { required: ['pages'] }, questions: [{ path: 'sign' }] }],
    });
    expect(await read<MetricsReply>(api, '/metrics')).toMatchObject({
      isKept: true,
      workflows: [{ workflowName: 'book', executions: 1, avgDuration: 2, recent: [2], recentOf: {} }],
      history: [],
    });
    expect(await read(api, '/alerts')).toEqual({ isKept: true, active: [] });
    const described = await read<{ paths: object }>(api, '/openapi.json');
    expect(Object.keys(described.paths)).toEqual(
      expect.arrayContaining(['/runs', '/runs/{id}', '/runs/{id}/events', '/runs/{id}/answer', '/changes']),
    );
    expect(JSON.stringify(described)).toContain('"input.book"');
    expect(await refusal(await get(api, '/runs?store=c'))).toEqual([404, 'UNKNOWN_STORE']);
  });

  it('describes the input of every agent, also of two names without a Latin letter and of what contains itself', async () => {
    interface Category {
      readonly name: string;
      readonly below: readonly Category[];
    }
    const Category: t.Type<Category> = t.recursion('Category', () =>
      t.readonly(t.type({ name: t.string, below: t.readonlyArray(Category) })),
    );
    const agents = [
      agent('주문', (category: Category) => category.name, { input: Category }),
      agent('배송', (id: string) => id, { input: t.string }),
    ];
    const described = await read<{
      readonly components: { readonly schemas: Readonly<Record<string, { readonly title?: string }>> };
    }>(httpApi({ store: memoryStore(), agents }), '/openapi.json');

    const titles = Object.values(described.components.schemas).map(({ title }) => title);
    expect(titles).toEqual(expect.arrayContaining(['Input of 주문', 'Input of 배송']));
    const references = [...JSON.stringify(described.components).matchAll(/"\$ref":"#\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(1);
    for (const [, pointer = ''] of references) {
      const found = pointer
        .split('/')
        .reduce<unknown>((at, key) => (at as Readonly<Record<string, unknown>>)[key], described);
      expect([pointer, typeof found]).toEqual([pointer, 'object']);
    }
  });

  it('describes the other agents where a schema cannot say what it takes, such as a date of zod', async () => {
    const dated = {
      '~standard': {
        version: 1 as const,
        vendor: 'zod',
        validate: (value: unknown) => ({ value }),
        jsonSchema: {
          input: (): never => {
            throw new Error('Date cannot be represented in JSON Schema');
          },
        },
      },
    };
    const remind = agent('remind', (at: unknown) => String(at), { input: dated });
    const api = httpApi({ store: memoryStore(), agents: [remind, book] });

    const { agents } = await read<AgentsReply>(api, '/agents');
    expect(agents.map(({ name, input }) => [name, typeof input])).toEqual([
      ['remind', 'undefined'],
      ['book', 'object'],
    ]);
    expect((await get(api, '/openapi.json')).status).toBe(200);
  });

  it('lists streams that remember, without secrets, and those that cannot be read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-streams-'));
    const store = lowdbStore(folder);
    for (const [name, offset] of [
      ['bad', 1],
      ['visits', { byte: 7, token: SECRET }],
    ] as const) {
      const claim = await store.streams.claim(name);
      await claim.commit({
        offsets: [[name, offset]],
        lags: [[name, 3]],
        rows: [{ table: 'hits', key: '/', value: 1 }],
        at: 1_700_000_000_000,
      });
      await claim.release();
    }
    await store.close();
    const file = join(folder, 'streams/bad/stream.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"bad"', '"bat"'));
    const api = httpApi({ store: lowdbStore(folder) });

    const reply = await read<StreamsReply>(api, '/streams?store=main');

    expect(reply.streams).toMatchObject([
      {
        name: 'visits',
        offsets: { visits: { byte: 7 } },
        lags: { visits: 3 },
        tables: { hits: 1 },
        late: {},
        committedAt: 1_700_000_000_000,
      },
    ]);
    expect(reply.damaged).toMatchObject([{ name: 'bad', error: { code: 'STORE_CORRUPT' } }]);
    expect(JSON.stringify(reply)).not.toContain(SECRET);
    expect(await read<StoresReply>(api, '/stores')).toMatchObject({ stores: [{ name: 'main', folder }] });
    rmSync(folder, { recursive: true });
  });

  it('is read-only unless somebody says who may write', async () => {
    const store = memoryStore();
    await execute(book, { pages: 1 }, { store, runId: 'r' });
    const reader = httpApi({ store, agents: [book] });
    const by = (access: 'read' | 'write' | false) =>
      httpApi({ store, agents: [book], authorize: () => access });

    expect(await refusal(await post(reader, '/runs', { agent: 'book' }))).toEqual([405, 'READ_ONLY']);
    expect(await refusal(await post(reader, '/runs/r/delete', {}))).toEqual([405, 'READ_ONLY']);
    expect(await refusal(await post(by('read'), '/runs/r/delete', {}))).toEqual([403, 'FORBIDDEN']);
    expect(await refusal(await get(by(false), '/runs'))).toEqual([401, 'NOT_AUTHORIZED']);
    expect(await refusal(await get(by(false), '/nothing'))).toEqual([401, 'NOT_AUTHORIZED']);
    const readOnly = httpApi({ store, authorize: () => 'write', readOnly: true });
    expect(await refusal(await post(readOnly, '/runs/r/delete', {}))).toEqual([405, 'READ_ONLY']);
    expect((await post(by('write'), '/runs/r/delete', {})).status).toBe(200);
  });

  it('checks an input by the codec of the agent before it takes it', async () => {
    const api = httpApi({ store: memoryStore(), ...writer });

    expect(await refusal(await post(api, '/runs', { agent: 'book', input: { pages: 'two' } }))).toEqual([
      422,
      'VALIDATION_FAILED',
    ]);
    expect(await refusal(await post(api, '/runs', { agent: 'nobody' }))).toEqual([404, 'UNKNOWN_AGENT']);
    expect(await refusal(await post(api, '/runs', { agnet: 'book' }))).toEqual([400, 'BODY_MALFORMED']);
    expect(await refusal(await post(api, '/runs', { agent: 'book', inptu: 1 }))).toEqual([
      400,
      'BODY_MALFORMED',
    ]);
  });

  it('starts a run once under a runId, or an Idempotency-Key', async () => {
    const api = httpApi({ store: memoryStore(), ...writer });
    const body = { agent: 'book', input: { pages: 1 } };
    const key = { 'idempotency-key': 'order-17' };

    const first = await post(api, '/runs', body, key);
    const again = await post(api, '/runs', body, key);
    const { runId } = (await first.json()) as { runId: string };
    expect([first.status, again.status]).toEqual([202, 200]);
    expect(await again.json()).toEqual({ runId, became: 'known', isServed: false });
    expect(first.headers.get('location')).toBe(`runs/${runId}`);
    const other = { agent: 'book', input: { pages: 2 } };
    expect(await refusal(await post(api, '/runs', other, key))).toEqual([409, 'INPUT_MISMATCH']);
    expect((await post(api, '/runs', { ...body, runId: 'mine' })).status).toBe(202);
    expect((await post(api, '/runs', { ...body, runId: 'mine' })).status).toBe(200);
    expect(await refusal(await post(api, '/runs', { ...other, runId: 'mine' }))).toEqual([
      409,
      'INPUT_MISMATCH',
    ]);
    expect(await refusal(await post(api, '/runs', body, { 'idempotency-key': 'x'.repeat(256) }))).toEqual([
      400,
      'QUERY_MALFORMED',
    ]);
  });

  it('takes one of two that come at once under one key with different inputs, and refuses the other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-http-'));
    const stores = [memoryStore(), lowdbStore(folder)];
    for (const store of stores) {
      const api = httpApi({ store, ...writer });
      for (let time = 0; time < 20; time += 1) {
        const key = { 'idempotency-key': `order-${String(time)}` };
        const asked = [1, 2, 1].map((pages) => post(api, '/runs', { agent: 'book', input: { pages } }, key));
        const statuses = (await Promise.all(asked)).map(({ status }) => status);
        expect([stores.indexOf(store), time, ...statuses]).toEqual([
          stores.indexOf(store),
          time,
          202,
          409,
          200,
        ]);
      }
      await store.close();
    }
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['of 201 characters', 'x'.repeat(201)],
    ['that is empty', ''],
    ['.', '.'],
    ['..', '..'],
    ['of half a character', 'mail-\ud83d'],
  ])('refuses a new run by an id %s: nobody could ask for it', async (_, runId) => {
    const store = memoryStore();
    const api = httpApi({ store, ...writer });
    await execute(load, { pages: 1 }, { store, runId: 'r' });
    const bad = [400, 'BODY_MALFORMED'];

    expect(await refusal(await post(api, '/runs', { agent: 'book', input: { pages: 1 }, runId }))).toEqual(
      bad,
    );
    expect(await refusal(await post(api, '/runs/r/fork', { from: '', runId }))).toEqual(bad);
    expect(await store.queue.size()).toBe(0);
  });

  it('has a run begun, answered, forked and resumed by an app that serves in another store object', async () => {
    const app = openStore();
    const served = serve([book], { store: app }).subscribe();
    await until(() => app.isServed());
    const api = httpApi({ store: openStore(), ...writer });

    await post(api, '/runs', { agent: 'book', input: { pages: 2 }, runId: 'r' });
    const shown = async (id: string) => (await (await get(api, `/runs/${id}`)).json()) as Partial<RunReply>;
    await until(async () => (await shown('r')).run?.status === 'SUSPENDED');
    const { asking } = (await shown('r')).waiting![0]!;
    expect(
      await refusal(await post(api, '/runs/r/answer', { path: 'sign', asking, value: { ok: 1 } })),
    ).toEqual([422, 'ANSWER_MISFIT']);
    const unasked = await post(api, '/runs/r/answer', { path: 'sign', value: { ok: true } });
    expect(unasked.status).toBe(400);
    expect(await unasked.json()).toMatchObject({
      error: { code: 'BODY_MALFORMED', next: expect.stringContaining('stand in "waiting" of GET /runs/:id') },
    });
    expect(
      await refusal(
        await post(api, '/runs/r/answer', { path: 'sign', asking: 'another', value: { ok: true } }),
      ),
    ).toEqual([409, 'NOT_WAITING']);
    const answered = await post(api, '/runs/r/answer', { path: 'sign', asking, value: { ok: true } });
    expect(await answered.json()).toMatchObject({ isServed: true });
    await until(async () => (await shown('r')).run?.status === 'COMPLETED');

    const preview = await post(api, '/runs/r/fork', { from: 'pages[1]/ocr', dryRun: true });
    expect((await preview.json()) as ForkPreviewReply).toEqual({
      again: ['pages', 'count', 'sign', 'pages[1]/ocr'],
      reused: ['load', 'pages[0]/ocr'],
      critical: [],
      definition: { is: 'same' },
      inputChecked: true,
      isServed: true,
    });
    expect((await read<RunsReply>(api, '/runs')).total).toBe(1);
    const forked = await post(api, '/runs/r/fork', { from: 'pages[1]/ocr', runId: 'f', resume: true });
    expect([forked.status, forked.headers.get('location')]).toEqual([201, '../f']);
    expect(await forked.json()).toEqual({ runId: 'f', isResumed: true });
    await until(async () => (await shown('f')).run?.status === 'SUSPENDED');
    expect(await refusal(await post(api, '/runs/r/fork', { runId: 'f' }))).toEqual([409, 'RUN_EXISTS']);
    expect(await refusal(await post(api, '/runs/r/fork', { input: { pages: 'x' } }))).toEqual([
      422,
      'VALIDATION_FAILED',
    ]);
    expect(await refusal(await post(api, '/runs/r/fork', { from: 'nowhere' }))).toEqual([
      404,
      'UNKNOWN_STEP',
    ]);

    const cancelled = await post(api, '/runs/f/cancel', { reason: 'not needed' });
    expect([cancelled.status, await cancelled.json()]).toEqual([202, { isServed: true }]);
    await until(async () => (await shown('f')).run?.status === 'CANCELLED');
    const resumed = await post(api, '/runs/f/resume', {});
    expect([resumed.status, await resumed.json()]).toEqual([202, { runId: 'f', stage: 'accepted' }]);
    await until(async () => (await shown('f')).run?.status === 'SUSPENDED');
    expect((await post(api, '/runs/f/delete', {})).status).toBe(200);
    expect(await refusal(await get(api, '/runs/f'))).toEqual([404, 'UNKNOWN_RUN']);
    served.unsubscribe();
  });

  it('keeps what a webhook tells for the first run that waits for it', async () => {
    const paid = waitFor('paid', t.type({ order: t.number }), ({ order }, input) => order === input);
    const bill = chain(
      'bill',
      paid,
      agent('send', ({ order }: { order: number }) => `order ${String(order)} is paid`),
    );
    const store = memoryStore();
    const api = httpApi({ store, ...writer, agents: [bill] });
    await execute(bill, 42, { store, runId: 'bill-1' });

    const kept = await post(api, '/signals/paid', { value: { order: 41 } });
    expect([kept.status, await kept.json()]).toEqual([
      202,
      { signalId: expect.any(String), isServed: false },
    ]);
    await post(api, '/signals/paid', { value: { order: 42 }, ttlMs: 60_000 });
    expect((await execute(bill, 42, { store, runId: 'bill-1' })).output).toBe('order 42 is paid');
    expect((await store.signals.list('paid')).map(({ value }) => value)).toEqual([{ order: 41 }]);

    expect(await refusal(await post(api, '/signals/paid', { ttlMs: 0 }))).toEqual([400, 'INVALID_ARGUMENT']);
    expect(await refusal(await post(httpApi({ store }), '/signals/paid', { value: 1 }))).toEqual([
      405,
      'READ_ONLY',
    ]);
  });

  it('names who has the store where nobody serves', async () => {
    const app = openStore();
    await execute(book, { pages: 8 }, { store: app, runId: 'r' });
    const api = httpApi({ store: openStore(), ...writer });

    for (const [path, body] of [
      ['resume', {}],
      ['fork', {}],
      ['delete', {}],
    ] as const) {
      const response = await post(api, `/runs/r/${path}`, body);
      const { error } = (await response.json()) as { error: { code: string; message: string } };
      expect([response.status, error.code]).toEqual([503, 'STORE_NOT_SERVED']);
      expect(error.message).toContain(`process ${String(process.pid)}`);
    }
  });

  it('tells what changes, from the moment on at which it says so', async () => {
    const store = memoryStore();
    const api = httpApi({ store });
    const response = await get(api, '/changes');
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe('event: ready\ndata: \n\n');

    await execute(book, { pages: 1 }, { store, runId: 'r' });
    await store.deleteRun('r');
    let text = '';
    while (!text.includes('event: gone')) text += (await reader.read()).value as string;
    await reader.cancel();

    expect(text).toContain('event: gone\ndata: {"runId":"r"}\n\n');
  });

  it.each([
    ['at rest', false],
    ['of which the journal says more', true],
  ])('lists the others when a run is damaged %s, and names file and byte', async (_, isMoved) => {
    const app = lowdbStore(folder);
    let goOn = (): void => undefined;
    const slow = agent('slow', () => new Promise<number>((resolve) => (goOn = () => resolve(1))));
    const flow = chain('flow', sign, slow);
    for (const runId of ['a', 'b', 'c']) await execute(flow, 1, { store: app, runId });
    await app.close();
    const writing = openStore();
    if (isMoved) await answer('b', 'sign', { ok: true }, { store: writing });
    const moving = isMoved ? execute(flow, 1, { store: writing, runId: 'b' }) : undefined;
    await until(
      async () => !isMoved || (await writing.loadRun('b'))?.steps.get('slow')?.status === 'RUNNING',
    );
    const file = readdirSync(join(folder, 'runs'))
      .map((name) => join(folder, 'runs', name))
      .find((path) => /"runId":\s*"b"/.test(readFileSync(path, 'utf8')))!;
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, Math.floor(text.length / 2)));
    const api = httpApi({ store: openStore() });

    const { runs, damaged } = await read<RunsReply>(api, '/runs');

    expect(runs.map(({ runId }) => runId)).toEqual(['c', 'a']);
    expect(damaged).toMatchObject([{ runId: 'b', error: { code: 'STORE_CORRUPT' } }]);
    expect(damaged[0]?.error.message).toMatch(/at byte \d+/);
    expect(await read<RunsReply>(api, '/runs')).toMatchObject({ damaged });
    goOn();
    await moving;
  });

  it('carries a run to another store as a file, the same run without its secrets', async () => {
    const store = memoryStore();
    await execute(book, { pages: 2 }, { store, runId: 'r' });
    const file = await get(httpApi({ store }), '/runs/r/export');
    const bytes = await file.arrayBuffer();
    const other = memoryStore();
    const api = httpApi({ store: other, ...writer });
    const put = (type: string, query = '') =>
      api.fetch(
        new Request(`http://x/import${query}`, {
          method: 'POST',
          headers: { 'content-type': type },
          body: bytes,
        }),
      );

    expect(file.headers.get('content-disposition')).toBe('attachment; filename="r.millrace.gz"');
    expect(await refusal(await put('text/plain'))).toEqual([415, 'NOT_JSON']);
    expect((await put('application/gzip')).status).toBe(201);
    expect(await refusal(await put('application/gzip'))).toEqual([409, 'RUN_EXISTS']);
    expect((await put('application/gzip', '?runId=s')).status).toBe(201);
    const [was, is] = [await store.loadRun('r'), await other.loadRun('r')];
    const plain = (value: unknown): string => JSON.stringify(value);
    expect(JSON.parse(plain(is))).toEqual(
      JSON.parse(plain(was).replaceAll(`sk-${SECRET}0123456789abcdef`, '[redacted]')),
    );
  });

  it('tells no secret, wherever it stands', async () => {
    const store = memoryStore();
    const leaky = agent('leaky', (key: string, { log }): unknown => {
      log('INFO', `calls with Bearer ${SECRET}token0123456789`, { password: SECRET });
      if (key === 'fail') throw new Error(`password: ${SECRET}`, { cause: new Error(`token=${SECRET}`) });
      return { 비밀번호: SECRET, nested: [{ name: 'Authorization', value: SECRET }], key };
    });
    const flow = chain('flow', each('all', leaky, { key: (key: string) => `password=${key}` }), sign);
    const key = `sk-${SECRET}0123456789abcdef`;
    await execute(flow, [key, `${key}2`], { store, runId: 'ok' });
    await execute(flow, [key, 'fail'], { store, runId: 'bad' });
    const api = httpApi({ store, agents: [flow], metrics: createMonitor() });

    for (const id of ['ok', 'bad'])
      for (const path of ['', '/state', '/events', '/logs', '/values?of=error', '/values?path=all'])
        expect([path, readable(await (await get(api, `/runs/${id}${path}`)).text())]).toEqual([path, []]);
    expect(readable(await (await get(api, '/runs')).text())).toEqual([]);
    const { steps } = await read<StateReply>(api, '/runs/ok/state');
    const shown = steps.find(({ stepId }) => stepId.includes('redacted-'))!;
    expect((await get(api, `/runs/ok/values?path=${encodeURIComponent(shown.stepId)}`)).status).toBe(200);
  });

  it('tells no secret of what steps share, and changes that can be made', async () => {
    const store = memoryStore();
    interface Session {
      user: { name: string; password: { old: string; next: string } };
      calls: number;
    }
    const initial: Session = { user: { name: 'Kim', password: { old: SECRET, next: '' } }, calls: 0 };
    const step = (id: string) =>
      agent(id, (text: string, { update }: StepContext<Session>) => {
        update((draft) => {
          draft.calls += 1;
          draft.user.name = `Kim of ${id}`;
          draft.user.password.next = SECRET;
        });
        return text;
      });
    const flow = workflow(
      'flow',
      (input: Wire<string>, wire) => wire('b', step('b'), wire('a', step('a'), input)),
      { shared: { initial } },
    );
    await execute(flow, 'text', { store, runId: 'r' });
    const api = httpApi({ store, agents: [flow] });

    const text = await (await get(api, '/runs/r/events', { accept: 'application/x-ndjson' })).text();
    const state = await read<StateReply>(api, '/runs/r/state');

    expect([readable(text), readable(JSON.stringify(state))]).toEqual([[], []]);
    expect(state.shared).toEqual({ user: { name: 'Kim of b', password: '[redacted]' }, calls: 2 });
    const events = text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as EventLine).event);
    expect(events.reduce(reduceRun, initialState(flow, 'r')).shared).toEqual(state.shared);
  });

  it('refuses a body that is too large, whether it says so or not', async () => {
    const api = httpApi({ store: memoryStore(), ...writer, maxBodyBytes: 1_000 });
    const body = { agent: 'book', input: 'x'.repeat(1_000) };
    const endless = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(100));
      },
    });
    const init = { method: 'POST', headers: json, body: endless, duplex: 'half' } as RequestInit;

    expect(await refusal(await post(api, '/runs', body))).toEqual([413, 'BODY_TOO_LARGE']);
    expect(await refusal(await api.fetch(new Request('http://x/runs', init)))).toEqual([
      413,
      'BODY_TOO_LARGE',
    ]);
  });

  it('answers 404, 405 and HEAD, below the path at which it is mounted', async () => {
    const api = httpApi({ store: memoryStore(), basePath: '/api/millrace/' });
    const ask = (method: string, path: string) => api.fetch(new Request(`http://x${path}`, { method }));

    expect((await ask('GET', '/api/millrace/runs')).status).toBe(200);
    expect((await ask('HEAD', '/api/millrace/runs/')).status).toBe(200);
    expect(await refusal(await ask('GET', '/runs'))).toEqual([404, 'NO_ROUTE']);
    const wrong = await ask('DELETE', '/api/millrace/runs');
    expect(wrong.headers.get('allow')).toBe('GET, HEAD, POST');
    expect(await refusal(wrong)).toEqual([405, 'METHOD_NOT_ALLOWED']);
  });

  it.each(['api/millrace', '/api/millrace', '//api/millrace//'])(
    'is mounted at the basePath %s however that is written, and nowhere else',
    async (basePath) => {
      const api = httpApi({ store: memoryStore(), basePath });
      const ask = (method: string, path: string) => api.fetch(new Request(`http://x${path}`, { method }));

      expect((await ask('GET', '/api/millrace/runs')).status).toBe(200);
      expect(await refusal(await ask('DELETE', '/api/millrace/runs'))).toEqual([405, 'METHOD_NOT_ALLOWED']);
      for (const path of ['/api/millwork/runs', '/api/millrace', '/api/millracer/runs', '/runs'])
        for (const method of ['GET', 'DELETE'])
          expect([path, await refusal(await ask(method, path))]).toEqual([path, [404, 'NO_ROUTE']]);
    },
  );

  it.each([
    ['an Error', new Error(`disk ${SECRET}`)],
    ['a text', `disk ${SECRET}`],
    ['nothing', undefined],
  ])('answers 500 whatever authorize, a store or onError throws: %s', async (_, thrown) => {
    const heard: unknown[] = [];
    const onError = (error: unknown): void => {
      heard.push(error);
      throw thrown as Error;
    };
    const fails = (): never => {
      throw thrown as Error;
    };
    const broken: Store = { ...memoryStore(), listRuns: async () => fails() };

    for (const options of [{ store: broken }, { authorize: fails }, { authorize: async () => fails() }]) {
      const response = await get(httpApi({ store: memoryStore(), onError, ...options }), '/runs');
      expect([response.status, response.headers.get('cache-control')]).toEqual([500, 'no-store']);
      expect(readable(await response.text())).toEqual([]);
    }
    expect(heard).toEqual([thrown, thrown, thrown]);
  });

  it('says at once that there is no value of an event that a run under way does not have yet', async () => {
    const store = memoryStore();
    let goOn = (): void => undefined;
    const waits = agent('waits', () => new Promise<void>((resolve) => (goOn = resolve)));
    const moving = execute(waits, 1, { store, runId: 'r' });
    await until(async () => (await store.loadRun('r'))?.steps.get('waits') !== undefined);
    const api = httpApi({ store });

    expect(await refusal(await get(api, '/runs/r/values?of=input&offset=99'))).toEqual([404, 'NO_VALUE']);
    expect(await read<ValueReply>(api, '/runs/r/values?of=input&offset=1')).toMatchObject({ text: '1' });
    goOn();
    await moving;
  });

  it('gives the lines of the steps before of a run under way also when the clock was set back since', async () => {
    const store = memoryStore();
    let goOn = (): void => undefined;
    const says = agent('says', (text: string, { log }) => {
      log('INFO', text);
      return text;
    });
    const waits = agent('waits', () => new Promise<void>((resolve) => (goOn = resolve)));
    const moving = execute(chain('flow', says, waits), 'hello', { store, runId: 'r' });
    await until(async () => (await store.loadRun('r'))?.steps.get('waits')?.status === 'RUNNING');
    const scheduler = Object.create(asyncScheduler, { now: { value: () => 1 } }) as SchedulerLike;
    const { lines } = await read<LogsReply>(httpApi({ store, scheduler }), '/runs/r/logs');

    expect(lines.map(({ message }) => message)).toEqual(['hello']);
    goOn();
    await moving;
  });

  it('tells what nobody foresaw to onError, and nothing of it to who asks', async () => {
    const heard: unknown[] = [];
    const broken: Store = { ...memoryStore(), listRuns: () => Promise.reject(new Error(`disk ${SECRET}`)) };
    const api = httpApi({ store: broken, onError: (error) => heard.push(error) });

    const response = await get(api, '/runs');

    expect([response.status, await response.text()]).toEqual([500, expect.not.stringContaining('disk')]);
    expect(heard).toEqual([new Error(`disk ${SECRET}`)]);
  });

  it('refuses to be made of nothing, of two agents with one name, and of what is no agent', () => {
    expect(() => httpApi({})).toThrow('Cannot make an API of nothing');
    expect(() => httpApi({ store: memoryStore(), agents: [load, agent('load', () => 1)] })).toThrow(
      'Cannot show two agents named "load"',
    );
    expect(() => httpApi({ store: memoryStore(), agents: [(() => 1) as never] })).toThrow(
      'Cannot show: an agent is needed, got function',
    );
    const main = memoryStore();
    expect(() => httpApi({ store: main, stores: { main: memoryStore() } })).toThrow(
      'Cannot show two stores named "main"',
    );
    expect(() => httpApi({ store: main, stores: { main } })).not.toThrow();
  });
});
