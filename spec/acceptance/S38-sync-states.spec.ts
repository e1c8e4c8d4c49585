import { createLogger, execute, chain, agent, syncStates } from '../../index';

describe('S38 state mismatch', () => {
  it('lets the actual state hold, and logs a WARNING with the patches', () => {
    const logger = createLogger();
    const saved = { step: 3, data: 'old_data', list: [1, 2, 3], gone: true };
    const actual = { step: 5, data: 'new_data', list: [1, 5] };

    expect(syncStates<object>(saved, actual, logger)).toBe(actual);

    const [entry] = logger.getLogs({ level: 'WARNING' });
    expect(entry).toMatchObject({ component: 'state' });
    expect((entry?.data as { patches: unknown[] }).patches).toEqual(
      expect.arrayContaining([
        { op: 'replace', path: ['step'], value: 5 },
        { op: 'replace', path: ['data'], value: 'new_data' },
        { op: 'replace', path: ['list', 1], value: 5 },
        { op: 'remove', path: ['gone'] },
      ]),
    );
    expect(saved).toEqual({ step: 3, data: 'old_data', list: [1, 2, 3], gone: true });
  });

  it('logs nothing when they are equal, also as states of runs', async () => {
    const logger = createLogger();
    const state = await execute(
      chain(
        'c',
        agent('a', (x: number) => x + 1),
      ),
      1,
    );
    expect(syncStates(JSON.parse(JSON.stringify(state)) as typeof state, state, logger)).toBe(state);
    expect(logger.getLogs()).toEqual([]);
  });
});
