import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom } from 'rxjs';

import { agent, chain, execute, fork, lowdbStore, memoryStore, resume } from '../../index';
import { UnknownStepError } from '../../lib/errors/stepErrors';

let calls: string[] = [];
const called = (name: string, work: (n: number) => number) =>
  agent(name, (n: number) => {
    calls.push(name);
    return work(n);
  });
const plus = called('plus', (n) => n + 1);
const times = called('times', (n) => n * 10);
const minus = called('minus', (n) => n - 1);
const work = chain('work', plus, times, minus);

describe('S40 debugging with saved state', () => {
  beforeEach(() => {
    calls = [];
  });

  it('the file of a run can be read in an editor: one step a line, with what it gave', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    const store = lowdbStore(folder);
    await execute(work, 1, { store, runId: 'debug' });
    await store.close();
    expect(readdirSync(join(folder, 'runs'))).toEqual(['debug.json']);
    const lines = readFileSync(join(folder, 'runs', 'debug.json'), 'utf8').split('\n');

    expect(lines).toContain('"input": 1,');
    const steps = lines.filter((line) => line.startsWith('{"stepId"'));
    expect(
      steps.map((line) => {
        const { stepId, status, output } = JSON.parse(line.replace(/,$/, '')) as Record<string, unknown>;
        return [stepId, status, output];
      }),
    ).toEqual([
      ['plus', 'COMPLETED', 2],
      ['times', 'COMPLETED', 20],
      ['minus', 'COMPLETED', 19],
    ]);
    rmSync(folder, { recursive: true });
  });

  it('fork() runs again from a step, in a new run; the old one stays as evidence', async () => {
    const store = memoryStore();
    await execute(work, 1, { store, runId: 'old' });
    const before = JSON.stringify(await store.loadRun('old'));
    calls = [];
    const id = await fork('old', { store, from: 'times' });
    const { state } = await lastValueFrom(resume(work, id, { store }));

    expect(calls).toEqual(['times', 'minus']);
    expect(state).toMatchObject({ output: 19, forkedFrom: { runId: 'old', path: 'times' } });
    expect(JSON.stringify(await store.loadRun('old'))).toBe(before);
  });

  it('fork() may be given another input, which only the steps that run again see', async () => {
    const store = memoryStore();
    await execute(work, 1, { store, runId: 'old' });
    calls = [];
    const id = await fork('old', { store, from: 'plus', input: 5 });
    const { state } = await lastValueFrom(resume(work, id, { store }));

    expect([calls, state.output]).toEqual([['plus', 'times', 'minus'], 59]);
    expect((await store.loadRun('old'))?.input).toBe(1);
  });

  it('fork() finds out where a run failed: what was before is not called again', async () => {
    const store = memoryStore();
    let isDown = true;
    const flaky = called('flaky', (n) => {
      if (isDown) throw new Error('down');
      return n;
    });
    const breaks = chain('breaks', plus, flaky, minus);
    const failed = await execute(breaks, 1, { store, runId: 'old' });
    isDown = false;
    calls = [];
    const id = await fork('old', { store, from: failed.error!.path! });
    const { state } = await lastValueFrom(resume(breaks, id, { store }));

    expect([state.output, calls]).toEqual([1, ['flaky', 'minus']]);
    expect((await store.loadRun('old'))?.status).toBe('FAILED');
  });

  it('fork() names a step that the run does not have', async () => {
    const store = memoryStore();
    await execute(work, 1, { store, runId: 'old' });

    await expect(fork('old', { store, from: 'divide' })).rejects.toThrow(UnknownStepError);
  });
});
