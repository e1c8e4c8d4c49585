import { Sleepers } from '../../adapters/restate/client/sleepers';
import type { Ingress } from '../../adapters/restate/protocol/ingress';

/** An admin that says of each life, by its key, how long its journal is; one that is left out is over. */
function adminOf(lives: Map<string, number>, ended: ReadonlySet<string> = new Set()) {
  const asked: string[] = [];
  const isAway = { now: false };
  const admin: Ingress = {
    request: (path, options) => {
      asked.push(path);
      if (isAway.now) return Promise.reject(new Error('away'));
      if (options?.method === 'PATCH') return Promise.resolve(undefined);
      const rows = [...lives].map(([key, size]) => ({
        id: `id ${key}`,
        target_service_name: 's',
        target_service_key: key,
        status: 'running',
        journal_size: size,
        modified_at: '2026-01-01',
      }));
      const over = [...ended].map((key) => ({
        id: `id ${key}`,
        target_service_name: 's',
        target_service_key: key,
        status: 'completed',
      }));
      return Promise.resolve({ rows: [...rows, ...over] });
    },
  };
  return { admin, asked, isAway };
}

const never = new AbortController().signal;
const seconds = (count: number) => jest.advanceTimersByTimeAsync(count * 1_000);

describe('the lives of a crowd', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('are asked about together, and each hears only of what happens in it', async () => {
    const lives = new Map<string, number>(
      Array.from({ length: 500 }, (_, index) => [`r${String(index)}`, 3] as const),
    );
    const { admin, asked } = adminOf(lives);
    const sleepers = new Sleepers(admin);
    const keys = [...lives.keys()];
    const first = Promise.all(keys.map((key) => sleepers.changed('s', key, undefined, never)));
    await seconds(1);
    const stamps = await first;
    const heard: string[] = [];
    keys.forEach((key, index) => {
      void sleepers.changed('s', key, stamps[index], never).then(() => heard.push(key));
    });

    await seconds(5);
    expect(heard).toEqual([]);
    lives.set('r7', 4);
    lives.delete('r8');
    await seconds(1);

    expect(heard).toEqual(['r7', 'r8']);
    expect(asked.length).toBeLessThanOrEqual(7);
  });

  it('are not asked about any more when nobody follows them', async () => {
    const { admin, asked } = adminOf(new Map([['r', 1]]));
    const sleepers = new Sleepers(admin);
    const left = new AbortController();
    const waiting = sleepers.changed('s', 'r', undefined, left.signal);

    left.abort();
    await waiting;
    await seconds(10);

    expect(asked).toEqual([]);
  });

  it('are all taken to have changed where the admin does not say', async () => {
    const { admin, isAway } = adminOf(new Map([['r', 1]]));
    const sleepers = new Sleepers(admin);
    const first = sleepers.changed('s', 'r', undefined, never);
    await seconds(1);
    const second = sleepers.changed('s', 'r', await first, never);

    isAway.now = true;
    await seconds(1);

    await expect(second).resolves.not.toBe(await first);
  });

  it('are looked at after so long in any case, where that is asked for', async () => {
    const { admin } = adminOf(new Map([['r', 1]]));
    const sleepers = new Sleepers(admin);
    const first = sleepers.changed('s', 'r', undefined, never);
    await seconds(1);

    const second = sleepers.changed('s', 'r', await first, never, 2_500);
    await seconds(3);

    await expect(second).resolves.toBe(await first);
  });

  it('are heard of when they begin, also those that have ended since', async () => {
    const lives = new Map<string, number>();
    const ended = new Set<string>();
    const { admin, asked } = adminOf(lives, ended);
    const sleepers = new Sleepers(admin);
    const heard: string[] = [];
    for (const key of ['a', 'b', 'c'])
      void sleepers.begun('s', key, never).then(() => {
        heard.push(key);
      });
    await seconds(3);
    expect(heard).toEqual([]);

    lives.set('a', 1);
    ended.add('b');
    await seconds(1);

    expect(heard).toEqual(['a', 'b']);
    expect(asked).toHaveLength(4);
    expect(await sleepers.cancel('s', 'b')).toBe(false);
  });

  it('are cancelled by the admin, a few at a time, where they have been seen', async () => {
    const { admin, asked } = adminOf(new Map([['r', 1]]));
    const sleepers = new Sleepers(admin);
    const first = sleepers.changed('s', 'r', undefined, never);
    await seconds(1);
    await first;

    expect(await sleepers.cancel('s', 'r')).toBe(true);
    expect(await sleepers.cancel('s', 'unknown')).toBe(false);
    expect(asked.at(-1)).toBe('/invocations/id r/cancel');
  });
});
