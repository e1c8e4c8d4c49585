import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom } from 'rxjs';

import {
  agent,
  chain,
  each,
  execute,
  lowdbStore,
  memoryStore,
  resume,
  StorageError,
  workflow,
} from '../../index';
import type { RunEvent, Store, Wire } from '../../index';
import { throughJson } from '../../testing/contract/life';
import { crashPoints, recordingStore, RunNotRecordedError, storeContract } from '../../testing/index';

let calls: string[] = [];
const plus = agent('plus', (n: number, { path }) => {
  calls.push(path);
  return n + 1;
});
const spread = agent('spread', (n: number) => [n, n + 1, n + 2]);
const work = workflow('work', (n: Wire<number>, step) => {
  const one = step('one', plus, n);
  return { one, many: step('many', chain('inner', spread, each('all', plus)), one) };
});

describe('crashPoints()', () => {
  it('gives a point after each event of the run', async () => {
    const store = recordingStore(memoryStore());
    const double = agent('double', (n: number) => n * 2);
    await execute(chain('twice', double, double), 1, { store, runId: 'r' });

    const points = [...crashPoints(store, 'r')];
    expect(points.map(({ after, state, finished }) => [after.type, state.status, finished])).toEqual([
      ['run.started', 'RUNNING', []],
      ['step.started', 'RUNNING', []],
      ['step.completed', 'RUNNING', ['double']],
      ['step.started', 'RUNNING', ['double']],
      ['step.completed', 'RUNNING', ['double', 'double[1]']],
      ['run.completed', 'COMPLETED', ['double', 'double[1]']],
    ]);
  });

  it('gives stores from which the run goes on, and calls nothing again that had finished', async () => {
    const store = recordingStore(memoryStore());
    const whole = await execute(work, 1, { store, runId: 'r' });
    expect(whole.status).toBe('COMPLETED');

    for (const { finished, store: left } of crashPoints(store, 'r')) {
      calls = [];
      const { state } = await lastValueFrom(resume(work, 'r', { store: left }));
      expect(state.output).toEqual(whole.output);
      expect(calls.filter((path) => finished.includes(path))).toEqual([]);
    }
  });

  it('finds a workflow that does not survive a crash', async () => {
    let seen = 0; // Forgotten by no crash, and counted on by the second step.
    const counting = chain(
      'counting',
      agent('count', (n: number) => {
        seen += 1;
        return n;
      }),
      agent('use', (n: number) => n + seen),
    );
    const store = recordingStore(memoryStore());
    const whole = await execute(counting, 0, { store, runId: 'r' });
    const wrong: string[] = [];
    for (const { after, store: left } of crashPoints(store, 'r')) {
      seen = 0;
      const { state } = await lastValueFrom(resume(counting, 'r', { store: left }));
      if (state.output !== whole.output)
        wrong.push('path' in after ? `${after.type} ${after.path}` : after.type);
    }

    expect(wrong).toEqual(['step.completed count', 'step.started use']);
  });

  it('leaves the run in each store as a journal with these events would', async () => {
    const store = recordingStore(memoryStore());
    await execute(work, 1, { store, runId: 'r' });
    const events: RunEvent[] = [];
    for (const { after, store: left } of crashPoints(store, 'r')) {
      events.push(after);
      const replayed = memoryStore();
      const claim = await replayed.claim('r');
      for (const event of events) void claim.append(event);
      void claim.release(undefined);

      expect(throughJson(await left.loadRun('r'))).toEqual(throughJson(await replayed.loadRun('r')));
      expect((await left.listRuns()).map(({ runId }) => runId)).toEqual(['r']);
    }
  });

  it('goes over all lives of a run', async () => {
    let isDown = true;
    const flaky = agent('flaky', (n: number) => {
      if (isDown) throw new Error('down');
      return n;
    });
    const store = recordingStore(memoryStore());
    const both = chain('both', plus, flaky);
    await execute(both, 1, { store, runId: 'r' });
    isDown = false;
    await execute(both, 1, { store, runId: 'r' });
    const statuses = [...crashPoints(store, 'r')].map(
      ({ state: { status, life } }) => `${status} ${String(life)}`,
    );

    expect([...new Set(statuses)]).toEqual(['RUNNING 1', 'FAILED 1', 'RUNNING 2', 'COMPLETED 2']);
  });

  it('begins a run that was there before with how it stood', async () => {
    const inner = memoryStore();
    let isDown = true;
    const flaky = agent('flaky', (n: number) => {
      if (isDown) throw new Error('down');
      return n;
    });
    const both = chain('both', plus, flaky);
    await execute(both, 1, { store: inner, runId: 'r' });
    isDown = false;
    const store = recordingStore(inner);
    await execute(both, 1, { store, runId: 'r' });
    const [first] = crashPoints(store, 'r');

    expect(first).toMatchObject({ after: { type: 'run.resumed' }, finished: ['plus'] });
    calls = [];
    const { state } = await lastValueFrom(resume(both, 'r', { store: first!.store }));
    expect([state.output, calls]).toEqual([2, []]);
  });

  it('gives new stores each time it is iterated, one a point', async () => {
    const store = recordingStore(memoryStore());
    await execute(plus, 1, { store, runId: 'r' });
    const points = crashPoints(store, 'r');
    const [first] = points;
    const [again] = points;

    expect(first!.store).toBe(first!.store);
    expect(first!.store).not.toBe(again!.store);
  });

  it('names a run whose events it does not have', async () => {
    const inner = memoryStore();
    await execute(plus, 1, { store: inner, runId: 'before' });
    const store = recordingStore(inner);

    expect(() => crashPoints(store, 'nobody')).toThrow(RunNotRecordedError);
    expect(() => crashPoints(store, 'before')).toThrow('run it with recordingStore(store) first');
    // @ts-expect-error -- Where the compiler is not asked, the error says the same.
    expect(() => crashPoints(inner, 'before')).toThrow(RunNotRecordedError);
  });

  it('takes a run from a folder too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    const store = recordingStore(lowdbStore(folder, { durability: 'process' }));
    const whole = await execute(work, 1, { store, runId: 'r' });
    await store.close();
    let points = 0;
    for (const { store: left } of crashPoints(store, 'r')) {
      points += 1;
      const { state } = await lastValueFrom(resume(work, 'r', { store: left }));
      expect(state.output).toEqual(whole.output);
    }

    expect(points).toBe(whole.seq);
    rmSync(folder, { recursive: true });
  });
});

describe('recordingStore()', () => {
  for (const { name, check } of storeContract({ open: () => recordingStore(memoryStore()) })) it(name, check);

  it('forgets the events of a run that is deleted or pruned', async () => {
    const store = recordingStore(memoryStore());
    await execute(plus, 1, { store, runId: 'a' });
    await execute(plus, 1, { store, runId: 'b' });
    expect(store.recorded('a')?.events).toHaveLength(4);
    await store.deleteRun('a');
    await store.prune({});

    expect([store.recorded('a'), store.recorded('b')]).toEqual([undefined, undefined]);
  });

  it.each(['at once', 'later'])('does not record what the store refuses %s', async (when) => {
    const inner = memoryStore();
    const failing: Store = {
      ...inner,
      claim: async (runId) => {
        const claim = await inner.claim(runId);
        return {
          ...claim,
          append(event) {
            if (event.type !== 'step.completed') return claim.append(event);
            const error = new StorageError('write to', 'x', 'full');
            if (when === 'at once') throw error;
            return Promise.reject(error);
          },
        };
      },
    };
    const store = recordingStore(failing);
    await expect(execute(plus, 1, { store, runId: 'r' })).rejects.toThrow(StorageError);

    expect(store.recorded('r')?.events.map(({ type }) => type)).not.toContain('step.completed');
  });
});
