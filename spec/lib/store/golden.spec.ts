import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { lowdbStore } from '../../../lib/store/folder/lowdbStore';
import { append, folded, life, throughJson } from './support/life';

const golden = resolve(__dirname, '../../golden');

/** From format 2 on an output may be journaled as a change of an earlier one. */
const changing = (step: number) => ({ step, text: '.'.repeat(700) });

describe.each(readdirSync(golden))('a store of format %s (promises test 20, P9)', (version) => {
  const lifeOf = (runId: string, steps: number) =>
    version === 'v1' ? life(runId, steps) : life(runId, steps, changing);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-golden-'));
    // Named so that no formatter touches them.
    for (const name of readdirSync(join(golden, version, 'crashed'), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.golden')) continue;
      mkdirSync(join(folder, dirname(name)), { recursive: true });
      cpSync(join(golden, version, 'crashed', name), join(folder, name.slice(0, -'.golden'.length)));
    }
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('opens, and its crashed run goes on', async () => {
    const store = lowdbStore(folder);
    expect(throughJson(await store.loadRun('done'))).toEqual(folded(lifeOf('done', 3)));
    const [snapshot] = await store.snapshots.list();
    expect(await store.snapshots.load(snapshot!.snapshotId)).toMatchObject({ name: 'checkpoint_3' });

    const claim = await store.claim('crashed');
    const events = lifeOf('crashed', 4);
    expect(throughJson(claim.state)).toEqual(folded(events.slice(0, 6)));
    await append(claim, events.slice(6));
    await claim.release(undefined);
    await store.close();
    expect(throughJson(await lowdbStore(folder).loadRun('crashed'))).toEqual(folded(events));
  });
});
