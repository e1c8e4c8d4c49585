import { agent, execute, memoryStore } from '../../index';
import { exportHtml } from '../../inspector/exportHtml';
import { inspector } from '../../inspector/inspector';
import { until } from '../support/until';

const graph = JSON.stringify({ nodes: [{ id: 'a', width: 10, height: 10 }], edges: [] });

describe('an inspector that is mounted', () => {
  it.each(['/tools/millrace', '/tools/millrace/', 'tools/millrace'])(
    'at the basePath %s has its page and its API below it',
    async (basePath) => {
      const page = inspector({ store: memoryStore(), basePath });
      const ask = (path: string) => page.fetch(new Request(`http://app${path}`));

      const moved = await ask('/tools/millrace');
      expect([moved.status, moved.headers.get('location')]).toEqual([308, '/tools/millrace/']);
      for (const path of ['/tools/millrace/', '/tools/millrace/page.js', '/tools/millrace/api/runs'])
        expect([path, (await ask(path)).status]).toEqual([path, 200]);
      expect((await ask('/tools/millracer/api/runs')).status).toBe(404);
    },
  );

  it('lays out graphs for whoever may read, and none above 8 MiB', async () => {
    const page = inspector({
      store: memoryStore(),
      authorize: ({ headers }) => (headers.get('cookie') === 'session=1' ? 'read' : false),
    });
    const layout = (body: string | ReadableStream, cookie = 'session=1') => {
      const init = { method: 'POST', headers: { cookie }, body, duplex: 'half' } as RequestInit;
      return page.fetch(new Request('http://app/layout', init));
    };
    const endless = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(1 << 20));
      },
    });

    expect((await layout(graph)).status).toBe(200);
    expect((await layout(graph, 'session=2')).status).toBe(401);
    expect((await layout(endless)).status).toBe(413);
    for (const body of ['', '{', '[]', '{"nodes":[{}],"edges":[]}'])
      expect((await layout(body)).status).toBe(400);
  });
});

describe('an inspector of several stores', () => {
  it('shows all of them under their names, and no two under one', async () => {
    const [main, other] = [memoryStore(), memoryStore()];
    const shown = inspector({ store: main, stores: { other } });
    shown.watch();
    const reply = await shown.fetch(new Request('http://app/api/stores'));
    const { stores } = (await reply.json()) as { readonly stores: readonly { readonly name: string }[] };

    expect(stores.map(({ name }) => name)).toEqual(['main', 'other', 'watched']);
    expect(() => inspector({ stores: { watched: main } }).watch()).toThrow('two stores named "watched"');
    await expect(inspector({ store: main, stores: { main: other } }).listen()).rejects.toThrow(
      'named "main"',
    );
  });
});

describe('the page of a run that is under way', () => {
  it('is made at once, of what happened so far', async () => {
    const store = memoryStore();
    let goOn = (): void => undefined;
    const waits = agent('waits', () => new Promise<void>((resolve) => (goOn = resolve)));
    const moving = execute(waits, 1, { store, runId: 'r' });
    await until(async () => (await store.loadRun('r'))?.steps.get('waits')?.status === 'RUNNING');

    expect(await exportHtml('r', { store })).toContain('<title>waits · millrace</title>');
    const page = inspector({ store });
    expect((await page.fetch(new Request('http://app/export?run=r'))).status).toBe(200);
    goOn();
    await moving;
  });

  it('is refused with what the API says', async () => {
    const page = inspector({
      store: memoryStore(),
      authorize: ({ headers }) => (headers.get('cookie') === 'session=1' ? 'read' : false),
    });
    const status = async (query: string, cookie = 'session=1') =>
      (await page.fetch(new Request(`http://app/export${query}`, { headers: { cookie } }))).status;

    expect(await status('?run=r')).toBe(404);
    expect(await status('?run=r&store=other')).toBe(404);
    expect(await status('?run=r', 'session=2')).toBe(401);
    expect(await status('?run=r&store=main', 'session=2')).toBe(401);
  });
});
