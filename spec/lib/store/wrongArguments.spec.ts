import type { RunEvent } from '../../../lib/model/event';
import { InvalidArgumentError } from '../../../lib/model/failure';
import { agent } from '../../../operators/agents/agent';
import { execute } from '../../../operators/runs/execute';
import { everyStore } from '../../support/everyStore';

/** What it says, of an InvalidArgumentError. */
async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => new Error('it was taken'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(InvalidArgumentError);
  return (error as Error).message;
}

describe.each(everyStore)('a store %s', (_, open) => {
  it.each<[what: string, events: unknown, why: string]>([
    ['no list', 5, 'its events are number'],
    ['numbers', [5], 'its event 1 is none'],
    ['null', [null], 'its event 1 is none'],
    ['undefined', [undefined], 'its event 1 is none'],
    ['what JSON does not take', [1n], 'its event 1 is none'],
    ['an event of no type', [{ type: 'run.begun' }], 'its event 1 is none'],
    ['an import of nothing', [{ type: 'run.imported', state: null }], 'its event 1 is none'],
  ])('refuses to put in a run with events that are %s, by name', async (_what, events, why) => {
    const state = await execute(
      agent('a', (n: number) => n),
      1,
      { store: open() },
    );
    const store = open();

    expect(
      await refusalOf(store.importRun({ ...state, runId: 'odd' }, events as readonly RunEvent[])),
    ).toContain(`Cannot put in run "odd": ${why}`);
    expect(await store.loadRun('odd')).toBeUndefined();
  });

  it.each([undefined, null, 5, {}, { runId: 'r' }, { runId: 'r', steps: 5 }])(
    'refuses to put in %p',
    async (state) => {
      expect(await refusalOf(open().importRun(state as never))).toContain('is no state of a run');
    },
  );

  it.each([
    [{ text: 5 }, 'text is 5'],
    [{ text: null }, 'text is null'],
    [{ tags: null }, 'tags is null'],
    [{ tags: { a: 1 } }, 'tags is object'],
    [{ limit: NaN }, 'limit is NaN'],
    [{ status: 5 }, 'status is 5'],
    [{ onDamaged: 5 }, 'onDamaged is 5'],
    [null, 'by null'],
    [5, 'by number'],
  ])('refuses to list runs by %j', async (query, why) => {
    expect(await refusalOf(open().listRuns(query as never))).toContain(why);
  });

  it.each([
    [undefined, 'prune by undefined'],
    [null, 'prune by null'],
    [{ keep: '5' }, 'keep is string'],
    [{ keep: -1 }, 'keep is -1'],
    [{ olderThanMs: NaN }, 'olderThanMs is NaN'],
  ])('refuses to prune by %j', async (limits, why) => {
    expect(await refusalOf(open().prune(limits as never))).toContain(why);
  });

  it.each([Symbol('s'), 5, null, undefined, {}])('refuses to save a snapshot named %p', async (name) => {
    const store = open();
    const state = await execute(
      agent('a', (n: number) => n),
      1,
      { store },
    );

    expect(await refusalOf(store.snapshots.save(name as never, state))).toContain(
      `Cannot save a snapshot under a name that is ${name === null ? 'null' : typeof name}`,
    );
    expect(await store.snapshots.list()).toEqual([]);
  });

  it.each([Symbol('s'), 5, null])('refuses to look for the snapshot %p', async (snapshotId) => {
    const { snapshots } = open();

    expect(await refusalOf(snapshots.load(snapshotId as never))).toContain('Cannot find a snapshot by');
    expect(await refusalOf(snapshots.delete(snapshotId as never))).toContain('Cannot find a snapshot by');
  });
});
