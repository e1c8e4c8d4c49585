import { momentNamed, rowsNamed } from '../../cli/runNames';
import { agent, execute, memoryStore } from '../../index';

describe('runs named on the command line', () => {
  it('are found in the order of their names, and the store is listed once', async () => {
    const store = memoryStore();
    const job = agent('job', (n: number) => n);
    for (let n = 0; n < 20; n += 1)
      await execute(job, n, { store, runId: `run-${String(n).padStart(2, '0')}` });
    const lists = jest.spyOn(store, 'listRuns');

    const rows = await rowsNamed(store, ['run-07', '…n-03', 'run-19', 'UN-00']);

    expect(rows.map(({ runId }) => runId)).toEqual(['run-07', 'run-03', 'run-19', 'run-00']);
    expect(lists).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['none', ['run-1', 'other'], 'UNKNOWN_RUN'],
    ['several', ['run-1', '1'], 'RUN_AMBIGUOUS'],
  ])('are refused as soon as one of them means %s', async (_, names, code) => {
    const store = memoryStore();
    const job = agent('job', (n: number) => n);
    for (const runId of ['run-1', 'run-11']) await execute(job, 1, { store, runId });

    await expect(rowsNamed(store, names)).rejects.toMatchObject({ code });
  });

  it('are looked for by the whole of their names before `@42` is taken for an event', async () => {
    const store = memoryStore();
    const job = agent('job', (n: number) => n);
    for (const runId of ['order', 'order@3']) await execute(job, 1, { store, runId });
    const found = async (typed: string): Promise<unknown> => {
      const { runId, seq } = await momentNamed(store, typed);
      return [runId, seq];
    };

    expect(await found('order@2')).toEqual(['order', 2]);
    expect(await found('order@3')).toEqual(['order@3', 4]);
    expect(await found('order@3@2')).toEqual(['order@3', 2]);
  });
});
