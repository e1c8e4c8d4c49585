import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

import type { Listening } from '../../inspector/inspector';
import { inspector } from '../../inspector/inspector';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { book, finish } from './books';

interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe('an inspector that listens', () => {
  const store = memoryStore();
  let listening: Listening;
  let readOnly: Listening;

  beforeAll(async () => {
    await finish(book, { pages: 2 }, store, 'r');
    listening = await inspector({ store }).listen();
    readOnly = await inspector({ store }).listen({ readOnly: true });
  });
  afterAll(async () => {
    await listening.close();
    await readOnly.close();
  });

  const ask = (
    path: string,
    headers: Record<string, string> = {},
    method = 'GET',
    to = listening,
  ): Promise<Asked> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: to.port, path, method, headers }, (response) => {
        let body = '';
        response.on('data', (piece: Buffer) => (body += piece.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      });
      asked.on('error', reject);
      asked.end(method === 'POST' ? '{}' : undefined);
    });
  const known = (to = listening): Record<string, string> => ({ authorization: `Bearer ${to.token}` });

  it('tells nobody anything without the token', async () => {
    for (const path of ['/', '/page.js', '/api/runs', '/api/runs/r', '/export?run=r'])
      expect((await ask(path)).status).toBe(401);
    expect((await ask('/api/runs', { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await ask('/?t=wrong')).status).toBe(401);
  });

  it('makes a cookie of the token, and leads to the page without it', async () => {
    const entry = await ask(`/?t=${listening.token}`);

    expect(entry.status).toBe(303);
    expect(entry.headers.location).toBe('/');
    const cookie = entry.headers['set-cookie']?.[0] ?? '';
    expect(cookie).toMatch(new RegExp(`^millrace-${String(listening.port)}=.*HttpOnly.*SameSite=Strict`));
    expect((await ask('/', { cookie: cookie.split(';')[0] ?? '' })).status).toBe(200);
  });

  it('refuses hosts, pages and sites of others', async () => {
    for (const path of ['/', '/api/runs', '/layout']) {
      expect((await ask(path, { ...known(), host: 'evil.example' })).status).toBe(403);
      expect((await ask(path, { ...known(), 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    }
    const json = { ...known(), 'content-type': 'application/json' };
    expect((await ask('/api/runs/r/cancel', { ...json, origin: 'http://evil.example' }, 'POST')).status).toBe(
      403,
    );
  });

  it('reads no body that a form could send, and changes nothing when it is read-only', async () => {
    expect(
      (await ask('/api/runs/r/cancel', { ...known(), 'content-type': 'text/plain' }, 'POST')).status,
    ).toBe(415);
    const json = { ...known(readOnly), 'content-type': 'application/json' };
    for (const action of ['cancel', 'fork', 'resume', 'delete', 'answer'])
      expect((await ask(`/api/runs/r/${action}`, json, 'POST', readOnly)).status).toBe(405);
    expect((await ask('/api/runs/r', known(readOnly), 'GET', readOnly)).status).toBe(200);
  });

  it('knows no runs outside of its store', async () => {
    expect((await ask('/api/runs/..%2F..%2Fetc%2Fpasswd', known())).status).toBe(404);
    expect((await ask('/..%2F..%2Fpackage.json', known())).status).toBe(404);
    expect((await ask('/export?run=..%2F..%2Fetc%2Fpasswd', known())).status).toBeGreaterThanOrEqual(400);
  });

  it('lets the page load nothing from elsewhere', async () => {
    const { headers } = await ask('/', known());

    expect(headers['content-security-policy']).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect((await ask('/', known())).body).not.toMatch(/https?:|<script>|style=/);
  });

  it('listens to other machines only with a token or read-only', async () => {
    await expect(inspector({ store }).listen({ host: '0.0.0.0' })).rejects.toThrow(
      'others than this machine',
    );
  });

  it('is read-only where it is mounted without authorize', async () => {
    const page = inspector({ store });
    const post = new Request('http://app/api/runs/r/cancel', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });

    expect((await page.fetch(post)).status).toBe(405);
    expect((await page.fetch(new Request('http://app/'))).status).toBe(200);
    expect((await page.fetch(new Request('http://app/api/runs'))).status).toBe(200);
  });
});
