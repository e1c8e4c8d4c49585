import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import type { Store, Wire } from '../../../index';
import { cancel, execute, lowdbStore, resume, signal, waitFor, workflow } from '../../../index';
import { answerOf } from '../../../lib/store/signalAnswer';
import { until } from '../../support/until';

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
