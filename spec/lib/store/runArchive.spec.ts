import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

import { firstValueFrom, toArray } from 'rxjs';

import type { Store } from '../../../index';
import {
  agent,
  answer,
  approval,
  each,
  execute,
  fork,
  lowdbStore,
  memoryStore,
  resume,
  workflow,
} from '../../../index';
import type { Wire } from '../../../index';
import { t } from '../../../fp';
import { exportRun, importRun } from '../../../storePort';
import { everyStore } from '../../support/everyStore';
import { everything } from '../../support/everything';

const LONG = 'long '.repeat(1_000);
let isJammed = true;
const ocr = agent(
  'ocr',
  (page: number, context) => {
    context.log('INFO', `reading page ${page}`);
    if (page === 1 && isJammed) throw new Error('scanner jammed');
    return { page, text: `${LONG}${page}` };
  },
  { retry: { count: 1, delayMs: 0 } },
);
const book = workflow('book', (input: Wire<number[]>, step) => {
  const pages = step('pages', each('pages', ocr, { concurrency: 1 }), input);
  const sign = step('sign', approval('sign', t.type({ ok: t.boolean })), pages);
  return step(
    'write',
    agent('write', (answered: { readonly ok: boolean }) => ({ ...answered, text: LONG })),
    sign,
  );
});

const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const kept = (store: Store, runId: string) => firstValueFrom(store.events(runId).pipe(toArray()));

async function expectSame(from: Store, to: Store, runId: string, as = runId): Promise<void> {
  const named = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll(`"runId":"${as}"`, `"runId":"${runId}"`));
  expect(named(await to.loadRun(as))).toEqual(throughJson(await from.loadRun(runId)));
  // Not only as JSON: there a row without an output has one of null.
  expect([...((await to.loadRun(as))?.steps ?? [])]).toEqual([...((await from.loadRun(runId))?.steps ?? [])]);
  expect(named(await kept(to, as))).toEqual(throughJson(await kept(from, runId)));
}

describe.each(everyStore)('exportRun() and importRun() %s', (_where, open) => {
  beforeEach(() => {
    isJammed = true;
  });

  it('carry a run that failed, was resumed and waits to another store, where it goes on as it would have here', async () => {
    const [from, to] = [open(), open()];
    await execute(book, [0, 1, 2], { store: from, runId: 'book' });
    isJammed = false;
    await everything(resume(book, 'book', { store: from }));
    expect((await from.loadRun('book'))?.status).toBe('SUSPENDED');

    expect(await importRun(await exportRun('book', { store: from }), { store: to })).toBe('book');
    await expectSame(from, to, 'book');

    for (const store of [from, to]) {
      await answer('book', 'sign', { ok: true }, { store });
      await everything(resume(book, 'book', { store }));
    }
    const [here, there] = [await from.loadRun('book'), await to.loadRun('book')];
    expect(there?.output).toEqual(here?.output);
    expect((await kept(to, 'book')).map(({ event }) => event.type)).toEqual(
      (await kept(from, 'book')).map(({ event }) => event.type),
    );
    await expectSame(to, await reexported(to, open()), 'book');
  });

  it('give the same run under another id, beside the first one', async () => {
    const store = open();
    await execute(book, [0, 1], { store, runId: 'book' });

    await importRun(await exportRun('book', { store }), { store, runId: 'copy' });

    await expectSame(store, store, 'book', 'copy');
    await expect(importRun(await exportRun('book', { store }), { store })).rejects.toMatchObject({
      code: 'RUN_EXISTS',
    });
  });

  it('carry a fork, whose events begin with how it stood', async () => {
    const [from, to] = [open(), open()];
    await execute(book, [0, 1], { store: from, runId: 'book' });
    isJammed = false;
    await fork('book', { store: from, runId: 'forked' });
    await everything(resume(book, 'forked', { store: from }));

    await importRun(await exportRun('forked', { store: from }), { store: to });

    await expectSame(from, to, 'forked');
    expect((await kept(to, 'forked'))[0]?.event.type).toBe('run.imported');
  });

  it('take a run without events from a store that keeps none', async () => {
    const bare = memoryStore({ events: 'none' });
    await execute(book, [0], { store: bare, runId: 'book' });
    const to = open();

    await importRun(await exportRun('book', { store: bare }), { store: to });

    expect(throughJson(await to.loadRun('book'))).toEqual(throughJson(await bare.loadRun('book')));
    expect((await kept(to, 'book')).map(({ event }) => event.type)).toEqual(['run.imported']);
  });

  it('export what is written down of a run that is under way', async () => {
    const store = open();
    let release = (): void => undefined;
    const held = workflow('held', (input: Wire<number>, step) => {
      const first = step(
        'first',
        agent('first', (n: number) => n),
        input,
      );
      return step(
        'second',
        agent('second', () => new Promise<number>((resolve) => (release = () => resolve(1)))),
        first,
      );
    });
    const done = execute(held, 1, { store, runId: 'held' });
    while ((await store.loadRun('held'))?.steps.get('second')?.status !== 'RUNNING')
      await new Promise((resolve) => setTimeout(resolve, 5));

    const file = await exportRun('held', { store });
    release();
    await done;

    const to = open();
    await importRun(file, { store: to });
    expect((await to.loadRun('held'))?.steps.get('second')?.status).toBe('RUNNING');
    await everything(
      resume(
        workflow('held', (input: Wire<number>, step) => {
          const first = step(
            'first',
            agent('first', (n: number) => n),
            input,
          );
          return step(
            'second',
            agent('second', () => 2),
            first,
          );
        }),
        'held',
        { store: to },
      ),
    );
    expect((await to.loadRun('held'))?.output).toBe(2);
  });
});

describe('importRun()', () => {
  const file = async (): Promise<Uint8Array> => {
    const store = memoryStore();
    isJammed = true;
    await execute(book, [0, 1], { store, runId: 'book' });
    return exportRun('book', { store });
  };
  const changed = (bytes: Uint8Array, change: (text: string) => string): Uint8Array =>
    gzipSync(change(gunzipSync(bytes).toString()));

  it.each<[string, (bytes: Uint8Array) => Uint8Array, RegExp]>([
    ['no gzip', () => Buffer.from('hello'), /header/],
    ['a file that is cut', (bytes) => bytes.subarray(0, bytes.length - 100), /end of file/],
    ['another file', () => gzipSync('{"a":1}\n'), /not the file of a run/],
    ['an empty one', () => gzipSync(''), /not the file of a run/],
    [
      'a newer format',
      (bytes) => changed(bytes, (text) => text.replace('"format":1', '"format":2')),
      /reads up to 1/,
    ],
    [
      'a state that is none',
      (bytes) => changed(bytes, (text) => text.replace('"FAILED"', '"LOST"')),
      /status/,
    ],
    ['too few events', (bytes) => changed(bytes, (text) => text.replace(/[^\n]+\n$/, '')), /of \d+ events/],
    [
      'an event that is none',
      (bytes) => changed(bytes, (text) => text.replace('"step.failed"', '"step.lost"')),
      /event/,
    ],
    [
      'events that lead elsewhere',
      (bytes) =>
        changed(bytes, (text) =>
          text.replace(/"message":"scanner jammed"(?=[^\n]*\n$)/, '"message":"other"'),
        ),
      /do not lead/,
    ],
  ])('refuses %s, and puts nothing in', async (_what, damage, message) => {
    const store = memoryStore();

    await expect(importRun(damage(await file()), { store })).rejects.toMatchObject({
      code: 'RUN_FILE_DAMAGED',
      message: expect.stringMatching(message) as string,
    });
    expect(await store.listRuns()).toEqual([]);
  });

  it('keeps the events in a folder that is opened again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-archive-'));
    const bytes = await file();
    const store = lowdbStore(folder);
    await importRun(bytes, { store });
    const before = throughJson(await kept(store, 'book'));
    expect(throughJson(await kept(lowdbStore(folder), 'book'))).toEqual(before);
    await store.close();

    const again = lowdbStore(folder);
    expect(throughJson(await kept(again, 'book'))).toEqual(before);
    await again.close();
    rmSync(folder, { recursive: true, force: true });
  });
});

async function reexported(store: Store, to: Store): Promise<Store> {
  await importRun(await exportRun('book', { store }), { store: to });
  return to;
}
