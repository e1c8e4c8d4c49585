import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { lastValueFrom, map } from 'rxjs';

import type { Store, Wire } from '../../../index';
import { agent, cancel, execute, lowdbStore, resume, serve, signal, waitFor, workflow } from '../../../index';
import { answerOf } from '../../../lib/store/signalAnswer';
import type { KeptSignal } from '../../../lib/store/signalRest';
import { everyNth } from '../../support/torture';
import { until } from '../../support/until';
import { Ended, storeOn } from './support/crash';
import { errno, MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

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

  describe('that a run has taken, when the process dies before the answer is removed that was made of one', () => {
    const twice = workflow('twice', (input: Wire<number>, step) => {
      const first = step('first', tick, input);
      return step('second', tick, first);
    });

    /** The first question is answered, and the message of it is there again. */
    async function killed(): Promise<void> {
      await execute(twice, 0, { store, runId: 'r' });
      await signal('tick', 1, { store });
      const [kept] = await store.signals.list();
      const { incarnation, steps } = (await store.loadRun('r')) ?? {};
      const claim = await store.claim('other');
      claim.signals?.hear('tick', () => undefined);
      const asking = steps?.get('first')?.asking;
      const message = kept && answerOf(kept, { path: 'first', asking, incarnation });
      expect(kept && message && (await claim.signals?.give(kept, 'r', message))).toBe(true);
      await claim.release(undefined);
      const [name = ''] = readdirSync(join(folder, 'inbox'));
      copyFileSync(join(folder, 'inbox', name), join(folder, 'before'));
      expect((await resumed()).status).toBe('SUSPENDED');
      expect((await store.loadRun('r'))?.steps.get('first')).toMatchObject({
        output: 1,
        signalIds: [kept?.signalId],
      });
      await store.close();
      copyFileSync(join(folder, 'before'), join(folder, 'inbox', name));
      store = lowdbStore(folder, { durability: 'process' });
    }

    async function resumed() {
      return (await lastValueFrom(resume(twice, 'r', { store }))).state;
    }

    async function isGone(): Promise<void> {
      await until(() => readdirSync(join(folder, 'inbox')).length === 0);
      expect(await store.signals.list()).toEqual([]);
      expect((await execute(tick, 0, { store, runId: 'other' })).status).toBe('SUSPENDED');
    }

    it('are not taken once more by the same run', async () => {
      await killed();
      expect((await resumed()).status).toBe('SUSPENDED');
      await isGone();
      await signal('tick', 2, { store });
      expect((await resumed()).output).toBe(2);
    });

    it.each<readonly [string, () => Promise<unknown>]>([
      ['deleted', () => store.deleteRun('r')],
      ['pruned', () => store.prune({})],
      ['cancelled', () => cancel('r', { store }).then(resumed)],
      [
        'resumed with a definition that has no such step',
        async () => {
          expect((await changed()).state.status).toBe('SUSPENDED');
        },
      ],
    ])('do not come back when the run is %s', async (how, end) => {
      await killed();
      if (how === 'pruned') {
        const claim = await store.claim('r');
        const { seq = 0, life = 0 } = claim.state ?? {};
        const at = Date.now();
        await claim.append({ type: 'run.resumed', runId: 'r', seq: seq + 1, at, life: life + 1, reused: 1 });
        await claim.append({ type: 'run.cancelled', runId: 'r', seq: seq + 2, at, duration: 0 });
        await claim.release(undefined);
      }
      await end();
      await isGone();
    });

    it('are gone before the run loses the row that tells of them', async () => {
      await killed();
      const other = workflow('twice', (input: Wire<number>, step) => step('third', tick, input));
      const left: number[] = [];
      const transitions = resume(other, 'r', { store, onMismatch: 'actual' });
      await lastValueFrom(
        transitions.pipe(
          map(({ event }) => {
            if (event.type === 'run.resumed') left.push(readdirSync(join(folder, 'inbox')).length);
          }),
        ),
      );
      expect(left).toEqual([0]);
    });

    it('do not come back when the run had completed', async () => {
      await killed();
      const [name = ''] = readdirSync(join(folder, 'inbox'));
      await signal('tick', 2, { store });
      await resumed();
      await store.close();
      copyFileSync(join(folder, 'before'), join(folder, 'inbox', name));
      store = lowdbStore(folder, { durability: 'process' });
      await (await store.claim('opens the folder')).release(undefined);
      await isGone();
    });

    const changed = () => {
      const other = workflow('twice', (input: Wire<number>, step) => step('third', tick, input));
      return lastValueFrom(resume(other, 'r', { store, onMismatch: 'actual' }));
    };
  });

  it('are heard by the run that has got one when its file is gone, and not before', async () => {
    await execute(tick, 0, { store, runId: 'r' });
    const kept = await store.signals.add({ name: 'tick', value: 1, at: Date.now() });
    const heard: string[][] = [];
    const claim = await store.claim('r');
    claim.signals?.hear('tick', () => undefined);
    claim.inbox(() => heard.push(readdirSync(join(folder, 'signals'))));
    const attendance = await store.attend({
      posted: () => heard.push(readdirSync(join(folder, 'signals'))),
      rested: () => undefined,
      queued: () => undefined,
      troubled: () => undefined,
      resume: () => Promise.reject(new Error('not asked for')),
    });
    const given = claim.signals?.give(
      kept,
      'r',
      answerOf(kept, { path: 'tick', asking: '', incarnation: undefined }),
    );
    while (heard.length === 0) {
      expect(
        [...attendance.messages('r')].length === 0 || readdirSync(join(folder, 'signals')).length === 0,
      ).toBe(true);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await given).toBe(true);
    expect(heard).toEqual([[]]);
    attendance.leave();
    await claim.release(undefined);
  });

  it('that a run under way has taken stay in its inbox when it is to be deleted', async () => {
    await execute(tick, 0, { store, runId: 'r' });
    const kept = await store.signals.add({ name: 'tick', value: 1, at: Date.now() });
    const claim = await store.claim('r');
    claim.signals?.hear('tick', () => undefined);
    expect(await claim.signals?.give(kept, 'r', await answerTo(store, 'r', kept))).toBe(true);
    const { seq = 0, life = 0 } = claim.state ?? {};
    const { signalId } = kept;
    const event = { runId: 'r', at: Date.now() };
    await claim.append({ ...event, type: 'run.resumed', seq: seq + 1, life: life + 1, reused: 0 });
    const answered = { type: 'step.answered', path: 'tick', by: 'answer', value: 1, signalId } as const;
    await claim.append({ ...event, ...answered, seq: seq + 2 });
    await expect(store.deleteRun('r')).rejects.toThrow('r');
    expect(readdirSync(join(folder, 'inbox'))).toHaveLength(1);
    await claim.release(undefined);
  });

  it('that cannot be looked at keep no other run from being pruned', async () => {
    const files = new MemoryFiles();
    const asked = storeOn(files);
    for (const runId of ['a', 'b']) {
      await execute(tick, 0, { store: asked, runId });
      const kept = await asked.signals.add({ name: 'tick', value: 1, at: Date.now() });
      const claim = await asked.claim(runId);
      claim.signals?.hear('tick', () => undefined);
      expect(await claim.signals?.give(kept, runId, await answerTo(asked, runId, kept))).toBe(true);
      const { seq = 0, life = 0 } = claim.state ?? {};
      const event = { runId, at: Date.now() };
      await claim.append({ ...event, type: 'run.resumed', seq: seq + 1, life: life + 1, reused: 0 });
      await claim.append({ ...event, type: 'run.cancelled', seq: seq + 2, duration: 0 });
      await claim.release(undefined);
    }
    files.fate = ({ name, path }) =>
      name === 'read' && path.includes('/inbox/a~') ? { error: errno('EIO', path) } : undefined;
    await expect(asked.prune({})).rejects.toThrow('EIO');
    expect((await asked.listRuns()).map(({ runId }) => runId)).toEqual(['a']);
    files.fate = () => undefined;
    expect(await asked.prune({})).toEqual(['a']);
    expect(await asked.signals.list()).toHaveLength(2);
    await asked.close();
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

  it('do not come back when the power is lost behind the life that has finished the handing over', async () => {
    const files = new MemoryFiles();
    let asked = storeOn(files);
    await execute(tick, 0, { store: asked, runId: 'r' });
    const kept = await asked.signals.add({ name: 'tick', value: 1, at: Date.now() });
    const [path = ''] = [...files.all().keys()].filter((name) => name.includes('/signals/'));
    const bytes = files.all().get(path);
    const claim = await asked.claim('other');
    claim.signals?.hear('tick', () => undefined);
    expect(await claim.signals?.give(kept, 'r', await answerTo(asked, 'r', kept))).toBe(true);
    await claim.release(undefined);
    await asked.close();
    files.put(path, bytes);

    asked = storeOn(files);
    expect((await lastValueFrom(resume(tick, 'r', { store: asked }))).state.output).toBe(1);
    await files.syncFolder('/state/inbox');
    asked = storeOn(files.afterPowerLoss('nothing survives'));
    expect((await asked.loadRun('r'))?.output).toBe(1);
    expect(await asked.signals.list()).toEqual([]);
  });

  it('are taken once from whatever call the process was killed or the power lost at', async () => {
    jest.spyOn(process, 'emitWarning').mockImplementation();
    const draw = random(7);
    for (let at = 1, isDone = false; !isDone; at += everyNth(9)) {
      const files = new MemoryFiles();
      const first = storeOn(files);
      for (const runId of ['a', 'b']) await execute(tick, 0, { store: first, runId });
      let isKept = false;
      let output: unknown;
      const begun = files.calls;
      files.fate = ({ number }) => (number < begun + at ? undefined : { error: new Ended() });
      try {
        await first.signals.add({ name: 'tick', value: 1, at: Date.now() });
        isKept = true;
        output = (await lastValueFrom(resume(tick, 'a', { store: first }))).state.output;
        isDone = files.calls < begun + at;
      } catch {
        expect(files.calls).toBeGreaterThanOrEqual(begun + at);
      }
      const left = [files.afterKill(), files.afterPowerLoss('nothing survives'), files.afterPowerLoss(draw)];
      files.fate = () => ({ error: new Ended() });
      await first.close().catch(() => undefined);
      for (const machine of left) {
        const then = storeOn(machine);
        const { state: a } = await lastValueFrom(resume(tick, 'a', { store: then }));
        const { state: b } = await lastValueFrom(resume(tick, 'b', { store: then }));
        const taken = [a, b].filter(({ status }) => status === 'COMPLETED').length;
        if (isKept) expect([at, taken]).toEqual([at, 1]);
        expect(taken).toBeLessThanOrEqual(1);
        if (output === 1) expect(a.output).toBe(1);
        expect(await then.signals.list()).toEqual([]);
        await then.close();
      }
    }
    jest.restoreAllMocks();
  });

  describe('that were put back', () => {
    /** Inboxes are synced when the test says so. */
    class SlowInbox extends MemoryFiles {
      isSlow = false;
      override async syncFolder(path: string): Promise<void> {
        if (path.endsWith('/inbox')) await until(() => !this.isSlow);
        await super.syncFolder(path);
      }
    }

    it('are heard by another step of the run that was given them before', async () => {
      const files = new SlowInbox();
      const slow = storeOn(files);
      let finish = (): void => undefined;
      const working = agent('busy', () => new Promise<void>((resolve) => (finish = resolve)));
      const brief = waitFor('tick', t.number, undefined, {
        timeoutMs: 50,
        onTimeout: agent('none', () => 0),
      });
      const twice = workflow('twice', (input: Wire<number>, step) => {
        const busy = step('busy', working, input);
        return { taken: step('second', tick, step('first', brief, input)), busy };
      });
      await slow.signals.add({ name: 'tick', value: 1, at: Date.now() });
      files.isSlow = true;
      const ended = execute(twice, 0, { store: slow, runId: 'r' });
      await until(async () => (await slow.loadRun('r'))?.steps.get('second')?.status === 'SUSPENDED');
      files.isSlow = false;
      await until(async () => (await slow.loadRun('r'))?.steps.get('second')?.status === 'COMPLETED');
      finish();
      expect((await ended).output).toEqual({ taken: 1 });
      await until(() => ![...files.all().keys()].some((path) => /inbox|signals/.test(path)));
      await slow.close();
    });

    it('are told once more to whoever serves the run, between two looks', async () => {
      await execute(tick, 0, { store, runId: 'r' });
      const kept = await store.signals.add({ name: 'tick', value: 1, at: Date.now() });
      const posted: string[] = [];
      const attendance = await store.attend({
        posted: (runId) => posted.push(runId),
        rested: () => undefined,
        queued: () => undefined,
        troubled: () => undefined,
        resume: () => Promise.reject(new Error('not asked for')),
      });
      attendance.signals.hear('tick', () => undefined);
      const message = answerOf(kept, { path: 'tick', asking: '', incarnation: undefined });
      for (const count of [1, 2]) {
        await until(() => attendance.signals.give(kept, 'r', message));
        await until(() => posted.length === count);
        const claim = await store.claim('r');
        claim.inbox(({ done }) => attendance.signals.putBack(kept, done))();
        await claim.release(undefined);
      }
      attendance.leave();
    });
  });

  describe('whose answer cannot be removed', () => {
    let files: MemoryFiles;
    beforeEach(() => {
      files = new MemoryFiles();
      jest.spyOn(process, 'emitWarning').mockImplementation();
    });
    afterEach(() => jest.restoreAllMocks());

    it('go to nobody else before it is gone, and say why they were not given', async () => {
      const asked = storeOn(files);
      for (const runId of ['a', 'b']) await execute(tick, 0, { store: asked, runId });
      const kept = await asked.signals.add({ name: 'tick', value: 1, at: Date.now() });
      const claim = await asked.claim('c');
      const { signals } = claim;
      signals?.hear('tick', () => undefined);
      const denied = new Set(['/signals/', '/inbox/']);
      files.fate = ({ name, path }) =>
        name === 'remove' && path.endsWith('.json') && [...denied].some((part) => path.includes(part))
          ? { error: errno('EACCES', path) }
          : undefined;
      await expect(signals?.give(kept, 'a', await answerTo(asked, 'a', kept))).rejects.toThrow('/signals/');
      denied.delete('/signals/');
      expect(await signals?.give(kept, 'b', await answerTo(asked, 'b', kept))).toBe(false);
      expect(await asked.signals.list()).toEqual([kept]);
      expect((await lastValueFrom(resume(tick, 'a', { store: asked }))).state.status).toBe('SUSPENDED');
      denied.clear();
      await until(async () => (await signals?.give(kept, 'b', await answerTo(asked, 'b', kept))) === true);
      expect((await lastValueFrom(resume(tick, 'b', { store: asked }))).state.output).toBe(1);
      await claim.release(undefined);
      await asked.close();
    });

    it('are handed over by whoever serves once that is possible, and it is told once that it is not', async () => {
      const asked = storeOn(files);
      await execute(tick, 0, { store: asked, runId: 'r' });
      const told: string[] = [];
      const serving = serve([tick], { store: asked }).subscribe(({ event }) => {
        if (event.type === 'step.logged') told.push(event.message);
      });
      let tries = 0;
      files.fate = ({ name, path }) => {
        if (!path.includes('/inbox') || !['write', 'makeFolder', 'remove'].includes(name)) return undefined;
        tries += 1;
        return { error: errno('EACCES', path) };
      };
      await signal('tick', 1, { store: asked });
      await until(() => told.length === 1);
      const before = tries;
      await until(() => tries > before);
      files.fate = () => undefined;

      await until(async () => (await asked.loadRun('r'))?.status === 'COMPLETED');
      expect(told).toHaveLength(1);
      expect(await asked.signals.list()).toEqual([]);
      serving.unsubscribe();
      await asked.close();
    });

    it('go to nobody else before it is gone when they were put back', async () => {
      const asked = storeOn(files);
      for (const runId of ['a', 'b']) await execute(tick, 0, { store: asked, runId });
      const kept = await asked.signals.add({ name: 'tick', value: 1, at: Date.now() });
      const claim = await asked.claim('a');
      const { signals } = claim;
      signals?.hear('tick', () => undefined);
      expect(await signals?.give(kept, 'a', await answerTo(asked, 'a', kept))).toBe(true);
      let isDenied = true;
      files.fate = ({ name, path }) =>
        isDenied && name === 'remove' && /inbox.*json$/.test(path)
          ? { error: errno('EACCES', path) }
          : undefined;
      claim.inbox(({ done }) => signals?.putBack(kept, done))();
      await until(async () => (await asked.signals.list()).length === 1);
      expect(await signals?.give(kept, 'b', await answerTo(asked, 'b', kept))).toBe(false);
      isDenied = false;
      await until(async () => (await signals?.give(kept, 'b', await answerTo(asked, 'b', kept))) === true);
      await claim.release(undefined);
      await asked.close();
    });

    it('go to nobody else before it is gone where messages stay until the run rests', async () => {
      const asked = storeOn(files, 'end');
      for (const runId of ['a', 'b']) await execute(tick, 0, { store: asked, runId });
      const kept = await asked.signals.add({ name: 'tick', value: 1, at: Date.now() });
      const claim = await asked.claim('a');
      const { signals } = claim;
      signals?.hear('tick', () => undefined);
      expect(await signals?.give(kept, 'a', await answerTo(asked, 'a', kept))).toBe(true);
      claim.inbox(({ done }) => signals?.putBack(kept, done))();
      await until(async () => (await asked.signals.list()).length === 1);
      expect(await signals?.give(kept, 'b', await answerTo(asked, 'b', kept))).toBe(false);
      const { seq = 0, life = 0 } = claim.state ?? {};
      const at = Date.now();
      await claim.append({ type: 'run.resumed', runId: 'a', seq: seq + 1, at, life: life + 1, reused: 1 });
      expect(await signals?.give(kept, 'b', await answerTo(asked, 'b', kept))).toBe(false);
      await claim.append({ type: 'run.cancelled', runId: 'a', seq: seq + 2, at, duration: 0 });
      await until(async () => (await signals?.give(kept, 'b', await answerTo(asked, 'b', kept))) === true);
      await claim.release(undefined);
      await asked.close();
    });
  });
});

async function answerTo(asked: Store, runId: string, kept: KeptSignal) {
  const { incarnation, steps } = (await asked.loadRun(runId)) ?? {};
  return answerOf(kept, { path: 'tick', asking: steps?.get('tick')?.asking, incarnation });
}
