import { NEVER } from 'rxjs';

import type { HttpApi, ShowingEngine } from '../../../adapters/http';
import { httpApi } from '../../../adapters/http';
import { t } from '../../../fp';
import { agent, answer, approval, cancel, chain, execute, memoryStore, submit } from '../../../index';

const flow = chain(
  'flow',
  agent('load', (text: string) => text),
  approval('sign', t.type({ ok: t.boolean })),
);

/** An engine that keeps its runs in a store, for what is asked of it here. */
function engineOver(store: ReturnType<typeof memoryStore>): ShowingEngine {
  return {
    run: () => NEVER,
    answer: async (runId, path, value, { asking } = {}) => {
      await answer(runId, path, value, { store, ...(asking !== undefined && asking !== '' && { asking }) });
    },
    cancel: async (runId) => {
      await cancel(runId, { store });
    },
    fork: () => Promise.resolve('never'),
    submit: async (given, input, { runId }) => ({
      became: (await submit(given, input as never, { store, runId })).became,
    }),
    loadRun: async (_, runId) => (await store.loadRun(runId)) as never,
    listRuns: (query) => store.listRuns(query),
    events: (runId, { after = 0 } = {}) => store.events(runId, { after }),
  };
}

async function ask(api: HttpApi, path: string, body?: object): Promise<{ status: number; text: string }> {
  const post = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  const response = await api.fetch(new Request(`http://x${path}`, body === undefined ? {} : post));
  return { status: response.status, text: await response.text() };
}

describe('httpApi({ engine })', () => {
  it('lists, shows, follows, starts, answers and cancels', async () => {
    const store = memoryStore();
    await execute(flow, 'text', { store, runId: 'r' });
    const api = httpApi({ engine: engineOver(store), agents: [flow], authorize: () => 'write' });

    expect(JSON.parse((await ask(api, '/stores')).text)).toMatchObject({
      stores: [{ name: 'engine', kind: 'engine', abilities: ['start', 'answer', 'cancel'], isServed: true }],
    });
    expect(JSON.parse((await ask(api, '/runs?q=r&status=SUSPENDED')).text)).toMatchObject({ total: 1 });
    expect(JSON.parse((await ask(api, '/runs/r')).text)).toMatchObject({ run: { status: 'SUSPENDED' } });
    expect((await ask(api, '/runs/r/events')).text).toMatch(/^id: 1\.\w+\n[^]*event: end\n/);
    expect((await ask(api, '/runs', { agent: 'flow', input: 'other' })).status).toBe(202);
    expect((await ask(api, '/runs/r/answer', { path: 'sign', asking: '', value: 1 })).status).toBe(422);
    const answered = await ask(api, '/runs/r/answer', { path: 'sign', asking: '', value: { ok: true } });
    expect(answered.status).toBeLessThan(300);
    expect((await ask(api, '/runs/r/cancel', {})).status).toBe(202);
    expect((await ask(api, '/runs/x')).status).toBe(404);
  });

  it.each([
    ['/runs/r/resume', {}],
    ['/runs/r/fork', {}],
    ['/runs/r/delete', {}],
    ['/runs/r/export', undefined],
    ['/changes', undefined],
    ['/runs/r/events?live', undefined],
  ])('refuses %s by name', async (path, body) => {
    const store = memoryStore();
    await execute(flow, 'text', { store, runId: 'r' });
    const api = httpApi({ engine: engineOver(store), agents: [flow], authorize: () => 'write' });

    const { status, text } = await ask(api, path, body);

    expect(status).toBe(501);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'NOT_ON_ENGINE' } });
  });
});
