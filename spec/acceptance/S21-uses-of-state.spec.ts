import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Subscription } from 'rxjs';
import { NEVER } from 'rxjs';

import { agent, chain, execute, lowdbStore, outputOf, run } from '../../index';
import { isJournaled } from '../../lib/model/event';
import { everything } from '../support/everything';

describe('S21 what saved state is good for', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'millrace-'))));
  afterEach(async () => rm(folder, { recursive: true }));

  const plus = agent('plus', (x: number) => x + 1);
  const breaks = agent('breaks', (_: number): number => {
    throw new RangeError('out of range');
  });

  it('restore: a run that failed is there again for another store object', async () => {
    const store = lowdbStore(folder);
    await execute(chain('work', plus, breaks), 1, { store, runId: 'r' });
    await store.close();
    expect(await lowdbStore(folder).loadRun('r')).toMatchObject({
      status: 'FAILED',
      input: 1,
      error: { path: 'breaks' },
    });
  });

  it('watch: the outputs of steps can be read while the run goes on, also by somebody who only reads', async () => {
    const store = lowdbStore(folder);
    const patient = agent('patient', () => NEVER);
    const subscription = await new Promise<Subscription>((resolve) => {
      const live: Subscription = run(chain('work', plus, patient), 1, { store, runId: 'r' }).subscribe(
        ({ event }) => {
          if (event.type === 'step.started' && event.path === 'patient') setImmediate(() => resolve(live));
        },
      );
    });

    const seen = await lowdbStore(folder).loadRun('r');

    expect(seen?.status).toBe('RUNNING');
    expect(outputOf(seen!, 'plus')).toEqual({ kind: 'output', output: 2 });
    expect(outputOf(seen!, 'patient')).toEqual({ kind: 'running' });
    subscription.unsubscribe();
    await store.close();
  });

  it('debug: the step that failed is found from the file alone', async () => {
    const store = lowdbStore(folder);
    await execute(chain('work', plus, breaks, plus), 1, { store, runId: 'r' });
    await store.close();
    const [file] = await readdir(join(folder, 'runs'));
    const text = await readFile(join(folder, 'runs', file!), 'utf8');
    const saved = JSON.parse(text) as Record<string, unknown>;
    const failed = /"stepId":\s*"breaks"[^}]*?"status":\s*"FAILED"/.exec(text);
    expect(failed).not.toBeNull();
    expect(JSON.stringify(saved)).toContain('out of range');
  });

  it('audit: the journaled events of a run are numbered without a gap, over all its lives', async () => {
    const store = lowdbStore(folder);
    let isDown = true;
    const flaky = agent('flaky', (x: number) => {
      if (isDown) throw new Error('down');
      return x;
    });
    const work = chain('work', plus, flaky, plus);
    const numbers: number[] = [];
    for (let life = 0; life < 3; life += 1) {
      isDown = life < 2;
      const events = await everything(run(work, 1, { store, runId: 'r' }));
      for (const { event } of events) if (isJournaled(event)) numbers.push(event.seq);
    }
    expect(numbers).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
    const state = await store.loadRun('r');
    expect(state?.seq).toBe(numbers.at(-1));
    await store.close();
  });
});
