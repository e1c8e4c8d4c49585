import { lastValueFrom } from 'rxjs';

import {
  agent,
  chain,
  createLogger,
  DefinitionMismatchError,
  execute,
  InputMismatchError,
  logTo,
  memoryStore,
  run,
  syncStates,
} from '../../index';

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

  describe('when a run is resumed', () => {
    const plus = agent('plus', (x: number) => x + 1);
    const times = agent('times', (x: number) => x * 10);
    const breaks = agent('breaks', (_: number): number => {
      throw new Error('down');
    });
    const saved = async () => {
      const store = memoryStore();
      await execute(chain('work', plus, breaks), 1, { store, runId: 'r' });
      return store;
    };

    it('refuses a changed definition by name, and says what has changed', async () => {
      const store = await saved();
      const before = await store.loadRun('r');
      const refused = await execute(chain('work', plus, times, plus), 1, { store, runId: 'r' }).catch(
        (error: unknown) => error,
      );

      expect(refused).toBeInstanceOf(DefinitionMismatchError);
      expect((refused as DefinitionMismatchError).diff).toMatchObject({
        added: expect.arrayContaining(['times']),
        removed: ['breaks'],
      });
      expect(await store.loadRun('r')).toEqual(before);
    });

    it('refuses another input by name', async () => {
      const store = await saved();

      await expect(execute(chain('work', plus, breaks), 2, { store, runId: 'r' })).rejects.toThrow(
        InputMismatchError,
      );
    });

    it('lets the actual one hold when it is asked to, and logs a WARNING with the difference', async () => {
      const store = await saved();
      const logger = createLogger();
      const last = await lastValueFrom(
        run(chain('work', plus, times), 1, { store, runId: 'r', onMismatch: 'actual' }).pipe(logTo(logger)),
      );

      expect(last.state).toMatchObject({ status: 'COMPLETED', output: 20 });
      const [resumed, warning] = logger.getLogs({ level: 'WARNING' });
      expect(resumed?.message).toContain('run resumed');
      expect(warning?.message).toContain('another definition');
      expect(warning?.data).toMatchObject({ added: ['times'], removed: ['breaks'], dropped: ['breaks'] });
    });
  });
});
