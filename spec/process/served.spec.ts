import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import type { Store } from '../../index';
import { agent, answer, approval, cancel, chain, execute, fork, lowdbStore, submit } from '../../index';
import { random } from '../lib/store/support/random';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { quickest } from '../support/quickest';
import { SLACK } from '../support/slack';
import { amount, seedOr, tally } from '../support/torture';
import { until } from '../support/until';

const SERVED = join(__dirname, 'children/served.ts');
// As the child has them: what is asked for names them only.
const named = (name: string) => agent(name, (input: unknown) => input);
const steps = chain('steps', named('a'), named('b'), named('c'), named('d'));
const sign = chain('sign', approval('boss', t.boolean), named('sent'));

describe('a process that serves, and others', () => {
  let program: ChildProgram;
  let folder: string;
  let store: Store;
  const children = new Set<ChildProcess>();

  beforeAll(() => {
    program = childProgram(SERVED, { isWhole: true });
  });
  afterAll(() => {
    program.remove();
  });
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'millrace-served-')), 'state');
    store = lowdbStore(folder, { durability: 'process' });
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
    await store.close();
    rmSync(join(folder, '..'), { recursive: true, force: true });
  });

  /** Starts a child, and waits until it says something. */
  const start = (...args: readonly string[]) => {
    const child = program.start(folder, ...args);
    children.add(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = new Promise<number | string | null>((resolve) => {
      child.on('close', (code, signal) => {
        children.delete(child);
        resolve(signal ?? code);
      });
    });
    return {
      child,
      ended,
      output: () => output,
      says: (text: string) => until(() => output.includes(text), 60_000),
    };
  };
  const effects = (): string[] =>
    existsSync(`${folder}.effects`) ? readFileSync(`${folder}.effects`, 'utf8').split('\n').slice(0, -1) : [];
  const twice = (lines: readonly string[]) => lines.filter((line, i) => lines.indexOf(line) !== i);
  const completed = async () => (await store.listRuns({ status: 'COMPLETED' })).length;

  it('drains on SIGTERM: no step is called twice, no crash is counted, and every run completes at last', async () => {
    const restarts = amount(2, 20);
    const draw = random(seedOr(20_261_128));
    const runs = 50;
    let submitted = 0;
    for (let restart = 0; restart < restarts; restart += 1) {
      // Enough for the next life, so that it is always under load.
      while (submitted < runs || (await store.queue.size()) < 20) {
        await submit(steps, submitted, { store, runId: `r${String(submitted)}` });
        submitted += 1;
      }
      // They drain for as long as their steps take.
      const child = start('serve', '30000', '200');
      await child.says('begins');
      await pause(draw() * 600);
      child.child.kill('SIGTERM');
      expect([restart, await child.ended, child.output().includes('Error')]).toEqual([restart, 0, false]);
    }
    const last = start('serve', '2000', '1');
    await until(async () => (await completed()) === submitted, 300_000);
    last.child.kill('SIGTERM');
    expect(await last.ended).toBe(0);

    expect(twice(effects())).toEqual([]);
    expect(effects()).toHaveLength(submitted * 4);
    for (const { runId } of await store.listRuns()) {
      const state = await store.loadRun(runId);
      expect(state?.died).toBeUndefined();
      expect([...(state?.steps ?? [])].some(({ crashes }) => crashes !== undefined)).toBe(false);
    }
    tally('restarts by SIGTERM', restarts);
  }, 600_000);

  it('calls a step that takes longer than the drain again, with the same key, and counts no crash', async () => {
    await submit(steps, 1, { store, runId: 'r' });
    const first = start('serve', '50', '60000');
    await first.says('r a begins');
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    expect(await store.loadRun('r')).toMatchObject({ status: 'SUSPENDED', reason: 'drain' });

    const second = start('serve', '2000', '1');
    await until(async () => (await completed()) === 1, 60_000);
    second.child.kill('SIGTERM');
    await second.ended;

    expect(effects()).toHaveLength(5);
    expect(twice(effects())).toEqual([expect.stringMatching(/^r a /)]);
    expect((await store.loadRun('r'))?.steps.get('a')?.crashes).toBeUndefined();
  }, 240_000);

  it('does what another process asks for, and refuses what it cannot', async () => {
    const signed: string[] = [];
    for (const runId of ['signed-1', 'signed-2', 'signed-3', 'dropped', 'deleted'])
      await execute(sign, 'x', { store, runId });
    await store.close();
    const child = start('serve', '2000', '1');
    await child.says('serving');

    const soonMs = 1_000 * SLACK;
    const tookMs = await quickest(soonMs, async () => {
      const runId = `signed-${String(signed.length + 1)}`;
      expect(await answer(runId, 'boss', true, { store })).toMatchObject({ isServed: true });
      await until(async () => (await store.loadRun(runId))?.status === 'COMPLETED', 60_000);
      signed.push(runId);
    });
    expect(tookMs).toBeLessThan(soonMs);
    expect(await cancel('dropped', { store, reason: 'too dear' })).toEqual({ isServed: true });
    await until(async () => (await store.loadRun('dropped'))?.status === 'CANCELLED');
    expect((await store.loadRun('dropped'))?.reason).toBe('too dear');
    expect(await store.deleteRun('deleted')).toBe(true);
    await submit(agent('weak', String), 1, { store, runId: 'weak' });
    await until(async () => (await store.loadRun('weak'))?.status === 'FAILED');
    const id = await fork('weak', { store });
    await expect(lastValueFrom(store.request({ kind: 'resume', runId: id }))).resolves.toMatchObject({
      stage: 'done',
      run: { runId: id, status: 'FAILED' },
    });
    expect(effects().filter((line) => line.startsWith('weak'))).toEqual(['weak weak', `weak ${id}`]);
    await expect(lastValueFrom(store.request({ kind: 'resume', runId: 'deleted' }))).rejects.toMatchObject({
      code: 'UNKNOWN_RUN',
    });
    expect([...(await store.prune({}))].sort()).toEqual([id, 'dropped', ...signed, 'weak'].sort());

    child.child.kill('SIGTERM');
    expect(await child.ended).toBe(0);
  }, 240_000);

  it('is named when it has the folder and does not serve', async () => {
    const child = start('hold');
    await child.says('holding');
    const began = performance.now();

    await expect(fork('held', { store })).rejects.toMatchObject({
      code: 'STORE_NOT_SERVED',
      pid: child.child.pid,
    });
    await expect(lastValueFrom(store.request({ kind: 'resume', runId: 'held' }))).rejects.toMatchObject({
      pid: child.child.pid,
    });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(await submit(named('note'), 1, { store })).toMatchObject({ became: 'queued', isServed: false });
    child.child.kill('SIGKILL');
    await child.ended;
    // Nobody has it now: it is done here.
    expect(await fork('held', { store, runId: 'again' })).toBe('again');
  }, 240_000);

  it('begins what another process has queued in the order of its priority', async () => {
    const runs = amount(200, 100_000);
    const draw = random(seedOr(20_261_129));
    const priorities = Array.from({ length: runs }, () => Math.floor(draw() * 5));
    for (let i = 0; i < runs; i += 100)
      await Promise.all(
        priorities
          .slice(i, i + 100)
          .map((priority) => submit(named('note'), priority, { store, priority, maxBacklog: runs })),
      );
    expect(await store.queue.size()).toBe(runs);
    await expect(submit(named('note'), 0, { store, maxBacklog: runs })).rejects.toMatchObject({
      code: 'BACKLOG_FULL',
    });

    const child = start('queue');
    await until(() => effects().length === runs, 3_600_000);
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(child.child.pid)}/status`, 'utf8'));
    child.child.kill('SIGTERM');
    expect(await child.ended).toBe(0);

    expect(effects().map(Number)).toEqual([...priorities].sort((a, b) => b - a));
    expect(await store.queue.size()).toBe(0);
    // With what the list of 100,000 runs takes.
    if (process.platform === 'linux') expect(Number(peak?.[1]) / 1_024).toBeLessThan(700);
    tally('runs queued', runs);
  }, 3_600_000);

  it('runs each tick of a schedule once, however many processes would serve the folder', async () => {
    const first = start('tick');
    await first.says('serving');
    const second = start('tick');
    await second.says('STORE_LOCKED');
    await until(() => effects().length >= 2, 60_000);
    first.child.kill('SIGKILL');
    await first.ended;

    await second.says('serving');
    const before = effects().length;
    await until(() => effects().length >= before + 2, 60_000);
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);

    const all = effects().map((runId) => Date.parse(runId.slice(5)));
    const ticks = [...new Set(all)];
    // The step that was under way when its process was killed runs again, in the same run.
    expect(all.length - ticks.length).toBeLessThanOrEqual(1);
    expect(ticks).toEqual(Array.from(ticks, (_, i) => (ticks[0] ?? 0) + i * 1_000));
  }, 240_000);
});
