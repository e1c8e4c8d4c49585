import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { boolean } from 'io-ts';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';

import type { Store } from '../../../index';
import { agent, approval, chain, execute, fork, lowdbStore, memoryStore, run } from '../../../index';
import { toFailure } from '../../../lib/model/failure';

describe('what lists say about a run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-summaries-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const good = agent('good', (n: number) => n);
  const bad = agent('bad', (_: number): number => {
    throw new RangeError(`down ${'x'.repeat(300)}`);
  });

  it.each(['memory', 'a folder'])(
    'is counted, found by tags, dates and text, and names error and origin: in %s',
    async (place) => {
      const isInFolder = place === 'a folder';
      const store: Store = isInFolder ? lowdbStore(folder) : memoryStore();
      await execute(good, 1, { store, runId: 'fine', tags: { customer: '42', region: 'EU' } });
      await execute(chain('c', good, bad), 1, { store, runId: 'broken', tags: { customer: '7' } }).catch(
        () => undefined,
      );
      const ask = chain(
        'asks',
        approval<boolean, number>('ok', boolean, { timeoutMs: 60_000 }),
        agent('then', () => 1),
      );
      await lastValueFrom(run(ask, 1, { store, runId: 'asks' }));
      await fork('broken', { store, runId: 'copy' });
      const ids = async (query: Parameters<Store['listRuns']>[0]) =>
        (await store.listRuns(query)).map(({ runId }) => runId).sort();

      for (const reader of isInFolder ? [store, lowdbStore(folder)] : [store]) {
        const lines = new Map((await reader.listRuns()).map((line) => [line.runId, line]));
        expect(lines.get('fine')).toMatchObject({
          steps: { done: 1, failed: 0, total: 1 },
          tags: { customer: '42', region: 'EU' },
        });
        expect(lines.get('broken')).toMatchObject({ steps: { done: 1, failed: 1, total: 2 } });
        expect(lines.get('broken')?.error).toMatch(/^RangeError: down x+…$/);
        expect(lines.get('broken')?.error).toHaveLength(200);
        expect(lines.get('copy')?.forkedFrom?.runId).toBe('broken');
        expect(lines.get('copy')?.tags).toEqual({ customer: '7' });
        expect(lines.get('asks')?.dueAt).toBe(lines.get('asks')?.waiting[0]?.dueAt);
        expect(lines.get('asks')?.dueAt).toBeGreaterThan(Date.now());
      }
      expect(await ids({ tags: { customer: '42' } })).toEqual(['fine']);
      expect(await ids({ tags: { customer: '42', region: 'US' } })).toEqual([]);
      expect(await ids({ dueBefore: Date.now() + 120_000 })).toEqual(['asks']);
      expect(await ids({ dueBefore: Date.now() })).toEqual([]);
      expect(await ids({ text: 'RANGEERROR' })).toEqual(['broken']);
      expect(await ids({ text: 'eu' })).toEqual(['fine']);
      await store.close();
      if (!isInFolder) return;
      expect(
        (await lowdbStore(folder).listRuns({ tags: { region: 'EU' } })).map(({ runId }) => runId),
      ).toEqual(['fine']);
    },
  );

  it('refuses tags that are not texts', () => {
    expect(() => run(good, 1, { tags: { customer: 42 } as never })).toThrow(
      'the tag "customer" of type number',
    );
  });
});

describe('toFailure()', () => {
  it('tells how long a server asked to wait, as the SDKs and fetch give it', () => {
    const after = (error: object) => toFailure(Object.assign(new Error('busy'), error)).retryAfterMs;
    expect(after({ headers: new Headers({ 'Retry-After': '3' }) })).toBe(3_000);
    expect(after({ headers: { 'retry-after-ms': '250', 'retry-after': '9' } })).toBe(250);
    expect(after({ response: { headers: { 'Retry-After': '1.5' } } })).toBe(1_500);
    const date = 'Sat, 28 Nov 2026 18:00:00 GMT';
    expect(after({ headers: { date, 'retry-after': 'Sat, 28 Nov 2026 18:00:20 GMT' } })).toBe(20_000);
    expect(after({ headers: { 'retry-after': 'soon' } })).toBeUndefined();
    expect(after({ headers: 7 })).toBeUndefined();
  });

  it('keeps the stack in events, and not in states', async () => {
    const store = memoryStore();
    await execute(
      agent('bad', () => {
        throw new Error('x', { cause: new Error('y') });
      }),
      1,
      { store, runId: 'r' },
    ).catch(() => undefined);
    const events = await firstValueFrom(store.events('r').pipe(toArray()));
    const failed = events.flatMap(({ event }) => (event.type === 'step.failed' ? [event.error] : []));
    expect(failed[0]?.stack).toMatch(/at /);
    expect(failed[0]?.cause?.stack).toMatch(/at /);
    expect(JSON.stringify(await store.loadRun('r'))).not.toContain('stack');
  });
});
