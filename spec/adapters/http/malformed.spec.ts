import * as fc from 'fast-check';

import { httpApi } from '../../../adapters/http';
import { t } from '../../../fp';
import { agent, approval, chain, execute, memoryStore } from '../../../index';

const sign = approval('sign', t.type({ ok: t.boolean }));
const flow = chain(
  'flow',
  agent('load', (text: string) => text, { input: t.string }),
  sign,
);
const paths = [
  '/runs',
  '/runs/r/answer',
  '/runs/r/cancel',
  '/runs/r/resume',
  '/runs/r/fork',
  '/runs/r/delete',
];

/** What is no body of any route: no JSON, or JSON that is no object, or one with properties that nobody reads. */
const malformed = fc.oneof(
  fc.string().filter((text) => !isJson(text)),
  fc.json().filter((text) => !/^\s*\{/.test(text)),
  fc
    .dictionary(
      fc.string().map((key) => `x${key}`),
      fc.jsonValue(),
      { minKeys: 1 },
    )
    .map((body) => JSON.stringify(body)),
  fc.constantFrom(
    '{"__proto__":{"agent":"flow"}}',
    '{"agent":"flow","__proto__":1}',
    '{"constructor":1}',
    '',
  ),
);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('requests that nobody made on purpose', () => {
  const setUp = async () => {
    const store = memoryStore();
    await execute(flow, 'text', { store, runId: 'r' });
    const errors: unknown[] = [];
    const api = httpApi({
      store,
      agents: [flow],
      authorize: () => 'write',
      onError: (error) => errors.push(error),
    });
    return { api, store, errors };
  };

  it('get 400 for a malformed body, and change nothing', async () => {
    const { api, store, errors } = await setUp();
    const before = JSON.stringify([await store.listRuns(), await store.queue.size()]);

    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), malformed, async (path, body) => {
        const request = new Request(`http://x${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        const response = await api.fetch(request);
        expect([response.status, await response.json()]).toEqual([
          400,
          { error: expect.objectContaining({ code: 'BODY_MALFORMED' }) },
        ]);
      }),
      { numRuns: 300 },
    );

    expect(JSON.stringify([await store.listRuns(), await store.queue.size()])).toBe(before);
    expect(errors).toEqual([]);
  });

  it('get 400 for bytes that are no text', async () => {
    const { api } = await setUp();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1 }), async (bytes) => {
        const body = Buffer.concat([Buffer.from([0xff]), bytes]);
        const request = new Request('http://x/runs', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        expect((await api.fetch(request)).status).toBe(400);
      }),
      { numRuns: 50 },
    );
  });

  it('never get 500, whatever the path and the query', async () => {
    const { api, errors } = await setUp();
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('runs', 'r', 'values', 'events', 'logs', '..', '%', '%2F'),
    );
    const name = fc.constantFrom(
      'of',
      'path',
      'limit',
      'cursor',
      'since',
      'status',
      'tag',
      'q',
      'after',
      'offset',
      'level',
      'store',
    );

    await fc.assert(
      fc.asyncProperty(
        fc.array(word, { maxLength: 4 }),
        fc.array(fc.tuple(name, word), { maxLength: 3 }),
        async (words, query) => {
          const path = words.map((each) => encodeURIComponent(each)).join('/');
          const url = `http://x/${path}?${new URLSearchParams(query).toString()}`;
          const response = await api.fetch(new Request(url));
          await response.body?.cancel();
          expect(response.status).toBeLessThan(500);
        },
      ),
      { numRuns: 300 },
    );

    expect(errors).toEqual([]);
  });
});
