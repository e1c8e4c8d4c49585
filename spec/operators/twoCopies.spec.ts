import * as own from '../../index';

/** What another package brings along that depends on this one: the same code, and nothing in common. */
let other = own;
beforeAll(() => {
  jest.isolateModules(() => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would be the same copy
    other = require('../../index') as typeof own;
  });
});

describe('two copies of this package in one process', () => {
  const one = own.agent('one', (n: number) => n + 1);
  const work = own.chain('work', one, one);

  it('are two', () => {
    expect(other.run).not.toBe(own.run);
  });

  it('run, fork and restore what the other has made', async () => {
    const store = own.memoryStore();
    const state = await other.execute(work, 1, { store, runId: 'r' });
    const { snapshotId } = await store.snapshots.save('s', state);
    const ids = [
      await other.fork('r', { store, from: 'one[1]' }),
      await other.restore(snapshotId, { store: store }),
    ];

    for (const runId of ids) expect((await own.execute(work, 1, { store, runId })).output).toBe(3);
  });

  it('know a failed run of the other', async () => {
    const bad = own.agent('bad', (_: number): number => {
      throw new Error('no');
    });
    const seen: string[] = [];
    await own
      .run(bad, 1)
      .pipe(other.outcomes())
      .forEach(({ _tag }) => seen.push(_tag));

    expect(seen).toEqual(['Left']);
  });
});
