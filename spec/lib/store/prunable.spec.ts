import type { ListedRun } from '../../../lib/store/summary';
import { prunable } from '../../../lib/store/summary';

const ended = (runId: string, at: number): ListedRun => ({
  run: { runId, name: 'n', status: 'COMPLETED', startedAt: at, endedAt: at, life: 1, waiting: [] },
  isResting: true,
});

describe('which runs prune forgets', () => {
  const runs = [ended('a', 1), ended('b', 2)];

  it('takes what is beyond the newest ones', () => {
    expect(prunable(runs, { keep: 1 }, 3)).toEqual(['a']);
    expect(prunable(runs, { keep: 1.5 }, 3)).toEqual(['a']);
    expect(prunable(runs, { keep: Infinity }, 3)).toEqual([]);
  });

  it.each([{ keep: NaN }, { keep: -1 }, { olderThanMs: NaN }, { olderThanMs: -1 }])(
    'refuses %p',
    (limits) => {
      const name = Object.keys(limits)[0] ?? '';
      expect(() => prunable(runs, limits, 3)).toThrow(`Cannot prune: ${name} is `);
      expect(() => prunable(runs, limits, 3)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    },
  );
});
