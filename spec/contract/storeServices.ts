import { StateValueError } from '../../lib/codec/stateValueError';
import { executionHistory } from '../../lib/history/executionHistory';
import { LogCompletedError } from '../../lib/history/logCompletedError';
import { UnknownLogError } from '../../lib/history/unknownLogError';
import type { RunState } from '../../lib/model/state';
import { resumable } from '../../lib/store/resumable';
import { RunExistsError } from '../../lib/store/runExistsError';
import type { ReceivedMessage, Store } from '../../lib/store/store';
import { UnknownSnapshotError } from '../../lib/store/unknownSnapshotError';
import { append, folded, life, throughJson } from '../lib/store/support/life';

/** What every store offers besides resting runs; `open` gives an empty one. */
export function storeServicesContract(open: (clock: { now(): number }) => Store): void {
  let store: Store;
  let now: number;
  beforeEach(() => {
    now = Date.UTC(2026, 10, 22);
    store = open({ now: () => now });
  });
  afterEach(() => store.close());

  const rest = async (runId: string, events = life(runId, 2)): Promise<RunState> => {
    const claim = await store.claim(runId);
    await append(claim, events);
    await claim.release(undefined);
    return (await store.loadRun(runId))!;
  };

  describe('snapshots (S13, S14)', () => {
    it('gives back what was saved', async () => {
      const state = await rest('book');
      const saved = await store.snapshots.save('checkpoint_2', state, { by: 'test' });

      const loaded = await store.snapshots.load(saved.snapshotId);
      expect(loaded).toMatchObject({
        name: 'checkpoint_2',
        timestamp: '2026-11-22T00:00:00.000Z',
        metadata: { by: 'test' },
      });
      expect(Object.keys(loaded).sort()).toEqual(
        ['executionState', 'metadata', 'name', 'snapshotId', 'timestamp'].sort(),
      );
      expect(throughJson(loaded.executionState)).toEqual(throughJson(state));
      expect(loaded.executionState.steps.get('s1')?.output).toEqual({ step: 1 });
    });

    it('lists newest first, without bodies', async () => {
      const state = await rest('book');
      const names = ['a', 'b', 'c'];
      const saved = [];
      for (const name of names)
        saved.push(await store.snapshots.save(name, state, { long: 'x'.repeat(name === 'b' ? 9000 : 1) }));

      const list = await store.snapshots.list();
      expect(list.map(({ name }) => name)).toEqual(['c', 'b', 'a']);
      expect(list[0]).toEqual({
        snapshotId: saved[2]!.snapshotId,
        name: 'c',
        timestamp: '2026-11-22T00:00:00.000Z',
        runId: 'book',
        metadata: { long: 'x' },
      });
    });

    it('keeps all of many saved at once', async () => {
      const state = await rest('book');
      await Promise.all(Array.from({ length: 20 }, (_, i) => store.snapshots.save(`n${i}`, state)));

      expect(new Set((await store.snapshots.list()).map(({ name }) => name)).size).toBe(20);
    });

    it('captures the state when it is called', async () => {
      const state = await rest('book');
      const output = state.steps.get('s0')!.output as Record<string, unknown>;
      const saving = store.snapshots.save('early', state);
      output['step'] = 'changed';

      const { snapshotId } = await saving;
      expect((await store.snapshots.load(snapshotId)).executionState.steps.get('s0')?.output).toEqual({
        step: 0,
      });
    });

    it('says whether there was one to delete, and names an unknown one', async () => {
      const { snapshotId } = await store.snapshots.save('a', await rest('book'));

      expect(await store.snapshots.delete(snapshotId)).toBe(true);
      expect(await store.snapshots.delete(snapshotId)).toBe(false);
      await expect(store.snapshots.load(snapshotId)).rejects.toThrow(UnknownSnapshotError);
      await expect(store.snapshots.load('../x')).rejects.toThrow(UnknownSnapshotError);
      expect(await store.snapshots.list()).toEqual([]);
    });

    it('refuses metadata that JSON cannot keep', async () => {
      const state = await rest('book');

      await expect(async () => store.snapshots.save('a', state, { when: new Date() })).rejects.toThrow(
        StateValueError,
      );
    });
  });

  describe('importRun()', () => {
    it('puts in a run that can be claimed and resumed', async () => {
      const state = await rest('book', life('book', 2).slice(0, 4));
      await store.importRun({ ...state, runId: 'fork', forkedFrom: { runId: 'book', path: 's1' } });

      const claim = await store.claim('fork');
      expect(claim.state).toMatchObject({ runId: 'fork', forkedFrom: { runId: 'book', path: 's1' } });
      await append(claim, [
        { type: 'run.cancelled', runId: 'fork', seq: state.seq + 1, at: now, duration: 0 },
      ]);
      await claim.release(undefined);
      expect((await store.loadRun('fork'))?.status).toBe('CANCELLED');
      expect((await store.loadRun('book'))?.status).toBe('RUNNING');
    });

    it('refuses an id that is taken', async () => {
      const state = await rest('book');

      await expect(store.importRun(state)).rejects.toThrow(RunExistsError);
    });
  });

  describe('prune()', () => {
    it('forgets the runs that ended long ago, except the newest', async () => {
      for (const [i, runId] of ['a', 'b', 'c', 'd'].entries()) {
        await rest(
          runId,
          life(runId, 1).map((event) => ({ ...event, at: event.at + i * 1000 })),
        );
      }
      now += 60_000;

      expect(await store.prune({ keep: 2, olderThanMs: 30_000 })).toEqual(['b', 'a']);
      expect((await store.listRuns()).map(({ runId }) => runId)).toEqual(['d', 'c']);
      expect(await store.prune({ keep: 0, olderThanMs: 3_600_000 })).toEqual([]);
      expect(await store.loadRun('a')).toBeUndefined();
    });

    it('leaves runs that go on, wait, or were left behind', async () => {
      await rest('crashed', life('crashed', 1).slice(0, 2));
      const claim = await store.claim('active');
      await append(claim, life('active', 1).slice(0, 2));

      expect(await store.prune({})).toEqual([]);
      expect(await store.listRuns()).toHaveLength(2);
    });
  });

  describe('resumable()', () => {
    it('finds what a crash left behind, and not what is under way or done', async () => {
      await rest('done');
      await rest('crashed', life('crashed', 2).slice(0, 3));
      await append(await store.claim('active'), life('active', 2).slice(0, 3));

      expect((await resumable(store)).map(({ runId, status }) => [runId, status])).toEqual([
        ['crashed', 'RUNNING'],
      ]);
    });
  });

  describe('inbox', () => {
    const hear = (received: ReceivedMessage[]) => (message: ReceivedMessage) => {
      received.push(message);
    };

    it('hands over what waits at once, in order, until it is done with', async () => {
      await rest('book');
      await store.post('book', { kind: 'answer', path: 'ask', value: { yes: true } });
      await store.post('book', { kind: 'cancel', reason: 'late' });
      await store.post('other', { kind: 'cancel' });
      for (const round of [1, 2]) {
        const received: ReceivedMessage[] = [];
        const claim = await store.claim('book');
        claim.inbox(hear(received))();

        expect(received).toEqual([
          expect.objectContaining({ kind: 'answer', path: 'ask', value: { yes: true } }),
          expect.objectContaining({ kind: 'cancel', reason: 'late' }),
        ]);
        if (round === 2) for (const message of received) message.done();
        await claim.release(undefined);
      }
      const left: ReceivedMessage[] = [];
      (await store.claim('book')).inbox(hear(left))();
      expect(left).toEqual([]);
    });

    it('tells a message that comes later, until it is left', async () => {
      await rest('book');
      const received: ReceivedMessage[] = [];
      const leave = (await store.claim('book')).inbox(hear(received));
      await store.post('book', { kind: 'cancel' });
      expect(received).toHaveLength(1);

      leave();
      await store.post('book', { kind: 'cancel' });
      expect(received).toHaveLength(1);
    });
  });

  describe('logs (S19, S20)', () => {
    it('keeps an execution log by hand', async () => {
      const history = executionHistory(store.logs, { now: () => now });
      const { logId } = await history.createLog('text processing');
      expect(await history.getLog(logId)).toEqual({
        logId,
        workflowName: 'text processing',
        startTime: '2026-11-22T00:00:00.000Z',
        endTime: null,
        status: 'running',
        steps: [],
      });
      await Promise.all([1, 2, 3].map((i) => history.addStepResult(logId, `step${i}`, 'completed', i / 10)));
      now += 2500;
      await history.completeLog(logId, 'completed');

      const log = await executionHistory(store.logs).getLog(logId);
      expect(log.steps.map(({ stepName, status, duration }) => [stepName, status, duration])).toEqual([
        ['step1', 'completed', 0.1],
        ['step2', 'completed', 0.2],
        ['step3', 'completed', 0.3],
      ]);
      expect(log).toMatchObject({ status: 'completed', endTime: '2026-11-22T00:00:02.500Z' });
      expect(await history.listLogs()).toEqual([expect.objectContaining({ logId, stepCount: 3 })]);
    });

    it('names an unknown log, and refuses to complete one twice', async () => {
      const history = executionHistory(store.logs, { now: () => now });
      const { logId } = await history.createLog('w', 'my/log');
      await history.completeLog(logId, 'failed');

      await expect(history.completeLog(logId, 'completed')).rejects.toThrow(LogCompletedError);
      await expect(history.addStepResult(logId, 's', 'completed', 0)).rejects.toThrow(LogCompletedError);
      await expect(history.getLog('nobody')).rejects.toThrow(UnknownLogError);
      await expect(history.completeLog('nobody', 'x')).rejects.toThrow(UnknownLogError);
      expect((await history.getLog(logId)).status).toBe('failed');
    });

    it('lists newest first, filtered', async () => {
      const history = executionHistory(store.logs, { now: () => now });
      for (const [i, name] of ['a', 'b', 'a'].entries()) {
        now += 1000;
        await history.createLog(name, `log${i}`);
      }
      await history.completeLog('log2', 'failed');

      expect((await history.listLogs()).map(({ logId }) => logId)).toEqual(['log2', 'log1', 'log0']);
      expect((await history.listLogs({ workflowName: 'a', limit: 1 })).map(({ logId }) => logId)).toEqual([
        'log2',
      ]);
      expect((await history.listLogs({ status: 'running' })).map(({ logId }) => logId)).toEqual([
        'log1',
        'log0',
      ]);
      expect(await history.listLogs({ since: '2026-11-22T00:00:03.000Z' })).toHaveLength(1);
    });
  });

  it('keeps the runs beside all that', async () => {
    const events = life('book', 2);
    await rest('book', events);

    expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
  });
}
