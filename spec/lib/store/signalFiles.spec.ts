import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import type { Store } from '../../../index';
import { execute, lowdbStore, resume, signal, waitFor } from '../../../index';

const tick = waitFor('tick', t.number);

describe('signals in a folder', () => {
  let folder: string;
  let store: Store;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-signals-'));
    store = lowdbStore(folder, { durability: 'process' });
  });

  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are not there twice after a crash between the answer that is made of one and the removal of its file', async () => {
    await execute(tick, 0, { store, runId: 'r' });
    await signal('tick', 1, { store });
    const [file = ''] = readdirSync(join(folder, 'signals'));
    const path = join(folder, 'signals', file);
    copyFileSync(path, join(folder, 'before'));
    const claim = await store.claim('other');
    const [kept] = await store.signals.list();
    const { asking = '', path: at = '' } = (await store.listRuns())[0]?.waiting[0] ?? {};
    claim.signals?.hear('tick', () => undefined);
    const answer = {
      kind: 'answer',
      path: at,
      asking,
      value: 1,
      signal: { signalId: kept?.signalId ?? '', name: 'tick' },
    } as const;
    expect(kept && (await claim.signals?.give(kept, 'r', answer))).toBe(true);
    await claim.release(undefined);
    await store.close();
    copyFileSync(join(folder, 'before'), path);

    store = lowdbStore(folder, { durability: 'process' });
    expect((await lastValueFrom(resume(tick, 'r', { store }))).state.output).toBe(1);
    expect(await store.signals.list()).toEqual([]);
    expect((await execute(tick, 0, { store, runId: 'r2' })).status).toBe('SUSPENDED');
  });

  it('that cannot be read are told, and keep no other from being taken', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation();
    await signal('tick', 1, { store });
    writeFileSync(join(folder, 'signals', 'tick~00000000000000000000000000.json'), 'torn');
    expect((await execute(tick, 0, { store, runId: 'r' })).output).toBe(1);
    expect(
      warn.mock.calls
        .flat()
        .filter((message) => typeof message === 'string' && message.includes('Cannot read signals')),
    ).toHaveLength(1);
    warn.mockRestore();
  });
});
