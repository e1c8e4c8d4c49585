import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { defer, map, NEVER, Subscription, timer, VirtualTimeScheduler } from 'rxjs';

import {
  agent,
  chain,
  each,
  fallback,
  firstOf,
  lowdbStore,
  memoryStore,
  execute,
  run,
  workflow,
} from '../../index';
import type { Agent, RunEvent, RunState, Wire } from '../../index';
import { Clock } from '../support/clock';
import { until } from '../support/until';

const left = (outcome: unknown) => {
  const {
    _tag,
    right,
    left: failed,
  } = outcome as { _tag: string; right?: unknown; left?: { name: string; path: string } };
  return _tag === 'Right' ? right : `${String(failed?.name)} ${String(failed?.path)}`;
};

/** The virtual time of the process that is alive. */
let clock = new Clock(0);

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
    clock = new Clock(clock.now());
    const end = new Promise<boolean>((resolve) => {
      let isOver = false;
      const subscription = new Subscription();
      const over = (end: boolean): void => {
        if (isOver) return;
        isOver = true;
        resolve(end);
        subscription.unsubscribe();
      };
      if (killAfterMs !== undefined)
        clock.schedule(
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
          { store, runId: 'r', scheduler: clock },
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
    const ended = await clock.until(end);
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

const wait = (ms: number) => new Promise((resolve) => clock.schedule(resolve, ms));

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
  });
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

/** Waits, in the virtual time of its run, and then gives what it is told to. */
type After = <T>(ms: number, give: () => T) => Agent<unknown, T>;

/** As `lives`, in virtual time: each process ends after so long, or when an agent ends it, and the last one within an hour. */
function virtualLives(
  build: (after: After, die: () => void) => Agent<number, unknown>,
  killAfterMs: readonly number[],
  most = killAfterMs.length + 1,
): { state: RunState; deaths: number } {
  let state: RunState | undefined;
  for (let deaths = 0; deaths < most; deaths += 1) {
    const scheduler = new VirtualTimeScheduler(undefined, killAfterMs[deaths] ?? 3_600_000);
    const store = memoryStore();
    if (state !== undefined) void store.importRun(state);
    const life = new Subscription();
    const die = (): void => {
      life.unsubscribe();
    };
    let count = 0;
    const after: After = (ms, give) =>
      agent(`after ${String((count += 1))}`, () => timer(ms, scheduler).pipe(map(give)));
    life.add(
      run(build(after, die), 0, { store, runId: 'r', scheduler }).subscribe({
        next: (transition) => {
          if (!life.closed) ({ state } = transition);
        },
        error: () => undefined,
      }),
    );
    scheduler.flush();
    const ended = state as unknown as RunState;
    if (ended.status !== 'RUNNING') return { state: ended, deaths };
    if (!life.closed && killAfterMs[deaths] === undefined) break;
    die();
  }
  throw new Error(`never ended: ${JSON.stringify(state)}`);
}

describe('a step that never ends by itself, beside others when the process dies', () => {
  const never = agent('never', () => defer(() => NEVER));
  const won = { status: 'COMPLETED', output: 'quick' };

  it.each<[string, (after: After) => Agent<number, unknown>]>([
    [
      'first in a race',
      (after) =>
        firstOf(
          'race',
          never,
          after(5_000, () => 'quick'),
        ),
    ],
    [
      'last in a race',
      (after) =>
        firstOf(
          'race',
          after(5_000, () => 'quick'),
          never,
        ),
    ],
    [
      'one of two in a race',
      (after) =>
        firstOf(
          'race',
          never,
          chain('n', never),
          after(5_000, () => 'quick'),
        ),
    ],
    [
      'in a race within a workflow',
      (after) =>
        workflow('w', (input: Wire<number>, step) =>
          step(
            'race',
            firstOf(
              'race',
              chain('c', never),
              chain(
                'q',
                after(5_000, () => 'quick'),
              ),
            ),
            input,
          ),
        ),
    ],
    [
      'in a race of items',
      (after) =>
        chain(
          'all',
          agent('three', () => [1, 2, 3]),
          each(
            'e',
            firstOf(
              'race',
              never,
              after(5_000, () => 'quick'),
            ),
            { concurrency: 3 },
          ) as never,
          agent('any', (outputs: readonly unknown[]) => outputs[0]),
        ),
    ],
    [
      'in a race in the place of what failed',
      (after) =>
        fallback(
          'f',
          agent('broken', () => {
            throw new Error('broken');
          }),
          firstOf(
            'race',
            never,
            after(5_000, () => 'quick'),
          ),
        ),
    ],
  ])('lets them go on: %s', (_, build) => {
    const { state, deaths } = virtualLives(build, [1_000, 1_000]);
    expect(state).toMatchObject(won);
    expect(deaths).toBe(2);
  });

  it('is not taken for the one beside it that kills the process, which is found', () => {
    const { state, deaths } = virtualLives(
      (after, die) =>
        firstOf(
          'race',
          never,
          fallback(
            'f',
            after(2_000, die),
            after(10, () => 'quick'),
          ),
        ),
      [],
      20,
    );
    expect(state).toMatchObject(won);
    expect(deaths).toBeLessThan(9);
    expect(state.steps.get('f/after 1')).toMatchObject({ error: { name: 'PoisonStepError' } });
  });
});

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
      let letGo = (): void => undefined;
      const isLeft = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const outcome = execute(
        agent('long', async () => (life === 4 ? undefined : isLeft)),
        0,
        { store, runId: 'r' },
      ).catch((error: unknown) => error);
      if (life === 4) {
        await outcome;
        expect(await store.loadRun('r')).toMatchObject({ status: 'COMPLETED' });
        await store.close();
        break;
      }
      await until(async () => (await store.loadRun('r'))?.steps.get('long')?.status === 'RUNNING', 15_000);
      await store.close();
      const left = await lowdbStore(folder).loadRun('r');
      expect(left?.status).toBe('RUNNING');
      expect(left?.steps.get('long')).toMatchObject({ status: 'PENDING' });
      expect(left?.steps.get('long')).not.toHaveProperty('crashes');
      letGo();
      await outcome;
    }
  });
});
