import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { agent, chain, execute, lowdbStore, memoryStore, run, workflow } from '../../index';
import type { Agent, Store, Wire } from '../../index';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

describe('S22 resume', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'millrace-'))));
  afterEach(async () => rm(folder, { recursive: true }));

  const calls: Record<string, number> = {};
  let breaksAt = '';
  const link = (name: string): Agent<number, number> =>
    agent(name, (x: number) => {
      calls[name] = (calls[name] ?? 0) + 1;
      if (name === breaksAt) throw new Error(`${name} broke`);
      return x * 3 + 1;
    });
  const links = Array.from({ length: 6 }, (_, index) => link(`s${String(index)}`));
  const work = chain('work', ...links);

  const stores: [string, () => Store][] = [
    ['memory', memoryStore],
    ['disk', () => lowdbStore(folder)],
  ];
  describe.each(stores)('from %s', (_where, open) => {
    it.each([0, 1, 2, 3, 4, 5])('after step %i of 6: what has finished is not called again', async (k) => {
      for (const name of Object.keys(calls)) calls[name] = 0;
      const whole = await execute(work, 1);
      for (const name of Object.keys(calls)) calls[name] = 0;
      const store = open();
      breaksAt = `s${String(k)}`;
      expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('FAILED');
      breaksAt = '';
      const resumed = await execute(work, 1, { store, runId: 'r' });

      expect(resumed).toMatchObject({ status: 'COMPLETED', output: whole.output, life: 2 });
      expect(links.map(({ name }) => calls[name])).toEqual(links.map((_, index) => (index === k ? 2 : 1)));
      await store.close();
    });
  });

  it('resumes parallel branches independently', async () => {
    const store = memoryStore();
    const done: string[] = [];
    let isDown = true;
    const branch = (name: string, fails: boolean) =>
      agent(name, (x: number) => {
        if (fails && isDown) throw new Error('down');
        done.push(name);
        return x;
      });
    const w = workflow('w', (input: Wire<number>, step) => {
      const left = step('left2', branch('left2', false), step('left1', branch('left1', false), input));
      const right = step('right2', branch('right2', true), step('right1', branch('right1', false), input));
      return { left, right };
    });
    await execute(w, 1, { store, runId: 'r' });
    isDown = false;
    expect((await execute(w, 1, { store, runId: 'r' })).output).toEqual({ left: 1, right: 1 });
    expect(done.sort()).toEqual(['left1', 'left2', 'right1', 'right2']);
  });

  it('goes on from a folder in another store object, as another process would', async () => {
    breaksAt = 's3';
    const before = lowdbStore(folder);
    await execute(work, 1, { store: before, runId: 'r' });
    await before.close();
    breaksAt = '';
    const after = lowdbStore(folder);
    const types: string[] = [];
    await new Promise<void>((resolve) => {
      run(work, 1, { store: after, runId: 'r' }).subscribe({
        next: ({ event }) => types.push(event.type),
        complete: resolve,
      });
    });
    expect(types[0]).toBe('run.resumed');
    expect(types.filter((type) => type === 'step.started')).toHaveLength(3);
    await after.close();
  });

  describe('in another process', () => {
    let program: ChildProgram;
    beforeAll(() => {
      program = childProgram(join(__dirname, 'children/resume.ts'), { isWhole: true });
    });
    afterAll(() => {
      program.remove();
    });

    it.each([
      ['has died', 'exit', 's0', 2],
      ['has died', 'exit', 's3', 2],
      ['has died', 'exit', 's5', 2],
      ['has ended with a failed run', 'fail', 's3', 2],
    ])('goes on where one %s (%s in %s)', async (_what, how, path, life) => {
      const whole = await execute(work, 1);
      const first = await program.run(folder, how, path);
      expect([first.code, first.stderr]).toEqual([how === 'exit' ? 9 : 0, '']);
      const second = await program.run(folder);

      expect(second.stderr).toBe('');
      expect(JSON.parse(second.stdout)).toEqual({ status: 'COMPLETED', output: whole.output, life });
      const called = (await readFile(join(folder, 'calls'), 'utf8')).trim().split(' ');
      // Only the step in which it stopped was called twice.
      const expected = links.map(({ name }) => name);
      expected.splice(expected.indexOf(path), 0, path);
      expect(called).toEqual(expected);
    });
  });
});
