import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, NEVER, Subject, toArray } from 'rxjs';

import { agent, approval, chain, execute, lowdbStore, run, serve, submit } from '../../../index';
import type { Agent, Store } from '../../../index';
import { StorageError } from '../../../lib/errors/storageErrors';
import { until } from '../../support/until';

let base: string;
let folder: string;
let outside: string;
beforeEach(() => {
  base = fs.mkdtempSync(join(tmpdir(), 'millrace-'));
  folder = join(base, 'state');
  outside = join(base, 'documents');
  fs.mkdirSync(outside);
  fs.writeFileSync(join(outside, 'thesis.docx'), 'years of work');
  fs.writeFileSync(join(outside, 'old.json'), '{}');
});
afterEach(() => {
  fs.rmSync(base, { recursive: true, force: true });
});

const cached = agent('cached', (n: number) => n + 1, { cache: {} });
const job = chain('job', cached);
const asks = chain(
  'asks',
  approval('ok', t.boolean),
  agent('after', (said: boolean) => `said ${String(said)}`),
);

/** What somebody might put in the place of a file. */
const PUTS: readonly (readonly [string, (path: string) => void])[] = [
  ['a link', (path) => fs.symlinkSync(join(outside, 'thesis.docx'), path)],
  ['a pipe', (path) => execFileSync('mkfifo', [path])],
  // With a line's end: without one it looks like an append to the journal that was cut.
  ['a file of somebody else', (path) => fs.writeFileSync(path, 'notes\n')],
];

/** A file that must stay as it is; the test fails when another one has taken its place, or it has changed. */
function untouched(path: string): () => void {
  const seen = (): readonly unknown[] => {
    const { ino, mode, size, mtimeMs } = fs.lstatSync(path);
    return [ino, mode, size, mtimeMs];
  };
  const before = seen();
  return () => {
    expect(seen()).toEqual(before);
    expect(fs.readFileSync(join(outside, 'thesis.docx'), 'utf8')).toBe('years of work');
  };
}

let snapshotId: string;

/** A store with one of everything, closed. */
async function filled(): Promise<void> {
  const store = lowdbStore(folder);
  const state = await execute(job, 1, { store, runId: 'first' });
  ({ snapshotId } = await store.snapshots.save('one', state));
  await store.logs.save({
    logId: 'log',
    workflowName: 'job',
    startTime: new Date(0).toISOString(),
    endTime: null,
    status: 'running',
    steps: [],
  });
  await execute(asks, 1, { store, runId: 'asking' });
  await store.post('asking', { kind: 'answer', path: 'ok', value: true });
  await submit(job, 1, { store, runId: 'queued', delayMs: 3_600_000 });
  const stream = await store.streams.claim('counts');
  await stream.commit({ rows: [{ table: 'n', key: 'a', value: 1 }], offsets: [['feed', 1]], at: 1 });
  await stream.release();
  await store.close();
}

/** One file of each kind that a store keeps. */
const KINDS = ['runs', 'snapshots', 'logs', 'cache', 'inbox', 'streams', 'queue', 'history.json'] as const;

function fileIn(place: (typeof KINDS)[number]): string {
  const path = join(folder, place);
  if (place === 'history.json') return path;
  const names = fs.readdirSync(path, { recursive: true }) as string[];
  const name = names.find((each) => each.endsWith('.json') && fs.statSync(join(path, each)).isFile());
  return join(path, name!);
}

/** What must be told while the store is served, if anything. */
interface Serving {
  readonly tells?: string;
}

/** What the last event of a run is, and its output; tells what the run logs. */
async function endOf<I>(
  what: Agent<I, unknown>,
  input: I,
  {
    store,
    runId,
    tell,
  }: { readonly store: Store; readonly runId: string; readonly tell: (message: string) => void },
): Promise<string> {
  const seen = await lastValueFrom(run(what, input, { store, runId }).pipe(toArray()));
  for (const { event } of seen) if (event.type === 'step.logged') tell(`${event.level}: ${event.message}`);
  const { event, state } = seen.at(-1)!;
  return `${event.type} ${JSON.stringify(state.output)}`;
}

/** Asks for what one file of each kind holds; how that ends when something else stands in its place. */
const READS: Record<
  (typeof KINDS)[number],
  readonly [end: string, ask: (store: Store, tell: (message: string) => void) => Promise<unknown>]
> = {
  runs: ['refused', (store, tell) => endOf(asks, 1, { store, runId: 'asking', tell })],
  snapshots: ['refused', (store) => store.snapshots.load(snapshotId)],
  logs: ['refused', (store) => store.logs.load('log')],
  // What cannot be read is asked for anew.
  cache: ['gives run.completed 2', (store, tell) => endOf(job, 1, { store, runId: 'again', tell })],
  // The answer is not there: the run goes on waiting for it.
  inbox: ['gives run.suspended undefined', (store, tell) => endOf(asks, 1, { store, runId: 'asking', tell })],
  streams: ['refused', async (store) => store.streams.claim('counts')],
  queue: ['refused', (store) => submit(job, 1, { store, runId: 'queued', delayMs: 3_600_000 })],
  'history.json': ['refused', (store) => store.loadRun('first')],
};

/** Everything somebody may ask of a store; the messages of what is refused. */
async function everything(serving?: Serving): Promise<readonly string[]> {
  const store = lowdbStore(folder);
  const told: string[] = [];
  const ask = async (act: () => Promise<unknown>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      told.push(`${(error as Error).name}: ${(error as Error).message}`);
    }
  };
  await ask(() => store.loadRun('first'));
  await ask(() => store.listRuns());
  await ask(async () => {
    const seen = await lastValueFrom(run(job, 2, { store, runId: 'second' }).pipe(toArray()));
    for (const { event } of seen) if (event.type === 'step.logged') told.push(`WARNING: ${event.message}`);
  });
  await ask(() => store.snapshots.list());
  await ask(() => store.logs.list());
  await ask(() => store.post('asking', { kind: 'cancel' }));
  await ask(() => store.deleteRun('first'));
  await ask(() => store.streams.list());
  await ask(() => store.streams.delete('counts'));
  await ask(() => store.snapshots.list().then(([one]) => one && store.snapshots.delete(one.snapshotId)));
  await ask(() => store.prune({ snapshots: true, logs: true }));
  await ask(() => submit(job, 1, { store, runId: 'queued', delayMs: 3_600_000 }));
  if (serving !== undefined) await ask(() => servedAwhile(store, told, serving));
  await ask(() => store.deleteRun('queued'));
  await ask(() => store.close());
  return told;
}

/** How it is served: only whoever does so looks at requests and queued runs. */
const servingAt = (place: string, served: Serving): Serving | undefined =>
  place === 'requests' || place === 'queue' ? served : undefined;

/** Serves until that is told, and goes on for as long as it takes to look at requests and queued runs again. */
async function servedAwhile(store: Store, told: string[], { tells }: Serving): Promise<void> {
  const refused: unknown[] = [];
  const serving = serve([job, asks], { store }).subscribe({
    next: ({ event }) => {
      if (event.type === 'step.logged') told.push(`WARNING: ${event.message}`);
    },
    error: (error: unknown) => refused.push(error),
  });
  if (tells !== undefined)
    await until(() => refused.length > 0 || told.some((message) => message.includes(tells)));
  await new Promise((resolve) => setTimeout(resolve, tells === undefined ? 500 : 300));
  serving.unsubscribe();
  if (refused.length > 0) throw refused[0] as Error;
}

const PLACES = [
  'runs',
  'snapshots',
  'logs',
  'cache',
  'journal',
  'inbox',
  'lock',
  'streams',
  'requests',
  'queue',
  'history.json',
] as const;

describe('a store in whose folder something stands that is not its own', () => {
  it.each(PLACES)(
    'refuses a link in the place of %s by name, and touches nothing behind it',
    async (place) => {
      await filled();
      fs.rmSync(join(folder, place), { recursive: true, force: true });
      fs.symlinkSync(place === 'history.json' ? join(outside, 'old.json') : outside, join(folder, place));

      const told = await everything(servingAt(place, { tells: join(folder, place) }));
      expect(told.join('\n')).toContain(join(folder, place));
      expect(fs.readdirSync(outside).sort()).toEqual(['old.json', 'thesis.docx']);
      expect(fs.readFileSync(join(outside, 'old.json'), 'utf8')).toBe('{}');
    },
  );

  it.each(PLACES)('refuses a pipe in the place of %s by name, and does not wait for it', async (place) => {
    await filled();
    fs.rmSync(join(folder, place), { recursive: true, force: true });
    execFileSync('mkfifo', [join(folder, place)]);

    const told = await everything(servingAt(place, { tells: join(folder, place) }));
    expect(told.join('\n')).toContain(join(folder, place));
  });

  it.each(PLACES)('refuses a file of somebody else in the place of %s by name', async (place) => {
    await filled();
    fs.rmSync(join(folder, place), { recursive: true, force: true });
    fs.writeFileSync(join(folder, place), 'notes');

    const told = await everything(servingAt(place, { tells: join(folder, place) }));
    expect(told.join('\n')).toContain(join(folder, place));
    expect(fs.readFileSync(join(folder, place), 'utf8')).toBe('notes');
  });

  it.each([
    ['a link', (path: string) => fs.symlinkSync(join(outside, 'thesis.docx'), path)],
    ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
    ['a file of somebody else', (path: string) => fs.writeFileSync(path, 'notes')],
  ])('neither deletes nor overwrites a run in whose place %s stands', async (_, put) => {
    await filled();
    const path = join(folder, 'runs', 'first.json');
    fs.rmSync(path);
    put(path);
    put(join(folder, 'runs', 'taken.json'));
    const before = fs.lstatSync(path).ino;
    const store = lowdbStore(folder);

    await expect(store.deleteRun('first')).rejects.toThrow(`Cannot remove "${path}"`);
    await expect(store.prune({})).rejects.toThrow(StorageError);
    await execute(job, 1, { store, runId: 'taken' });
    await expect(store.close()).rejects.toThrow(join(folder, 'runs', 'taken.json'));
    expect(fs.lstatSync(path).ino).toBe(before);
    expect(fs.readFileSync(join(outside, 'thesis.docx'), 'utf8')).toBe('years of work');
    // What could not be written stays in the journal.
    fs.rmSync(join(folder, 'runs', 'taken.json'));
    expect((await lowdbStore(folder).loadRun('taken'))?.status).toBe('COMPLETED');
  });

  it.each(KINDS.flatMap((place) => PUTS.map(([what, put]) => [place, what, put] as const)))(
    'names what stands in the place of a file of %s, and neither removes nor overwrites it: %s',
    async (place, _, put) => {
      await filled();
      const path = fileIn(place);
      fs.rmSync(path);
      put(path);
      const stays = untouched(path);
      const [end, ask] = READS[place];
      const store = lowdbStore(folder);
      const told: string[] = [];
      const tell = (message: string): void => void told.push(message);
      const warned = jest.spyOn(process, 'emitWarning').mockImplementation((warning) => {
        tell(String(warning));
      });
      const ended = await ask(store, tell).then(
        (given) => `gives ${String(given)}`,
        (error: unknown) => `refused: ${String(error)}`,
      );
      await store.close();

      expect(ended).toMatch(new RegExp(`^${end}`));
      expect([...told, ended].join('\n')).toContain(path);
      await everything(servingAt(place, {}));
      warned.mockRestore();
      stays();
    },
  );

  it.each(PUTS)('refuses %s in the place of the journal that a killed process has left', async (_, put) => {
    const store = lowdbStore(folder);
    await execute(job, 1, { store, runId: 'first' });
    const left = join(base, 'left');
    fs.cpSync(folder, left, { recursive: true, filter: (path) => path !== join(folder, 'lock') });
    await store.close();
    folder = left;
    const path = join(left, 'journal', '00000001.ndjson');
    fs.rmSync(path);
    put(path);
    const stays = untouched(path);

    await expect(lowdbStore(left).loadRun('first')).rejects.toThrow(path);
    expect((await everything()).filter((told) => told.includes(path))).not.toEqual([]);
    stays();
  });

  it.each(PUTS)('writes on to its journal where %s has taken its name', async (_, put) => {
    const store = lowdbStore(folder);
    const wait = new Subject<number>();
    const begun = new Subject<void>();
    const slow = agent('slow', () => {
      begun.next();
      return firstValueFrom(wait);
    });
    const begins = firstValueFrom(begun);
    const state = execute(chain('waits', slow, cached), 1, { store, runId: 'r' });
    await begins;
    const path = join(folder, 'journal', '00000001.ndjson');
    fs.rmSync(path);
    put(path);
    wait.next(1);

    expect((await state).output).toBe(2);
    await store.close();
    expect((await lowdbStore(folder).loadRun('r'))?.output).toBe(2);
    expect(fs.readFileSync(join(outside, 'thesis.docx'), 'utf8')).toBe('years of work');
  });

  it.each([
    ['a link', (path: string) => fs.symlinkSync(join(outside, 'thesis.docx'), path)],
    ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
    ['a file of somebody else', (path: string) => fs.writeFileSync(path, 'notes')],
    ['a folder', (path: string) => fs.mkdirSync(path)],
  ])('carries out no request that is %s, and leaves it where it is', async (_, put) => {
    await filled();
    const ask = join(folder, 'requests', '01ARZ3NDEKTSV4RRFFQ69G5FAV.ask.json');
    fs.mkdirSync(join(folder, 'requests'), { recursive: true });
    put(ask);
    const before = fs.lstatSync(ask).ino;

    const told = (await everything({ tells: ask })).filter((each) => each.includes(ask));
    expect(told).toEqual([expect.stringContaining('it is no request file of a store')]);
    expect(fs.lstatSync(ask).ino).toBe(before);
    expect(fs.readdirSync(join(folder, 'requests'))).toEqual(['01ARZ3NDEKTSV4RRFFQ69G5FAV.ask.json']);
  });

  it.each(['journal', 'lock'])(
    'neither removes nor follows what stands beside its files in %s',
    async (place) => {
      await filled();
      const path = join(folder, place);
      const number = place === 'journal' ? '00000099.ndjson' : '99';
      const put = [
        () => fs.symlinkSync(join(outside, 'thesis.docx'), join(path, number)),
        () => execFileSync('mkfifo', [join(path, number)]),
      ];
      for (const each of put) {
        each();
        const before = fs.lstatSync(join(path, number)).ino;
        expect((await everything()).join('\n')).toContain(join(path, number));
        expect(fs.lstatSync(join(path, number)).ino).toBe(before);
        fs.rmSync(join(path, number));
      }
      expect(fs.readFileSync(join(outside, 'thesis.docx'), 'utf8')).toBe('years of work');
    },
  );

  it('prunes only answers that it has written', async () => {
    await filled();
    const cache = join(folder, 'cache');
    fs.writeFileSync(join(cache, 'thesis.docx'), 'years of work');
    fs.writeFileSync(join(cache, 'notes.json'), '{"mine": true}');
    fs.symlinkSync(join(outside, 'old.json'), join(cache, 'link.json'));
    const [ours] = fs.readdirSync(cache).filter((name) => /^[0-9a-f]{64}/.test(name));
    fs.appendFileSync(join(cache, ours!), 'damaged');
    const store = lowdbStore(folder);
    await store.prune({});
    await store.close();

    expect(fs.readdirSync(cache).sort()).toEqual(['link.json', 'notes.json', 'thesis.docx']);
  });

  it('refuses a number of a lock that no store gives', async () => {
    await filled();
    fs.writeFileSync(join(folder, 'lock', '999999999999999'), '');

    await expect(execute(job, 1, { store: lowdbStore(folder), runId: 'x' })).rejects.toThrow(
      '999999999999999',
    );
  });
});

describe('a store whose inbox makes trouble', () => {
  it('warns the run, and goes on hearing once the trouble is gone', async () => {
    await filled();
    const store = lowdbStore(folder);
    fs.rmSync(join(folder, 'inbox'), { recursive: true });
    fs.writeFileSync(join(folder, 'inbox'), 'notes');
    const slow = agent('slow', () => NEVER);
    const told: string[] = [];
    const cancelled = new Promise<void>((resolve, reject) => {
      run(chain('c', slow), 1, { store, runId: 'second' }).subscribe({
        next: ({ event }) => told.push(event.type === 'step.logged' ? event.message : event.type),
        error: reject,
        complete: resolve,
      });
    });
    const isOfInbox = (message: string): boolean => message.includes('inbox');
    await until(() => told.some(isOfInbox));
    await new Promise((resolve) => setTimeout(resolve, 500));
    fs.rmSync(join(folder, 'inbox'));
    await lowdbStore(folder).post('second', { kind: 'cancel' });
    await cancelled;

    expect(told.filter(isOfInbox)).toHaveLength(1);
    expect(told.at(-1)).toBe('run.cancelled');
    await store.close();
  });

  it('uses a message that cannot be removed once, and removes it later', async () => {
    const store = lowdbStore(folder);
    await execute(asks, 1, { store, runId: 'r' });
    await store.post('r', { kind: 'answer', path: 'ok', value: true });
    const unlink = jest
      .spyOn(jest.requireActual<typeof fs>('node:fs'), 'unlinkSync')
      .mockImplementation((path) => {
        throw Object.assign(new Error(`EROFS: made up, unlink '${String(path)}'`), { code: 'EROFS' });
      });
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const state = await execute(asks, 1, { store, runId: 'r' });
    unlink.mockRestore();

    expect(state.output).toBe('said true');
    expect(String(warned.mock.calls[0]?.[0])).toContain('Cannot remove');
    warned.mockRestore();
    await until(() => fs.readdirSync(join(folder, 'inbox')).length === 0);
    await store.close();
  });

  it('keeps an answer with durability end until the life that used it is written down', async () => {
    const first = lowdbStore(folder, { durability: 'end' });
    await execute(asks, 1, { store: first, runId: 'r' });
    await first.post('r', { kind: 'answer', path: 'ok', value: true });
    const seen: number[] = [];
    const looks = chain(
      'asks',
      approval('ok', t.boolean),
      agent('after', () => seen.push(fs.readdirSync(join(folder, 'inbox')).length)),
    );
    await execute(looks, 1, { store: first, runId: 'r' });

    expect(seen).toEqual([1]);
    expect(fs.readdirSync(join(folder, 'inbox'))).toEqual([]);
    await first.close();
  });
});

describe('lowdbStore()', () => {
  it.each([
    ['an empty path', () => lowdbStore('')],
    ['a size that is not a number', () => lowdbStore(folder, { rotateBytes: Number.NaN })],
    ['a size of nothing', () => lowdbStore(folder, { rotateBytes: 0 })],
  ])('refuses %s', (_, make) => {
    expect(make).toThrow('Cannot make a store');
  });
});
