import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import type { Subscription } from 'rxjs';
import { lastValueFrom, tap, toArray } from 'rxjs';

import {
  AgentNotServedError,
  RunActiveError,
  RunExistsError,
  type StoreLockedError,
  StoreNotServedError,
  UnknownRunError,
} from '../../errors';
import type { Agent, Store, Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  execute,
  fork,
  lowdbStore,
  memoryStore,
  serve,
  submit,
  workflow,
} from '../../index';
import { ownersOf } from '../lib/store/support/lockRace';
import { quickest } from '../support/quickest';
import { until } from '../support/until';

const sign = chain(
  'sign',
  approval('boss', t.boolean),
  agent('say', (yes: boolean) => String(yes)),
);

describe.each([
  ['memory', undefined],
  ['a folder, from another store', 'folder'],
])('what is asked of whoever serves a store in %s', (_place, kind) => {
  let folder: string;
  let owner: Store;
  /** That of whoever asks. */
  let other: Store;
  let serving: Subscription | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-requests-'));
    owner = kind === undefined ? memoryStore() : lowdbStore(folder);
    other = kind === undefined ? owner : lowdbStore(folder);
  });
  afterEach(async () => {
    serving?.unsubscribe();
    await owner.close();
    await other.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const serveAll = async (...agents: Agent<never, unknown>[]): Promise<void> => {
    serving = serve(agents, { store: owner }).subscribe();
    await until(() => other.isServed());
  };
  const request = (asked: Parameters<Store['request']>[0]) =>
    lastValueFrom(other.request(asked).pipe(toArray()));

  it('is done, and told as accepted and as done', async () => {
    await execute(sign, 'x', { store: owner, runId: 'r' });
    await serveAll(sign);

    expect(await request({ kind: 'delete', runId: 'r' })).toEqual([
      { stage: 'accepted' },
      { stage: 'done', gone: ['r'] },
    ]);
    expect(await owner.loadRun('r')).toBeUndefined();
    expect(await other.deleteRun('r')).toBe(false);
  });

  it('forks a run, and resumes the fork', async () => {
    let isDown = true;
    const calls: string[] = [];
    const weak = agent('weak', (x: string) => {
      calls.push('weak');
      if (isDown) throw new Error('down');
      return x;
    });
    const first = agent('first', (x: string) => {
      calls.push('first');
      return x;
    });
    const both = chain('both', first, weak);
    await execute(both, 'x', { store: owner, runId: 'r' });
    await serveAll(both);
    isDown = false;

    const id = await fork('r', { store: other });
    const progress = await request({ kind: 'resume', runId: id });

    expect(progress).toMatchObject([{ stage: 'accepted' }, { stage: 'done', run: { status: 'COMPLETED' } }]);
    expect(calls).toEqual(['first', 'weak', 'weak']);
    expect(await other.loadRun('r')).toMatchObject({ status: 'FAILED' });
  });

  it('prunes, and says what is gone', async () => {
    const one = agent('one', () => 1);
    for (const runId of ['a', 'b']) await execute(one, undefined, { store: owner, runId });
    await serveAll(one);

    expect([...(await other.prune({}))].sort()).toEqual(['a', 'b']);
    expect(await other.listRuns()).toEqual([]);
  });

  it('resumes a run that failed or was cancelled, and one that has completed is done', async () => {
    let isDown = true;
    const weak = agent('weak', () => {
      if (isDown) throw new Error('down');
      return 1;
    });
    await execute(weak, undefined, { store: owner, runId: 'r' });
    await serveAll(weak);

    expect(await request({ kind: 'resume', runId: 'r' })).toMatchObject([
      { stage: 'accepted' },
      { stage: 'done', run: { status: 'FAILED', life: 2 } },
    ]);
    isDown = false;
    await request({ kind: 'resume', runId: 'r' });
    expect(await request({ kind: 'resume', runId: 'r' })).toMatchObject([
      { stage: 'accepted' },
      { stage: 'done', run: { status: 'COMPLETED', life: 3 } },
    ]);
  });

  it('is refused with an error of the class that the owner would throw', async () => {
    let leave = (): void => undefined;
    const slow = agent('slow', () => new Promise<void>((resolve) => (leave = resolve)));
    const strange = agent('strange', () => 1);
    await execute(strange, undefined, { store: owner, runId: 'strange' });
    await serveAll(slow);
    const running = execute(slow, undefined, { store: owner, runId: 'slow' });
    await until(async () => (await other.loadRun('slow'))?.status === 'RUNNING');

    await expect(other.deleteRun('slow')).rejects.toThrow(RunActiveError);
    await expect(request({ kind: 'resume', runId: 'nobody' })).rejects.toThrow(UnknownRunError);
    await expect(fork('strange', { store: other, runId: 'slow' })).rejects.toThrow(RunExistsError);
    await expect(request({ kind: 'resume', runId: 'strange' })).resolves.toHaveLength(2);
    await execute(sign, 'x', { store: owner, runId: 'sign' });
    const refused = request({ kind: 'resume', runId: 'sign' });
    await expect(refused).rejects.toThrow(AgentNotServedError);
    await expect(refused).rejects.toMatchObject({ code: 'AGENT_NOT_SERVED', runId: 'sign', agent: 'sign' });
    await expect(other.prune({ keep: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    leave();
    await running;
  });

  it('tells how a run was left that had been asked for when whoever serves stops', async () => {
    let isDown = true;
    const slow = agent('slow', async () => {
      if (isDown) throw new Error('down');
      await new Promise(() => undefined);
    });
    await execute(slow, undefined, { store: owner, runId: 'r' });
    isDown = false;
    const stop = new AbortController();
    const stopped = new Promise<void>((resolve) => {
      serve([slow], { store: owner, signal: stop.signal }).subscribe({ complete: resolve });
    });
    await until(() => owner.isServed());

    const asked = request({ kind: 'resume', runId: 'r' });
    await until(async () => (await other.loadRun('r'))?.status === 'RUNNING');
    stop.abort();

    expect((await asked).at(-1)).toMatchObject({ run: { status: 'SUSPENDED', reason: 'drain' } });
    await stopped;
  });

  it('ends for a run that is deleted before its turn comes', async () => {
    let leave = (): void => undefined;
    const busy = agent('busy', () => new Promise<void>((resolve) => (leave = resolve)));
    for (const runId of ['r', 's']) await execute(sign, 'x', { store: owner, runId });
    serving = serve([busy, sign], { store: owner, concurrency: 1 }).subscribe();
    await until(() => other.isServed());
    await submit(busy, undefined, { store: other, runId: 'busy' });
    await until(async () => (await other.loadRun('busy'))?.status === 'RUNNING');
    const accepted: string[] = [];
    const resumed = ['r', 's'].map((runId) =>
      lastValueFrom(other.request({ kind: 'resume', runId }).pipe(tap(() => accepted.push(runId)))),
    );
    await until(() => accepted.length === 2);

    expect(await other.deleteRun('r')).toBe(true);
    expect((await other.prune({})).length).toBe(0);
    leave();

    await expect(resumed[0]).rejects.toThrow(UnknownRunError);
    expect(await resumed[1]).toMatchObject({ stage: 'done', run: { runId: 's', status: 'SUSPENDED' } });
  });

  it('ends, and is done, beside what only points to the run', async () => {
    const twice = chain('twice', approval('first', t.boolean), approval('second', t.boolean));
    await execute(twice, 'x', { store: owner, runId: 'r' });
    await serveAll(twice);

    for (let life = 2; life < 6; life += 1) {
      const early = other.post('r', { kind: 'answer', path: 'second', value: true });
      const [, done] = await request({ kind: 'resume', runId: 'r' });
      expect(done).toMatchObject({ stage: 'done', run: { status: 'SUSPENDED', life } });
      await early;
    }
  });

  it('ends when whoever serves stops before the turn of the run comes', async () => {
    const busy = agent('busy', () => new Promise<void>(() => undefined));
    await execute(sign, 'x', { store: owner, runId: 'r' });
    serving = serve([busy, sign], { store: owner, concurrency: 1 }).subscribe();
    await until(() => other.isServed());
    await submit(busy, undefined, { store: other, runId: 'busy' });
    await until(async () => (await other.loadRun('busy'))?.status === 'RUNNING');
    let isAccepted = false;
    const resumed = lastValueFrom(
      other.request({ kind: 'resume', runId: 'r' }).pipe(tap(() => (isAccepted = true))),
    );
    await until(() => isAccepted);

    serving.unsubscribe();

    await expect(resumed).rejects.toThrow(StoreNotServedError);
  });

  it('does not say that somebody goes on with a run that failed, was cancelled or is a fork', async () => {
    const ask = approval('ask', t.boolean);
    const weak = agent('weak', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error('down');
    });
    const both = workflow('both', (input: Wire<string>, step) => ({
      ask: step('ask', ask, input),
      weak: step('weak', weak, input),
    }));
    await execute(both, 'x', { store: owner, runId: 'failed' });
    await execute(sign, 'x', { store: owner, runId: 'r' });
    await serveAll(both, sign);
    const kept = { became: 'kept', isServed: false };

    expect(await answer('failed', 'ask', true, { store: other })).toMatchObject(kept);
    const forked = await fork('r', { store: other });
    expect(await answer(forked, 'boss', true, { store: other })).toMatchObject(kept);
    expect(await request({ kind: 'resume', runId: forked })).toMatchObject([
      { stage: 'accepted' },
      { stage: 'done', run: { status: 'COMPLETED' } },
    ]);
    expect(await answer('r', 'boss', true, { store: other })).toMatchObject({ isServed: true });
  });

  it('keeps of a reason to cancel what can be read', async () => {
    await execute(sign, 'x', { store: owner, runId: 'r' });
    const { reason } = (await other.post('r', { kind: 'cancel', reason: 'x'.repeat(1_000_000) })) as {
      readonly reason?: string;
    };
    expect(reason).toBe(`${'x'.repeat(2_000)}…`);
  });

  it('tells whoever answers or cancels whether somebody serves', async () => {
    await execute(sign, 'x', { store: owner, runId: 'r' });
    await execute(sign, 'x', { store: owner, runId: 's' });
    expect(await answer('r', 'boss', true, { store: other })).toMatchObject({
      became: 'kept',
      isServed: false,
    });
    await serveAll(sign);

    expect(await cancel('s', { store: other, reason: 'no need' })).toEqual({ isServed: true });
    await until(async () => (await other.loadRun('s'))?.status === 'CANCELLED');
    expect((await other.loadRun('s'))?.reason).toBe('no need');
    await until(async () => (await other.loadRun('r'))?.status === 'COMPLETED');
  });
});

describe('what is asked of a folder that nobody serves', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-requests-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('is refused within five seconds, by the name of who has it, and is not done later', async () => {
    const owner = lowdbStore(folder);
    const other = lowdbStore(folder);
    await execute(sign, 'x', { store: owner, runId: 'r' });
    const refused = async (): Promise<void> => {
      const asked = other.deleteRun('r');
      await expect(asked).rejects.toThrow(StoreNotServedError);
      await expect(asked).rejects.toMatchObject({ code: 'STORE_NOT_SERVED', pid: process.pid });
    };

    expect(await quickest(5_000, refused)).toBeLessThan(5_000);
    const serving = serve([sign], { store: owner }).subscribe();
    await until(() => owner.isServed());
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(await owner.loadRun('r')).toBeDefined();
    serving.unsubscribe();
    await owner.close();
  });

  it('is done at once where nobody has it, except what only whoever serves can do', async () => {
    const owner = lowdbStore(folder);
    await execute(sign, 'x', { store: owner, runId: 'r' });
    await owner.close();
    const store = lowdbStore(folder);

    await expect(lastValueFrom(store.request({ kind: 'resume', runId: 'r' }))).rejects.toThrow(
      StoreNotServedError,
    );
    const id = await fork('r', { store });
    expect(await store.deleteRun('r')).toBe(true);
    expect((await store.listRuns()).map(({ runId }) => runId)).toEqual([id]);
    await store.close();
  });

  it('is done by whoever asks when the owner leaves meanwhile', async () => {
    const owner = lowdbStore(folder);
    const other = lowdbStore(folder);
    await execute(sign, 'x', { store: owner, runId: 'r' });

    const asked = other.deleteRun('r');
    await until(
      () => existsSync(join(folder, 'requests')) && readdirSync(join(folder, 'requests')).length > 0,
    );
    await owner.close();

    expect(await asked).toBe(true);
    await other.close();
    expect(readdirSync(join(folder, 'requests'))).toEqual([]);
  });

  it('is taken back by whoever leaves before it is accepted', async () => {
    const owner = lowdbStore(folder);
    const other = lowdbStore(folder);
    await execute(sign, 'x', { store: owner, runId: 'r' });
    const asking = other.request({ kind: 'delete', runId: 'r' }).subscribe({ error: () => undefined });
    await until(
      () =>
        existsSync(join(folder, 'requests')) &&
        readdirSync(join(folder, 'requests')).some((name) => name.endsWith('.ask.json')),
    );

    asking.unsubscribe();

    await until(() => readdirSync(join(folder, 'requests')).length === 0);
    expect(await owner.loadRun('r')).toBeDefined();
    await owner.close();
    await other.close();
  });

  it('is what a run that a process which serves keeps out is told to ask for; of any other, to wait', async () => {
    const owner = lowdbStore(folder, { owners: ownersOf(7, () => false) });
    const other = lowdbStore(folder, { owners: ownersOf(8, () => false) });
    await execute(sign, 'x', { store: owner, runId: 'r' });
    const refused = async (): Promise<string> =>
      execute(sign, 'y', { store: other, runId: 's' }).then(
        () => '',
        (error: unknown) => (error as StoreLockedError).next,
      );
    expect(await refused()).toMatch(/^wait for its end, or call close\(\) there; only if /);

    const serving = serve([sign], { store: owner }).subscribe();
    await until(() => other.isServed());
    const next = await refused();
    await submit(sign, 'y', { store: other, runId: 's' });
    await until(async () => (await other.loadRun('s'))?.status === 'SUSPENDED');
    serving.unsubscribe();
    await owner.close();
    await other.close();

    expect(next).toMatch(
      /^that process serves the store: submit\(\) hands it a new run, .*; or wait for its end/,
    );
  });
});
