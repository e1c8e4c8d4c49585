import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Subscription } from 'rxjs';
import { NEVER } from 'rxjs';

import { agent, chain, execute, lowdbStore, outputOf, run } from '../../index';
import type { RunEvent } from '../../index';
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
    const { state } = JSON.parse(await readFile(join(folder, 'runs', file!), 'utf8')) as {
      readonly state: { readonly steps: readonly Readonly<Record<string, unknown>>[] };
    };
    const failed = state.steps.filter(({ status }) => status === 'FAILED');
    expect(failed).toEqual([
      expect.objectContaining({
        stepId: 'breaks',
        error: expect.objectContaining({ name: 'RangeError', message: 'out of range' }),
      }),
    ]);
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

  it('audit: the records of the journal are numbered without a gap, and hold every event of the run in order', async () => {
    const store = lowdbStore(folder);
    const ended = agent('ended', () => NEVER);
    const work = chain('work', plus, plus, ended);
    const subscription = await new Promise<Subscription>((resolve) => {
      const life: Subscription = run(work, 1, { store, runId: 'r' }).subscribe(({ event }) => {
        if (event.type === 'step.started' && event.path === 'ended') setImmediate(() => resolve(life));
      });
    });

    const [file] = await readdir(join(folder, 'journal'));
    const lines = (await readFile(join(folder, 'journal', file!), 'utf8'))
      .split('\n')
      .filter((line) => line !== '');
    const records = lines.flatMap((line) => {
      const [, , number, json] = /^(\S+) (\d+) \d+ (\{.*\})$/.exec(line) ?? [];
      return json === undefined ? [] : [{ number: Number(number), event: JSON.parse(json) as RunEvent }];
    });
    const [first] = records;
    expect(records.map(({ number }) => number)).toEqual(records.map((_, i) => (first?.number ?? 0) + i));
    const events = records.flatMap(({ event }) => ('runId' in event && event.runId === 'r' ? [event] : []));
    expect(events.map(({ seq, type }) => `${String(seq)} ${type}`)).toEqual([
      '1 run.started',
      '2 step.started',
      '3 step.completed',
      '4 step.started',
      '5 step.completed',
      '6 step.started',
    ]);
    subscription.unsubscribe();
    await store.close();
  });
});
