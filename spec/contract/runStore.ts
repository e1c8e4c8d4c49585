import { StateValueError } from '../../lib/codec/stateValueError';
import { jsonValue } from '../../lib/codec/json';
import { InvalidRunIdError } from '../../lib/store/invalidRunIdError';
import { RunActiveError } from '../../lib/store/runActiveError';
import type { Store } from '../../lib/store/store';
import { append, folded, life, throughJson } from '../lib/store/support/life';

/** What every store does. `open` gives an empty one; `reopen` the same one again, where it outlives its process. */
export function runStoreContract(open: () => Store, reopen?: () => Store): void {
  let store: Store;
  beforeEach(() => {
    store = open();
  });
  afterEach(() => store.close());

  const rest = async (runId: string, events = life(runId, 3)) => {
    const claim = await store.claim(runId);
    await append(claim, events);
    await claim.release(undefined);
    return events;
  };

  it('knows nothing of an id it has not seen', async () => {
    expect(await store.loadRun('nobody')).toBeUndefined();
    expect(await store.listRuns()).toEqual([]);
    expect(await store.deleteRun('nobody')).toBe(false);
    expect((await store.claim('nobody')).state).toBeUndefined();
  });

  it('gives back the fold of what was appended', async () => {
    const events = await rest('book');

    expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
  });

  it('shows a run while it is under way', async () => {
    const events = life('book', 3).slice(0, 4);
    await append(await store.claim('book'), events);

    expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
    expect((await store.listRuns())[0]?.status).toBe('RUNNING');
  });

  it('gives one claim at a time', async () => {
    const first = await store.claim('book');

    await expect(async () => store.claim('book')).rejects.toThrow(RunActiveError);
    await expect(store.deleteRun('book')).rejects.toThrow(RunActiveError);
    await first.release(undefined);
    await (await store.claim('book')).release(undefined);
  });

  it('gives exactly one of two simultaneous claims of a resting run', async () => {
    await rest('book');
    const claims = await Promise.allSettled([0, 1].map(async () => store.claim('book')));

    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('hands the state to the next claim', async () => {
    const events = life('book', 3);
    await rest('book', events.slice(0, 4));
    const claim = await store.claim('book');

    expect(throughJson(claim.state)).toEqual(folded(events.slice(0, 4)));
    await append(claim, events.slice(4));
    await claim.release(undefined);
    expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
  });

  it('keeps what was appended, not what became of the object later', async () => {
    const output = { words: ['a'] };
    await rest(
      'book',
      life('book', 1, () => output),
    );
    output.words.push('b');

    expect((await store.loadRun('book'))?.steps.get('s0')?.output).toEqual({ words: ['a'] });
  });

  it('leaves the values of users unfrozen and unchanged', async () => {
    const output = { words: ['a'], when: undefined };
    await rest(
      'book',
      life('book', 1, () => output),
    );

    expect(Object.isFrozen(output) || Object.isFrozen(output.words)).toBe(false);
    expect(output).toStrictEqual({ words: ['a'], when: undefined });
  });

  it('lists newest first, filtered', async () => {
    for (const [i, runId] of ['a', 'b', 'c'].entries()) {
      await rest(
        runId,
        life(runId, i === 1 ? 2 : 1).map((event) => ({ ...event, at: event.at + i * 1000 })),
      );
    }
    await append(await store.claim('d'), life('d', 1).slice(0, 1));

    expect((await store.listRuns()).map(({ runId }) => runId)).toEqual(['c', 'b', 'd', 'a']);
    expect((await store.listRuns({ status: 'COMPLETED', limit: 2 })).map(({ runId }) => runId)).toEqual([
      'c',
      'b',
    ]);
    expect((await store.listRuns({ status: ['RUNNING', 'FAILED'] })).map(({ runId }) => runId)).toEqual([
      'd',
    ]);
    expect(await store.listRuns({ name: 'other' })).toEqual([]);
    expect(await store.listRuns({ since: Date.UTC(2027, 0) })).toEqual([]);
  });

  it('finds runs by the step that failed', async () => {
    const [started, ...rest_] = life('book', 2);
    const failed = { type: 'step.failed' as const, path: 's0', agent: 'agent0', attempt: 1, duration: 1 };
    const error = { name: 'Error', message: 'no', path: 's0', retryable: true };
    await rest('book', [
      started!,
      rest_[0]!,
      { ...failed, runId: 'book', seq: 3, at: started!.at, error },
      { type: 'run.failed', runId: 'book', seq: 4, at: started!.at, error, duration: 1 },
    ]);

    expect(await store.listRuns({ failedStep: 's0' })).toEqual([
      expect.objectContaining({ runId: 'book', status: 'FAILED', failedStep: 's0' }),
    ]);
    expect(await store.listRuns({ failedStep: 's1' })).toEqual([]);
  });

  it('forgets a deleted run, and takes its id anew', async () => {
    await rest('book');

    expect(await store.deleteRun('book')).toBe(true);
    expect(await store.deleteRun('book')).toBe(false);
    expect(await store.loadRun('book')).toBeUndefined();
    const events = await rest('book', life('book', 1));
    expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
  });

  it.each(['', 'x'.repeat(201), 'x'.repeat(300)])('refuses the run id %j by name', async (runId) => {
    await expect(async () => store.claim(runId)).rejects.toThrow(InvalidRunIdError);
  });

  it.each([
    '../x',
    'a/b',
    'CON',
    'nul\0',
    '__proto__',
    'constructor',
    '.',
    '..',
    '한글'.repeat(50),
    'x.',
    ' ',
    '\ud800',
  ])('takes the run id %j as it is', async (runId) => {
    const events = await rest(runId, life(runId, 1));

    expect(throughJson(await store.loadRun(runId))).toEqual(folded(events));
    expect((await store.listRuns()).map((run) => run.runId)).toEqual([runId]);
  });

  it('asks for values that JSON keeps', async () => {
    expect((await store.claim('book')).checksValues).toBe(true);
    expect(() => jsonValue(new Map(), 'index')).toThrow(StateValueError);
  });

  it('goes on after close()', async () => {
    const events = await rest('book');
    await store.close();

    expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
  });

  if (reopen === undefined) return;

  it('gives everything back in another store of the same place', async () => {
    const events = await rest('book');
    await rest('gone');
    await store.deleteRun('gone');
    await store.close();
    store = reopen();

    expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
    expect(throughJson((await store.claim('book')).state)).toEqual(folded(events));
    expect((await store.listRuns()).map(({ runId }) => runId)).toEqual(['book']);
  });

  it('may be read by others while it is written', async () => {
    const events = life('book', 3);
    const claim = await store.claim('book');
    const reader = reopen();
    for (const [i, event] of events.entries()) {
      await claim.append(event);
      expect(throughJson(await reader.loadRun('book'))).toEqual(folded(events.slice(0, i + 1)));
    }
    await claim.release(undefined);
    expect(await reader.listRuns()).toHaveLength(1);
  });
}
