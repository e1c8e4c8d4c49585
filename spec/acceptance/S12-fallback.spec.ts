import { agent, execute, fallback, memoryStore, workflow } from '../../index';
import type { Wire } from '../../index';
import type { FallbackInput } from '../../operators/agents/fallback';

describe('S12: on an error, stop or take another path', () => {
  const parse = agent('parse', (text: string): number => {
    const value = Number(text);
    if (Number.isNaN(value)) throw new TypeError(`"${text}" is no number`);
    return value;
  });

  it('stops by default: no later step starts', async () => {
    const after = jest.fn((n: number) => n);
    const w = workflow('w', (text: Wire<string>, step) => step('after', after, step('parse', parse, text)));
    const { status, error } = await execute(w, 'x');
    expect([status, error]).toMatchObject(['FAILED', { path: 'parse' }]);
    expect(after).not.toHaveBeenCalled();
  });

  it('takes the other path, which gets { input, error }; both are on record', async () => {
    const store = memoryStore();
    const guess = agent('guess', (given: FallbackInput<string>) => given);
    const w = workflow('w', (text: Wire<string>, step) =>
      step('value', fallback('value', parse, guess), text),
    );
    const { status, output } = await execute(w, 'x', { store, runId: 'r' });
    expect(status).toBe('COMPLETED');
    expect(output).toEqual({
      input: 'x',
      error: { name: 'TypeError', message: '"x" is no number', path: 'value/parse' },
    });
    const saved = await store.loadRun('r');
    expect(saved?.steps.get('value/parse')).toMatchObject({ status: 'FAILED', error: { name: 'TypeError' } });
    expect(saved?.steps.get('value/guess')).toMatchObject({ status: 'COMPLETED' });
  });
});
