import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import { lastValueFrom, of, toArray } from 'rxjs';

import type { RunEvent, RunState, StepContext, Store, Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  chain,
  each,
  execute,
  fork,
  loop,
  memoryStore,
  reduceRun,
  restore,
  resume,
  run,
  saveTo,
  withPolicy,
  workflow,
} from '../../index';
import { idleState } from '../../lib/model/state';
import { crashPoints, recordingStore } from '../../testing';
import { everyStore } from '../support/everyStore';
import { collect } from '../support/told';
import { until } from '../support/until';

interface Board {
  readonly list: readonly string[];
  readonly count: number;
}

const initial: Board = { list: [], count: 0 };

type Context = StepContext<Board>;

function note(text: string, { update }: Pick<Context, 'update'>): void {
  update((draft) => {
    draft.list.push(text);
    draft.count += 1;
  });
}

const noted = agent('noted', (text: string, context: Context) => {
  note(text, context);
  return text;
});

/** Steps side by side, each of which notes its own name; some fail in their first attempts. */
function wide(count: number) {
  return workflow(
    'wide',
    (input: Wire<string>, step) =>
      Array.from({ length: count }, (_, index) =>
        step(
          `s${String(index)}`,
          async (text: string, context) => {
            note(`${text}${String(index)}`, context);
            if (index % 5 === 0) await wait(index % 3);
            if (index % 3 === 0 && context.attempt === 1) throw new Error('once');
            return index;
          },
          input,
          { retry: 1 },
        ),
      ),
    { shared: { initial } },
  );
}

function names(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `x${String(index)}`).sort();
}

function sorted(state: RunState): unknown {
  const { list, count } = state.shared as Board;
  return { list: [...list].sort(), count };
}

async function eventsOf(store: Store, runId: string): Promise<readonly RunEvent[]> {
  const kept = await lastValueFrom(store.events(runId).pipe(toArray()));
  return kept.map(({ event }) => event);
}

function folded(events: readonly RunEvent[]): RunState {
  const [first] = events;
  return events.reduce<RunState>(reduceRun, idleState(first?.runId ?? '', '', []));
}

describe.each(everyStore)('a shared state, %s', (_, open) => {
  it('loses nothing of fifty steps side by side and counts nothing twice, live, resumed and folded', async () => {
    const store = open();
    const told = collect(run(wide(50), 'x', { store, runId: 'r' }));
    await until(() => told.ended !== 'open');

    const state = told.transitions.at(-1)?.state as RunState;
    const expected = { list: names(50), count: 50 };
    expect(sorted(state)).toEqual(expected);
    const saved = (await store.loadRun('r')) as RunState;
    expect(saved.shared).toEqual(state.shared);
    const events = await eventsOf(store, 'r');
    expect(folded(events).shared).toEqual(state.shared);
    expect(folded(events)).toEqual(saved);
    expect(
      events.filter((event) => event.type === 'step.completed' && event.updates !== undefined),
    ).toHaveLength(50);
    expect((await execute(wide(50), 'x', { store, runId: 'r' })).shared).toEqual(state.shared);
  });

  it('is the same wherever the process dies', async () => {
    const store = recordingStore(open());
    await execute(wide(12), 'x', { store, runId: 'r' });

    for (const { after, store: left } of crashPoints(store, 'r')) {
      if (after.type === 'run.completed') continue;
      const { state } = await lastValueFrom(resume(wide(12), 'r', { store: left }));
      expect([after.type, sorted(state)]).toEqual([after.type, { list: names(12), count: 12 }]);
      expect(folded(await eventsOf(left, 'r')).shared).toEqual(state.shared);
    }
  });

  it.each(['constructor', 'prototype', 'toString', '0'])(
    'may have a property called %s: changed, resumed, and of a fork',
    async (name) => {
      interface Words {
        readonly words: Readonly<Record<string, { readonly n: number }>>;
      }
      const store = open();
      let fails = true;
      const counting = (id: string) =>
        agent(id, (n: number, { update }: StepContext<Words>) => {
          update(({ words }) => {
            const word = Object.hasOwn(words, name) ? words[name] : undefined;
            if (word === undefined) words[name] = { n: 1 };
            else word.n += 1;
          });
          if (id === 'c' && fails) throw new Error('down');
          return n;
        });
      const flow = workflow(
        'flow',
        (input: Wire<number>, step) =>
          step('c', counting('c'), step('b', counting('b'), step('a', counting('a'), input))),
        { shared: { initial: { words: {} } } },
      );
      const failed = await execute(flow, 1, { store, runId: 'r' });
      fails = false;
      const resumed = await execute(flow, 1, { store, runId: 'r' });
      const forkId = await fork('r', { store, from: 'b' });
      const forked = await execute(flow, 1, { store, runId: forkId });

      expect(failed.shared).toEqual({ words: { [name]: { n: 2 } } });
      expect(resumed.shared).toEqual({ words: { [name]: { n: 3 } } });
      expect(forked.shared).toEqual({ words: { [name]: { n: 3 } } });
    },
  );

  it('keeps the patches in the events, and what a failed attempt changed nowhere', async () => {
    const store = open();
    const once = workflow(
      'once',
      (input: Wire<string>, step) =>
        step(
          'a',
          (text: string, context) => {
            note(`${text} ${String(context.attempt)}`, context);
            if (context.attempt < 3) throw new Error('not yet');
          },
          input,
          { retry: 2 },
        ),
      { shared: { initial } },
    );
    await execute(once, 'try', { store, runId: 'r' });

    const events = await eventsOf(store, 'r');
    expect(events[0]).toMatchObject({ type: 'run.started', shared: initial });
    expect(events.flatMap((event) => ('updates' in event ? (event.updates ?? []) : []))).toEqual([
      { op: 'add', path: ['list', 0], value: 'try 3' },
      { op: 'replace', path: ['count'], value: 1 },
    ]);
    expect((await store.loadRun('r'))?.shared).toEqual({ list: ['try 3'], count: 1 });
  });

  it('waits with the run for a person, and goes on', async () => {
    const store = open();
    const asks = chain('asks', noted, approval('sure', t.string), noted);
    const flow = withPolicy(asks, { shared: { initial } });
    expect((await execute(flow, 'a', { store, runId: 'r' })).shared).toEqual({ list: ['a'], count: 1 });

    await answer('r', 'sure', 'b', { store });

    expect((await lastValueFrom(resume(flow, 'r', { store }))).state.shared).toEqual({
      list: ['a', 'b'],
      count: 2,
    });
  });

  it('of a fork is that of the steps that it keeps', async () => {
    const store = open();
    const flow = withPolicy(chain('flow', noted, noted, noted), { shared: { initial } });
    await execute(flow, 'a', { store, runId: 'r' });

    const forked = await fork('r', { store, from: 'noted[1]' });

    expect((await store.loadRun(forked))?.shared).toEqual({ list: ['a'], count: 1 });
    const { state } = await lastValueFrom(resume(flow, forked, { store }));
    expect(state.shared).toEqual({ list: ['a', 'a', 'a'], count: 3 });
    expect((await store.loadRun('r'))?.shared).toEqual({ list: ['a', 'a', 'a'], count: 3 });
    expect(folded(await eventsOf(store, forked)).shared).toEqual(state.shared);
  });

  it('of a fork keeps what steps changed behind the one that runs again', async () => {
    const store = open();
    await execute(wide(20), 'x', { store, runId: 'r' });

    const forked = await fork('r', { store, from: 's4' });

    const kept = (await store.loadRun(forked)) as RunState;
    expect(sorted(kept)).toEqual({ list: names(20).filter((name) => name !== 'x4'), count: 19 });
    const { state } = await lastValueFrom(resume(wide(20), forked, { store }));
    expect(sorted(state)).toEqual({ list: names(20), count: 20 });
  });

  it('comes back with a snapshot, as it was then', async () => {
    const store = open();
    const flow = withPolicy(chain('flow', noted, noted), { shared: { initial } });
    const policy = ({ event }: { readonly event: RunEvent }) =>
      event.type === 'step.completed' && event.path === 'noted' ? 'first' : undefined;
    await lastValueFrom(run(flow, 'a', { store, runId: 'r' }).pipe(saveTo(policy, { store })));
    await until(async () => (await store.snapshots.list()).length === 1);
    const [first] = await store.snapshots.list();

    const runId = await restore(first?.snapshotId as string, { store });
    const restored = (await store.loadRun(runId))?.shared;

    expect((await lastValueFrom(resume(flow, runId, { store }))).state.shared).toEqual({
      list: ['a', 'a'],
      count: 2,
    });
    expect(restored).toEqual({ list: ['a'], count: 1 });
  });

  it('drops what a step changed whose saved result is dropped', async () => {
    const store = open();
    const made = (version: number) =>
      workflow(
        'made',
        (input: Wire<string>, step) => [
          step(
            'a',
            agent(
              'noted',
              (text: string, context: Context) => {
                note(text, context);
              },
              { version },
            ),
            input,
          ),
          step('b', noted, input),
        ],
        { shared: { initial } },
      );
    await execute(made(1), 'x', { store, runId: 'r' });

    const again = await execute(made(2), 'x', { store, runId: 'r', onMismatch: 'actual' });

    expect(again.shared).toEqual({ list: ['x', 'x'], count: 2 });
    expect(folded(await eventsOf(store, 'r')).shared).toEqual(again.shared);
  });

  it('moves with the run into another store', async () => {
    const store = open();
    const flow = withPolicy(chain('flow', noted, approval('sure', t.string), noted), { shared: { initial } });
    await execute(flow, 'a', { store, runId: 'r' });
    const other = memoryStore();
    await other.importRun(JSON.parse(JSON.stringify(await store.loadRun('r'))) as never);
    await answer('r', 'sure', 'b', { store: other });

    expect((await execute(flow, 'a', { store: other, runId: 'r' })).shared).toEqual({
      list: ['a', 'b'],
      count: 2,
    });
  });
});

describe('context.shared', () => {
  it('is what others have changed so far, with what this call has changed', async () => {
    const seen: unknown[] = [];
    const reads = agent('reads', async (text: string, context: Context) => {
      seen.push(context.shared.list);
      note(text, context);
      seen.push(context.shared.list);
      await context.call('nested', noted, 'n');
      seen.push(context.shared.list);
      return text;
    });
    const flow = workflow('flow', (input: Wire<string>, step) => step('b', reads, step('a', noted, input)), {
      shared: { initial },
    });

    const { shared } = await execute(flow, 'x');

    expect(seen).toEqual([['x'], ['x', 'x'], ['x', 'n', 'x']]);
    expect(shared).toEqual({ list: ['x', 'n', 'x'], count: 3 });
  });

  it('is frozen, and what was put into it stays the caller’s own', async () => {
    const own = { tags: ['a'] };
    const flow = workflow(
      'flow',
      (input: Wire<string>, step) =>
        step(
          'a',
          (_: string, context) => {
            context.update((draft) => {
              draft.items.push(own);
            });
            own.tags.push('b');
            expect(() => (context.shared.items as unknown[]).push(1)).toThrow(TypeError);
            expect(() => (context.shared.items[0]?.tags as string[]).push('c')).toThrow(TypeError);
          },
          input,
        ),
      { shared: { initial: { items: [] as { readonly tags: readonly string[] }[] } } },
    );

    const { shared, status } = await execute(flow, 'x');

    expect(status).toBe('COMPLETED');
    expect(shared).toEqual({ items: [{ tags: ['a'] }] });
    expect(own).toEqual({ tags: ['a', 'b'] });
  });

  it('is undefined where nothing is shared, and update() says so by name', async () => {
    const seen: unknown[] = [];
    const reads = agent('reads', (_: string, context) => void seen.push(context.shared));

    await execute(reads, 'x');
    const { error } = await execute(noted, 'x');

    expect(seen).toEqual([undefined]);
    expect(error).toMatchObject({ code: 'NO_SHARED_STATE', path: 'noted', retryable: false });
  });

  it('may be a number, or whatever the recipe gives', async () => {
    const flow = workflow(
      'flow',
      (input: Wire<number>, step) =>
        [1, 2, 3].map((n) =>
          step(
            `add${String(n)}`,
            (_: number, context) => {
              context.update((sum) => sum + n);
            },
            input,
          ),
        ),
      { shared: { initial: 10 } },
    );
    expect((await execute(flow, 1)).shared).toBe(16);
  });
});

describe('context.update()', () => {
  it('goes through the reduce of the workflow', async () => {
    interface Action {
      readonly add: string;
    }
    const flow = workflow(
      'flow',
      (input: Wire<readonly string[]>, step) =>
        step(
          'all',
          each(
            'all',
            agent('add', (text: string, { update }: StepContext<Board, Action>) => update({ add: text })),
          ),
          input,
        ),
      {
        shared: {
          initial,
          reduce: (draft: { list: string[]; count: number }, { add }: Action) => {
            draft.list.push(add.toUpperCase());
            draft.count += 1;
          },
        },
      },
    );
    expect((await execute(flow, ['a', 'b'])).shared).toEqual({ list: ['A', 'B'], count: 2 });
  });

  it('is refused by name for what cannot be kept, what is not done at once, and what no reduce takes', async () => {
    const failing = (change: (context: StepContext<Board, unknown>) => void) =>
      execute(
        workflow(
          'flow',
          (input: Wire<number>, step) =>
            step(
              'a',
              agent('a', (_: number, context: StepContext<Board, unknown>) => {
                change(context);
              }),
              input,
            ),
          {
            shared: { initial },
          },
        ),
        1,
      );
    const date = await failing(({ update }) => {
      update((draft) => void Object.assign(draft, { at: new Date(0) }));
    });
    const late = await failing(({ update }) => {
      update((async () => Promise.resolve()) as never);
    });
    const action = await failing(({ update }) => {
      update({ add: 'a' });
    });

    expect(date.error).toMatchObject({ code: 'UNSAVABLE_VALUE', path: 'a' });
    expect(late.error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(action.error?.message).toContain('its workflow has no "reduce"');
    expect([date, late, action].map(({ shared }) => shared)).toEqual([initial, initial, initial]);
  });

  it('is refused by name where the state is changed piece by piece into what cannot be kept', async () => {
    type Free = Record<string, unknown>;
    const failing = (change: (draft: Free) => void, times = 1) =>
      execute(
        workflow(
          'flow',
          (input: Wire<number>, step) =>
            step(
              'a',
              agent('a', (_: number, { update }: StepContext<Free>) => {
                for (let time = 0; time < times; time += 1) update(change as never);
              }),
              input,
            ),
          { shared: { initial: { list: [1, 2] } } },
        ),
        1,
      );
    const deepen = (draft: Free): void => {
      let at = draft;
      while (at['next'] !== undefined) at = at['next'] as Free;
      at['next'] = {};
    };
    const list = ({ list: given }: Free) => given as unknown[];
    const refused = await Promise.all([
      failing(deepen, 256),
      failing((draft) => void list(draft).push(undefined)),
      failing((draft) => void (list(draft)[1] = undefined)),
      failing((draft) => void (list(draft).length = 4)),
      failing((draft) => void (draft[String(Object.keys(draft).length)] = 'x'.repeat(1024 * 1024)), 16),
    ]);

    expect(refused.map(({ error }) => [error?.code, error?.message.split(';')[0]])).toEqual([
      ['UNSAVABLE_VALUE', expect.stringContaining('.next… is nested deeper than 256')],
      ['UNSAVABLE_VALUE', 'Cannot save a value of step "a": .list[2] is undefined inside an array'],
      ['UNSAVABLE_VALUE', 'Cannot save a value of step "a": .list[1] is undefined inside an array'],
      ['UNSAVABLE_VALUE', 'Cannot save a value of step "a": .list[2] is undefined inside an array'],
      ['UNSAVABLE_VALUE', 'Cannot save a value of step "a": it is larger than 16777216 bytes'],
    ]);
    expect((await failing(deepen, 255)).status).toBe('COMPLETED');
  });

  it('that comes when the call is over changes nothing and is told', async () => {
    let tell = (): void => undefined;
    const isNoted = new Promise<void>((resolve) => (tell = resolve));
    const late = workflow(
      'late',
      (input: Wire<string>, step) => [
        step(
          'a',
          (text: string, context) => {
            setTimeout(() => {
              note(text, context);
              tell();
            }, 5);
          },
          input,
        ),
        step('b', () => isNoted, input),
      ],
      { shared: { initial } },
    );
    const told = collect(run(late, 'x'));
    await until(() => told.ended !== 'open');

    expect(told.transitions.at(-1)?.state.shared).toEqual(initial);
    expect(told.events).toContainEqual(
      expect.objectContaining({
        type: 'step.logged',
        level: 'WARNING',
        message: expect.stringContaining('updates the shared state') as string,
      }),
    );
  });

  it('is made in every step that asks for the same answer, although the answer could be cached', async () => {
    const cached = agent(
      'cached',
      (text: string, context: Context) => {
        note(text, context);
        return text;
      },
      { cache: {} },
    );
    const flow = workflow(
      'flow',
      (input: Wire<string>, step) => [
        step('a', cached, input),
        step('b', cached, input),
        step('c', cached, step('d', noted, input)),
      ],
      { shared: { initial } },
    );
    const store = memoryStore();
    expect((await execute(flow, 'x', { store })).shared).toMatchObject({ count: 4 });
    expect((await execute(flow, 'x', { store })).shared).toMatchObject({ count: 4 });
  });
});

describe('the shared state of a workflow below another', () => {
  const inner = workflow(
    'inner',
    (input: Wire<string>, step) => step('second', noted, step('first', noted, input)),
    {
      shared: { initial },
    },
  );
  const outer = workflow(
    'outer',
    (input: Wire<readonly string[]>, step) => {
      const all = step('all', each('all', inner), input);
      return step(
        'sum',
        (_: unknown, context) => {
          context.update((draft) => {
            draft.sum += 1;
          });
        },
        all,
      );
    },
    { shared: { initial: { sum: 0 } } },
  );

  it('is its own, in its row, once for each item', async () => {
    const state = await execute(outer, ['a', 'b']);

    expect(state.shared).toEqual({ sum: 1 });
    expect(state.steps.get('all[0]/inner')?.shared).toEqual({ list: ['a', 'a'], count: 2 });
    expect(state.steps.get('all[1]/inner')?.shared).toEqual({ list: ['b', 'b'], count: 2 });
  });

  it('is the same wherever the process dies', async () => {
    const store = recordingStore(memoryStore());
    const whole = await execute(outer, ['a', 'b'], { store, runId: 'r' });
    for (const { store: left } of crashPoints(store, 'r')) {
      const { state } = await lastValueFrom(resume(outer, 'r', { store: left }));
      for (const path of ['all[0]/inner', 'all[1]/inner'])
        expect(state.steps.get(path)?.shared).toEqual(whole.steps.get(path)?.shared);
      expect(state.shared).toEqual({ sum: 1 });
    }
  });

  it('of a fork keeps what the steps that it keeps have changed', async () => {
    const store = memoryStore();
    await execute(outer, ['a', 'b'], { store, runId: 'r' });
    const forked = await fork('r', { store, from: 'all[1]/inner/second' });

    expect((await store.loadRun(forked))?.steps.get('all[1]/inner')?.shared).toEqual({
      list: ['b'],
      count: 1,
    });
    expect((await store.loadRun(forked))?.shared).toEqual({ sum: 0 });
    const { state } = await lastValueFrom(resume(outer, forked, { store }));
    expect(state.steps.get('all[1]/inner')?.shared).toEqual({ list: ['b', 'b'], count: 2 });
    expect(state.shared).toEqual({ sum: 1 });
  });

  it('is that of the nearest one: a workflow without one uses the one above', async () => {
    const plain = workflow('plain', (input: Wire<string>, step) => step('note', noted, input));
    const above = workflow('above', (input: Wire<string>, step) => step('plain', plain, input), {
      shared: { initial },
    });

    expect((await execute(above, 'x')).shared).toEqual({ list: ['x'], count: 1 });
  });

  it('goes on where its workflow is tried again', async () => {
    const flaky = workflow(
      'flaky',
      (input: Wire<string>, step) =>
        step(
          'fails',
          (text: string, context) => {
            note(text, context);
            if (context.attempt === 1) throw new Error('once');
          },
          step('note', noted, input),
        ),
      { shared: { initial }, retry: 1 },
    );
    const state = await execute(
      workflow('root', (input: Wire<string>, step) => step('flaky', flaky, input)),
      'x',
    );

    expect(state.steps.get('flaky')).toMatchObject({ attempts: 2, shared: { list: ['x', 'x'], count: 2 } });
  });

  it('is there in a plain pipe too, for as long as the input is handled', async () => {
    const sum = workflow(
      'sum',
      (input: Wire<string>, step) =>
        step('read', (_: unknown, context) => context.shared.count, step('note', noted, input)),
      { shared: { initial } },
    );
    expect(await lastValueFrom(of('a', 'b').pipe(sum, toArray()))).toEqual([1, 1]);
  });

  it('counts the rounds of a loop', async () => {
    const round = agent('round', (n: number, context: Context) => {
      note(String(n), context);
      return n + 1;
    });
    const flow = withPolicy(loop('rounds', round, { until: (n) => n === 4, max: 9 }), {
      shared: { initial },
    });
    expect((await execute(flow, 1)).shared).toEqual({ list: ['1', '2', '3'], count: 3 });
  });
});

describe('workflow({ shared })', () => {
  it('refuses what cannot be a state, by name', () => {
    const made = (shared: unknown) => () =>
      workflow('flow', (input: Wire<string>) => input, { shared: shared as never });

    expect(made({})).toThrow('shared needs what it begins with');
    expect(made({ initial: { at: new Date(0) } })).toThrow('shared.initial must be a value that JSON keeps');
    expect(made({ initial: 0, reduce: 1 })).toThrow('shared.reduce must be a function, got number');
    expect(() => withPolicy(noted, { shared: { initial } })).toThrow('only what runs several steps');
  });
});
