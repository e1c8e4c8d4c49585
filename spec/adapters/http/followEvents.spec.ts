import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { lastValueFrom, Observable, tap, toArray } from 'rxjs';
import type { Subscription } from 'rxjs';

import type { EventLine } from '../../../adapters/http';
import { httpApi } from '../../../adapters/http';
import type { Store } from '../../../index';
import { agent, chain, each, execute, lowdbStore, memoryStore, reduceRun, run } from '../../../index';
import type { KeptEvent } from '../../../storePort';
import { initialState } from '../../../storePort';
import { until } from '../../support/until';
import type { Listening } from './support/listening';
import { listening } from './support/listening';
import type { SseEvent } from './support/sse';
import { sseEvents } from './support/sse';

const pages = agent('load', (count: number) => Array.from({ length: count }, (_, page) => page));
const ocr = agent('ocr', async (page: number, { log }) => {
  await setTimeout(2);
  log('INFO', `page ${String(page)}`);
  return `text of ${String(page)}`;
});
const book = chain('book', pages, each('pages', ocr, { concurrency: 2 }));

function show(store: Store, heartbeatMs = 15_000): Promise<Listening> {
  return listening(httpApi({ store, agents: [book], heartbeatMs }).fetch);
}

async function all(events: AsyncIterable<SseEvent>): Promise<readonly SseEvent[]> {
  const found: SseEvent[] = [];
  for await (const event of events) {
    found.push(event);
    if (event.event === 'end' || event.event === 'fault') break;
  }
  return found;
}

const kept = (store: Store, runId: string): Promise<KeptEvent[]> =>
  lastValueFrom(store.events(runId).pipe(toArray()));

describe('GET /runs/:id/events', () => {
  let folder: string;
  const open: Listening[] = [];
  const stores: Store[] = [];

  const keep = async (opened: Promise<Listening>): Promise<Listening> => {
    const server = await opened;
    open.push(server);
    return server;
  };
  const openStore = (): Store => {
    const store = lowdbStore(folder);
    stores.push(store);
    return store;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-http-'));
  });

  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
    for (const store of stores.splice(0)) await store.close();
    rmSync(folder, { recursive: true });
  });

  it('tells the kept events under their offsets, and its end', async () => {
    const store = openStore();
    const state = await execute(book, 5, { store, runId: 'r' });
    const { url } = await keep(show(store));
    const found = await all(sseEvents(`${url}/runs/r/events`));
    const events = found.slice(0, -1).map(({ id, data }) => ({ id, ...(JSON.parse(data) as EventLine) }));

    expect(events).toEqual(
      JSON.parse(
        JSON.stringify(
          (await kept(store, 'r')).map((each) => ({ id: `${each.offset}.${state.incarnation}`, ...each })),
        ),
      ),
    );
    expect(found.at(-1)).toEqual({ event: 'end', data: '{"why":"rest"}' });
    const folded = events.map(({ event }) => event).reduce(reduceRun, initialState(book, 'r'));
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    expect(plain(folded)).toEqual(plain(await store.loadRun('r')));
    expect(state.status).toBe('COMPLETED');
  });

  it('gives lines of JSON to who asks for them', async () => {
    const store = openStore();
    await execute(book, 2, { store, runId: 'r' });
    const { url } = await keep(show(store));
    const response = await fetch(`${url}/runs/r/events?after=3`, {
      headers: { accept: 'application/x-ndjson' },
    });
    const lines = (await response.text()).trimEnd().split('\n');

    expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    expect(lines.map((line) => (JSON.parse(line) as EventLine).offset)).toEqual(
      (await kept(store, 'r')).map(({ offset }) => offset).filter((offset) => offset > 3),
    );
  });

  it('goes on without a gap or a repetition while the server is started again, again and again', async () => {
    const writer = openStore();
    const ended = execute(book, 60, { store: writer, runId: 'r' });
    const found: SseEvent[] = [];
    let server = await show(openStore());
    await until(async () => (await fetch(`${server.url}/runs/r`)).status === 200);
    while (found.at(-1)?.event !== 'end') {
      const last = found.at(-1)?.id;
      let count = 0;
      try {
        for await (const event of sseEvents(
          `${server.url}/runs/r/events`,
          last === undefined ? {} : { 'last-event-id': last },
        )) {
          found.push(event);
          count += 1;
          if (event.event === 'end') break;
          // The server goes away, and another one comes.
          if (count === 40) await server.close();
        }
      } catch {
        // Broken off, as it was meant.
      }
      if (count >= 40) server = await show(openStore());
    }
    await server.close();
    await ended;

    const offsets = found.slice(0, -1).map(({ id }) => parseInt(id ?? '', 10));
    expect(offsets).toEqual(offsets.map((_, index) => index + 1));
    expect(offsets).toHaveLength((await kept(writer, 'r')).length);
  });

  it('tells who connects again that there is no more, so that it stops', async () => {
    const store = openStore();
    await execute(book, 1, { store, runId: 'r' });
    const { url } = await keep(show(store));
    const last = String((await kept(store, 'r')).length);
    const again = (id: string) => fetch(`${url}/runs/r/events`, { headers: { 'last-event-id': id } });

    expect((await again(last)).status).toBe(204);
    const other = await again('1');
    expect(other.status).toBe(200);
    await other.body?.cancel();
  });

  it('says that a run is gone to who comes back with an event of it, also when another run has its id', async () => {
    const store = openStore();
    await execute(book, 1, { store, runId: 'r' });
    const { url } = await keep(show(store));
    const { value: first } = await sseEvents(`${url}/runs/r/events`).next();
    await store.deleteRun('r');
    await execute(book, 3, { store, runId: 'r' });
    const again = (query: string, id: string) =>
      all(sseEvents(`${url}/runs/r/events${query}`, { 'last-event-id': id }));

    for (const query of ['', '?live'])
      expect(await again(query, String(first?.id))).toEqual([{ event: 'end', data: '{"why":"gone"}' }]);
    expect((await again('', '2')).length).toBeGreaterThan(1);
  });

  it('follows the lives to come with live, until the run is forgotten', async () => {
    const store = memoryStore();
    await execute(book, 1, { store, runId: 'r' });
    const { url } = await keep(show(store));
    const following = sseEvents(`${url}/runs/r/events?live`);
    await following.next();
    await store.deleteRun('r');

    expect((await all(following)).at(-1)).toEqual({ event: 'end', data: '{"why":"gone"}' });
  });

  it('says that it is alive while nothing comes', async () => {
    const store = memoryStore();
    await execute(book, 1, { store, runId: 'r' });
    const { url } = await keep(show(store, 20));
    const comments: SseEvent[] = [];
    for await (const event of sseEvents(`${url}/runs/r/events?live`)) {
      if (event.event === ':') comments.push(event);
      if (comments.length === 3) break;
    }

    expect(comments).toHaveLength(3);
  });

  it.each([Infinity, 2 ** 31])(
    'says nothing of it where that is asked for every %p ms',
    async (heartbeatMs) => {
      const store = memoryStore();
      await execute(book, 1, { store, runId: 'r' });
      const api = httpApi({ store, heartbeatMs });
      const { body } = await api.fetch(new Request('http://x/runs/r/events?live'));
      const reader = body!.getReader();
      let told = '';
      void setTimeout(150).then(() => reader.cancel());
      for (let read = await reader.read(); !read.done; read = await reader.read())
        told += new TextDecoder().decode(read.value as Uint8Array);

      expect(told).toContain('run.completed');
      expect(told).not.toMatch(/^:/m);
    },
  );

  it('leaves the store when who follows goes away', async () => {
    const store = memoryStore();
    await execute(book, 1, { store, runId: 'r' });
    const { counted, subscriptions } = counting(store);
    const { url } = await keep(show(counted));
    const following = sseEvents(`${url}/runs/r/events?live`);
    await following.next();
    expect(subscriptions()).toBe(1);

    await following.return(undefined);

    await until(() => subscriptions() === 0);
  });

  it('answers HEAD, and follows nothing for it', async () => {
    const store = memoryStore();
    await execute(book, 1, { store, runId: 'r' });
    const { counted, subscriptions } = counting(store);
    const { url } = await keep(show(counted));

    const head = await fetch(`${url}/runs/r/events?live`, { method: 'HEAD' });

    expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    await until(() => subscriptions() === 0);
  });

  it('holds little for who reads slowly, and gives all in the end', async () => {
    const store = memoryStore();
    const large = agent('large', (page: number) => String(page % 10).repeat(20_000));
    const wide = chain('wide', pages, each('pages', large));
    await execute(wide, 200, { store, runId: 'r' });
    let told = 0;
    const counted: Store = {
      ...store,
      events: (...args) => store.events(...args).pipe(tap(() => (told += 1))),
    };
    const api = httpApi({ store: counted, agents: [wide] });
    const response = await api.fetch(new Request('http://x/runs/r/events'));
    const reader = response.body!.getReader();
    const first = await reader.read();
    await setTimeout(20);
    const total = (await kept(store, 'r')).length;
    const toldEarly = told;

    let text = new TextDecoder().decode(first.value as Uint8Array);
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += new TextDecoder().decode(part.value as Uint8Array);
    const ids = [...text.matchAll(/^id: (\d+)\.\w+$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: total }, (_, index) => index + 1));
    expect(text).toContain('event: end');
    expect(toldEarly).toBeLessThan((total * 3) / 4);
  });

  it('lets 100 follow for little more than one', async () => {
    const store = memoryStore();
    const { url } = await keep(show(store));
    const running = lastValueFrom(run(book, 30, { store, runId: 'r' }));
    await until(async () => (await store.loadRun('r')) !== undefined);
    const followers = Array.from({ length: 100 }, () => all(sseEvents(`${url}/runs/r/events`)));
    await running;
    const total = (await kept(store, 'r')).length;

    for (const found of await Promise.all(followers)) expect(found).toHaveLength(total + 1);
  });

  it('refuses a run that is not there, and an offset that is none', async () => {
    const { url } = await keep(show(memoryStore()));
    await expect(fetch(`${url}/runs/x/events`)).resolves.toMatchObject({ status: 404 });
    await expect(fetch(`${url}/runs/x/events?after=-1`)).resolves.toMatchObject({ status: 400 });
  });
});

/** How many follow the events of a store. */
function counting(store: Store): { readonly counted: Store; subscriptions(): number } {
  let count = 0;
  return {
    counted: {
      ...store,
      events: (...args) =>
        new Observable((subscriber) => {
          count += 1;
          const inner: Subscription = store.events(...args).subscribe(subscriber);
          return () => {
            count -= 1;
            inner.unsubscribe();
          };
        }),
    },
    subscriptions: () => count,
  };
}
