import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Subscription } from 'rxjs';

import { agent, chain, each, lowdbStore, memoryStore, execute, run, workflow } from '../../index';
import type { Agent, RunEvent, RunState, Wire } from '../../index';

const left = (outcome: unknown) => {
  const {
    _tag,
    right,
    left: failed,
  } = outcome as { _tag: string; right?: unknown; left?: { name: string; path: string } };
  return _tag === 'Right' ? right : `${String(failed?.name)} ${String(failed?.path)}`;
};

/** Carries a run on, life after life, while the process of each dies when an agent or the clock says so. */
async function lives<I, O>(
  build: (die: () => void) => Agent<I, O>,
  input: I,
  { most = 30, killAfterMs }: { most?: number; killAfterMs?: (life: number) => number } = {},
): Promise<{ state: RunState; deaths: number; together: number[] }> {
  let state: RunState | undefined;
  const together: number[] = [];
  for (let deaths = 0; deaths < most; deaths += 1) {
    const store = memoryStore();
    if (state !== undefined) await store.importRun(state);
    const events: RunEvent[] = [];
    const before: RunState | undefined = state;
    const ended = await new Promise<boolean>((resolve) => {
      let isOver = false;
      const subscription = new Subscription();
      const over = (end: boolean): void => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        resolve(end);
        subscription.unsubscribe();
      };
      const timer =
        killAfterMs === undefined
          ? undefined
          : setTimeout(
              () => {
                over(false);
              },
              killAfterMs(deaths + 1),
            );
      let latest: RunState | undefined = before;
      subscription.add(
        run(
          build(() => {
            over(false);
          }),
          input,
          { store, runId: 'r' },
        ).subscribe({
          next: (transition) => {
            if (isOver) return;
            events.push(transition.event);
            latest = transition.state;
            state = latest;
          },
          complete: () => {
            over(true);
          },
          error: () => {
            over(true);
          },
        }),
      );
    });
    together.push(mostTogether(events));
    if (ended) return { state: state as unknown as RunState, deaths, together };
  }
  throw new Error(`never ended: ${JSON.stringify(state)}`);
}

/** How many calls of `work` were under way at once. */
function mostTogether(events: readonly RunEvent[]): number {
  const under = new Set<string>();
  let most = 0;
  for (const event of events) {
    if (!('agent' in event) || event.agent !== 'work') continue;
    if (event.type === 'step.started') under.add(event.path);
    else if (event.type !== 'step.emitted') under.delete(event.path);
    most = Math.max(most, under.size);
  }
  return most;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a process that dies again and again', () => {
  it('loses only the item that kills it, and names it', async () => {
    const { state, deaths, together } = await lives(
      (die) => each('e', killing(die, [2]), { onError: 'collect', concurrency: 4 }),
      [1, 2, 3, 4, 5, 6],
    );
    expect((state.output as unknown[]).map(left)).toEqual([1, 'PoisonStepError [1]/work', 3, 4, 5, 6]);
    expect(deaths).toBe(5);
    expect(together.slice(0, 3)).toEqual([4, 4, 1]);
  });

  it('finds two items that kill it', async () => {
    const { state } = await lives(
      (die) => each('e', killing(die, [2, 5]), { onError: 'collect', concurrency: 4 }),
      [1, 2, 3, 4, 5, 6],
    );
    expect((state.output as unknown[]).map(left)).toEqual([
      1,
      'PoisonStepError [1]/work',
      3,
      4,
      'PoisonStepError [4]/work',
      6,
    ]);
  });

  it('finds the killer within chains that are under way beside each other', async () => {
    const { state } = await lives(
      (die) =>
        each(
          'e',
          chain(
            'both',
            agent('before', (n: number) => n),
            killing(die, [3]),
          ),
          { onError: 'collect', concurrency: 3 },
        ),
      [1, 2, 3, 4],
    );
    expect((state.output as unknown[]).map(left)).toEqual([1, 2, 'PoisonStepError [2]/both/work', 4]);
  });

  it('finds the killer among the steps that a function asks for', async () => {
    const { state } = await lives((die) => {
      const work = killing(die, [2]);
      return agent('all', async (_: number, context) => {
        const ask = async (n: number) =>
          new Promise((resolve) =>
            context.step(`n${String(n)}`, work, n).subscribe({
              next: resolve,
              error: (error: unknown) => {
                resolve((error as Error).name);
              },
            }),
          );
        return Promise.all([1, 2, 3].map(ask));
      });
    }, 0);
    expect(state.output).toEqual([1, 'PoisonStepError', 3]);
  });

  it('finds the killer where one limit is shared', async () => {
    const limit = { concurrency: 2 };
    const { state } = await lives(
      (die) => each('e', killing(die, [2], { limit }), { onError: 'collect', concurrency: 4 }),
      [1, 2, 3, 4, 5, 6],
    );
    expect((state.output as unknown[]).map(left)).toEqual([1, 'PoisonStepError [1]/work', 3, 4, 5, 6]);
  });

  it('never takes a long step for poison because the process ends beside it', async () => {
    let isLast = false;
    const { state, deaths } = await lives(
      () => {
        const long = agent('long', async () => wait(isLast ? 1 : 1_000).then(() => 'long'));
        const short = agent('short', async (n: number) => wait(15).then(() => n));
        return workflow('w', (input: Wire<number>, add) => {
          const one = add('long', long, input);
          const items = add('items', () => Array.from({ length: 30 }, (_, index) => index), input);
          const many = add('many', each('many', short, { concurrency: 2 }), items);
          return add('end', () => 'end', [one, many] as never);
        });
      },
      0,
      {
        killAfterMs: (life) => {
          isLast = life > 10;
          return isLast ? 20_000 : 30;
        },
      },
    );
    expect(deaths).toBe(10);
    expect(state.status).toBe('COMPLETED');
  }, 20_000);
});

/** Gives its number, except for those that end the process. */
function killing(die: () => void, killers: readonly number[], policy: object = {}): Agent<number, number> {
  return agent(
    'work',
    async (n: number) => {
      await wait(killers.includes(n) ? 4 : 8);
      if (killers.includes(n)) {
        die();
        await wait(50);
      }
      return n;
    },
    policy,
  );
}

describe('a store that is closed under a run', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-crashes-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('counts no crash, and leaves what was under way PENDING', async () => {
    for (let life = 1; life <= 4; life += 1) {
      const store = lowdbStore(folder);
      const outcome = execute(
        agent('long', async () => wait(life === 4 ? 1 : 200)),
        0,
        { store, runId: 'r' },
      ).catch((error: unknown) => error);
      if (life === 4) {
        await outcome;
        expect(await store.loadRun('r')).toMatchObject({ status: 'COMPLETED' });
        await store.close();
        break;
      }
      while ((await store.loadRun('r'))?.steps.get('long')?.status !== 'RUNNING') await wait(1);
      await store.close();
      const left = await lowdbStore(folder).loadRun('r');
      expect(left?.status).toBe('RUNNING');
      expect(left?.steps.get('long')).toMatchObject({ status: 'PENDING' });
      expect(left?.steps.get('long')).not.toHaveProperty('crashes');
      await outcome;
    }
  });
});
