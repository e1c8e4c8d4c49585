import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import { firstValueFrom } from 'rxjs';

import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  saga,
  withPolicy,
  workflow,
} from '../../index';
import type { Agent, RunState, Store, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';
import { everyStore } from '../support/everyStore';
import { until } from '../support/until';

type Any = Agent<unknown, unknown>;

/** A chain of what does not fit together by its types. */
const linked = (name: string, ...links: readonly Agent<never, unknown>[]): Any =>
  chain(name, ...(links as [Any]));

let log: string[] = [];

beforeEach(() => {
  log = [];
});

const book = (name: string, takesMs = 1) =>
  agent(
    name,
    async (input: unknown, { signal }) => {
      await wait(takesMs, undefined, { signal });
      log.push(name);
      return input;
    },
    {
      compensate: async (_, { idempotencyKey }) => {
        await wait(1);
        log.push(`undo ${name} ${idempotencyKey.slice(idempotencyKey.indexOf('/') + 1)}`);
      },
    },
  );
/** Waits until the first booking is on record. */
const hasBooked = async (): Promise<void> => {
  while (!log.some((line) => line.startsWith('b1'))) await wait(1);
  await wait(10);
};
const refuse = agent('refuse', async (): Promise<never> => {
  await wait(1);
  throw new Error('declined');
});
const undone = () => log.filter((line) => line.startsWith('undo ')).map((line) => line.split(' ')[1] ?? '');

/** How often each booking was undone, over the life that was killed at this event and the lives after it. */
async function undoneFromEveryEvent(open: () => Store, self: Any, lives = 2): Promise<void> {
  const recording = recordingStore(open());
  await execute(self, 1, { store: recording, runId: 'r' });
  for (const { after, store, state } of crashPoints(recording, 'r')) {
    if (state.status !== 'RUNNING') continue;
    log = [];
    const before = [...state.steps]
      .filter(({ agent: name, status }) => name.startsWith('undo ') && status === 'COMPLETED')
      .map(({ agent: name }) => name.slice(5));
    let last: RunState | undefined;
    for (let life = 0; life < lives; life += 1) last = await execute(self, 1, { store, runId: 'r' });
    const booked = [...(last?.steps ?? [])].filter(
      ({ agent: name, status }) => name.startsWith('b') && status === 'COMPLETED',
    );
    const standing = booked.filter(({ stepId }) => !isUndone(last, stepId)).map(({ stepId }) => stepId);
    expect({ after: after.type, standing }).toEqual({ after: after.type, standing: [] });
    const all = [...before, ...undone()];
    expect([after.seq, new Set(all).size]).toEqual([after.seq, all.length]);
    // What is late was stopped; how many of the others there are depends on how busy the machine is.
    expect(['b1', 'b2', 'b3']).toEqual(expect.arrayContaining(all));
  }
}

function isUndone(state: RunState | undefined, path: string): boolean {
  const name = path.split('/').at(-1) ?? '';
  return [...(state?.steps ?? [])].some(
    ({ agent: of, status }) => of === `undo ${name}` && status === 'COMPLETED',
  );
}

describe.each(everyStore)('a step that undoes (%s)', (_where, open) => {
  it('is named after what it undoes, and so is its key', async () => {
    const self = linked('c', saga('s', linked('w', book('b1'), each('e', book('b2')), refuse)));

    const state = await execute(self, [1, 2] as unknown, { store: open(), runId: 'r' });

    expect([...state.steps].map(({ stepId }) => stepId).filter((path) => path.includes('undo'))).toEqual([
      's/undo["w\\u002fe\\u005b1\\u005d\\u002fb2"]',
      's/undo["w\\u002fe\\u005b0\\u005d\\u002fb2"]',
      's/undo["w\\u002fb1"]',
    ]);
    expect(log.slice(3)).toEqual([
      'undo b2 s/w/e[1]/b2//undo',
      'undo b2 s/w/e[0]/b2//undo',
      'undo b1 s/w/b1//undo',
    ]);
  });

  it('keeps its key whichever saga undoes', async () => {
    let fails = true;
    const keys: string[] = [];
    const room = agent('room', () => 1, {
      compensate: (_, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        if (fails) throw new Error('no connection');
      },
    });
    const self = saga('outer', linked('o', saga('inner', linked('w', room, refuse))));
    const store = open();
    await execute(self, 1, { store, runId: 'r' });
    fails = false;
    await execute(self, 1, { store, runId: 'r' });
    await execute(self, 1, { store, runId: 'r' });

    expect(keys.length).toBeGreaterThan(1);
    expect(new Set(keys).size).toBe(1);
    const last = await execute(self, 1, { store, runId: 'r' });
    expect([...last.steps].filter(({ agent: name }) => name === 'undo room').at(-1)?.status).toBe(
      'COMPLETED',
    );
  });

  it('is not begun for another step when the definition has changed meanwhile', async () => {
    const made = (...names: readonly string[]) =>
      saga('s', linked('w', ...names.map((name) => book(name)), refuse));
    const recording = recordingStore(open());
    await execute(made('b1', 'b2'), 1, { store: recording, runId: 'r' });
    for (const { after, store } of crashPoints(recording, 'r')) {
      if (after.type !== 'step.completed' || !after.path.startsWith('undo["w\\u002fb2')) continue;
      log = [];
      await execute(made('b1', 'b2', 'b3'), 1, { store, runId: 'r', onMismatch: 'actual' });
      expect(log).toEqual(['undo b1 w/b1//undo']);
    }
    expect.assertions(1);
  });

  for (const [where, around] of Object.entries<(order: Any) => Any>({
    'is the run itself': (order) => order,
    'is a part of the run': (order) => linked('c', order),
  })) {
    it(`is not forgotten because the input has changed meanwhile, where its saga ${where}`, async () => {
      const self = around(saga('s', linked('w', book('b1'), book('b2'), refuse)));
      const recording = recordingStore(open());
      await execute(self, 1, { store: recording, runId: 'r' });
      const half = [...crashPoints(recording, 'r')].find(
        ({ after }) => after.type === 'step.completed' && after.agent === 'undo b2',
      );
      log = [];

      await execute(self, 2, { store: half?.store ?? open(), runId: 'r', onMismatch: 'actual' });

      expect(log.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['undo b1']);
    });
  }

  for (const [name, limited] of Object.entries<(work: Any, limit: object) => Any>({
    'of its agent': (work, limit) => withPolicy(work, { limit }),
    'given at its step': (work, limit) =>
      workflow('f', (input: Wire<unknown>, step) => step('book', work, input, { limit: limit })),
    'of each item': (work, limit) =>
      linked(
        'k',
        agent('list', (input: unknown) => [input]),
        each('e', withPolicy(work, { limit })),
      ),
  })) {
    it(`is under the keyed limit ${name}`, async () => {
      const under = new Map<string, number>();
      let most = 0;
      let together = 0;
      const work = agent('b1', (input: unknown) => input, {
        compensate: async (input) => {
          const key = String(input).slice(0, 1);
          under.set(key, (under.get(key) ?? 0) + 1);
          most = Math.max(most, under.get(key) ?? 0);
          together = Math.max(together, [...under.values()].filter((count) => count > 0).length);
          await until(() => together > 1);
          await wait(5);
          under.set(key, (under.get(key) ?? 0) - 1);
        },
      });
      const limit = { concurrency: 1, key: (input: unknown) => String(input).slice(0, 1) };
      const self = saga('s', linked('w', limited(work, limit), refuse));

      await Promise.all(['a1', 'a2', 'b1', 'a3', 'b2'].map((input) => execute(self, input)));

      expect([most, together]).toEqual([1, 2]);
    });
  }
});

describe.each(everyStore)('undoing that a crash has cut off (%s)', (_where, open) => {
  const slow = (...parts: readonly string[]) =>
    saga('s', linked('w', ...parts.map((part) => book(part)), book('late', 60_000)));

  it('goes on in the next life where a race was lost', async () => {
    await undoneFromEveryEvent(
      open,
      firstOf(
        'race',
        linked(
          'quick',
          agent('q', () => wait(80)),
        ),
        slow('b1', 'b2'),
      ),
    );
  });

  it('goes on where a lost race is a part of the run, and sagas stand within sagas', async () => {
    const loser = saga('t', linked('v', book('b3'), slow('b1', 'b2')));
    await undoneFromEveryEvent(
      open,
      linked(
        'c',
        firstOf(
          'race',
          agent('q', () => wait(80)),
          loser,
        ),
        agent('after', () => 1),
      ),
    );
  });

  it('goes on where a time limit has stopped a saga', async () => {
    const limited = workflow('f', (input: Wire<unknown>, step) =>
      step('s', slow('b1', 'b2'), input, { timeoutMs: 80 }),
    );
    await undoneFromEveryEvent(
      open,
      fallback(
        'f',
        limited,
        agent('other', () => 'other'),
      ),
      1,
    );
  });

  it('goes on where a step beside a saga has failed', async () => {
    const boom = agent('boom', async () => {
      await wait(80);
      throw new Error('boom');
    });
    const beside = workflow('w', (input: Wire<unknown>, step) => ({
      s: step('s', slow('b1', 'b2'), input),
      b: step('b', saga('t', boom), input),
    }));
    await undoneFromEveryEvent(
      open,
      fallback(
        'f',
        beside,
        agent('other', () => 'other'),
      ),
      1,
    );
  });
});

describe.each(everyStore)('undoing within which the process has died too often (%s)', (_where, open) => {
  const order = saga('s', linked('w', book('b1'), book('b2'), refuse));

  /** Where the run stood when it had begun to undo the later booking. */
  async function diedUndoing(self: Any): Promise<Store> {
    const recording = recordingStore(open());
    await execute(self, 1, { store: recording, runId: 'r' });
    const point = [...crashPoints(recording, 'r')].find(
      ({ after }) => after.type === 'step.started' && after.agent === 'undo b2',
    );
    if (point === undefined) throw new Error('has not undone');
    const store = open();
    await store.importRun(point.state);
    log = [];
    return store;
  }

  it('is a failure of the saga, keeps nothing else from being undone, and is tried again by a resume', async () => {
    const store = await diedUndoing(order);
    const life = () => execute(order, 1, { store, runId: 'r', maxCrashes: 1 });

    const first = await life();
    expect([first.status, first.error?.code]).toEqual(['FAILED', 'COMPENSATION_FAILED']);
    expect(undone()).toEqual(['b1']);

    const second = await life();
    expect([second.status, second.error?.message]).toEqual(['FAILED', 'declined']);
    expect(undone()).toEqual(['b1', 'b2']);
  });

  it('stays on record as failed where the run has gone on without the saga', async () => {
    const self = fallback<unknown, unknown, unknown>(
      'f',
      order,
      agent('other', () => 'other'),
    );
    const store = await diedUndoing(self);

    const { status, steps } = await execute(self, 1, { store, runId: 'r', maxCrashes: 1 });

    expect([status, undone()]).toEqual(['COMPLETED', ['b1']]);
    expect([...steps].find(({ agent: name }) => name === 'undo b2')).toMatchObject({
      status: 'FAILED',
      error: { code: 'POISON_STEP' },
    });
  });
});

describe.each(everyStore)('a saga that completes while another one wins (%s)', (_where, open) => {
  it('is undone too', async () => {
    const self = firstOf('race', saga('s', book('b1', 0)), saga('t', book('b2', 0)));

    const state = await execute(self, 1, { store: open(), runId: 'r' });

    expect(state.status).toBe('COMPLETED');
    expect(log.filter((line) => !line.startsWith('undo')).length - undone().length).toBe(1);
  });
});

describe.each(everyStore)('a run that is cancelled again (%s)', (_where, open) => {
  it('ends as cancelled also when all was undone before', async () => {
    const self = saga('s', linked('w', book('b1'), book('late', 60_000)));
    const recording = recordingStore(open());
    const ended = execute(self, 1, { store: recording, runId: 'r' });
    await hasBooked();
    await cancel('r', { store: recording });
    await ended;
    for (const { state, store } of crashPoints(recording, 'r')) {
      if (state.status !== 'RUNNING') continue;
      await cancel('r', { store });
      expect((await execute(self, 1, { store, runId: 'r' })).status).toBe('CANCELLED');
    }
  });
});

describe.each(everyStore)('what was made of something that is undone (%s)', (_where, open) => {
  it('is not taken from the cache any more', async () => {
    const room = book('b1');
    for (const made of [
      withPolicy(
        linked(
          'trip',
          room,
          agent('ticket', (input: unknown) => input),
        ),
        { cache: {} },
      ),
      agent('inside', async (input: unknown, { step }) => firstValueFrom(step('b1', room, input)), {
        cache: {},
      }),
      withPolicy(saga('part', room), { cache: {} }),
    ]) {
      log = [];
      const store = open();
      await execute(saga('s', linked('w', made, refuse), { dynamic: [room] }), 1, { store });
      await execute(saga('s', linked('w', made), { dynamic: [room] }), 1, { store });
      expect(log.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['b1', 'undo b1', 'b1']);
    }
  });
});

describe.each(everyStore)('a compensation that asks a person (%s)', (_where, open) => {
  const ask = approval('ok', t.boolean);
  const asks = agent('b1', () => log.push('b1'), {
    compensate: async (_, { step }) => {
      await firstValueFrom(step('ok', ask, 'refund?'));
      log.push('undo b1');
    },
  });

  it('lets the run rest, and goes on with the answer', async () => {
    const self = saga('s', linked('w', asks, refuse));
    const store = open();

    const resting = await execute(self, 1, { store, runId: 'r' });
    expect(resting.status).toBe('SUSPENDED');
    const [path = ''] = [...resting.steps]
      .filter(({ status }) => status === 'SUSPENDED')
      .map((row) => row.stepId);
    await answer('r', path, true, { store });

    expect((await execute(self, 1, { store, runId: 'r' })).status).toBe('FAILED');
    expect(log).toEqual(['b1', 'undo b1']);
  });

  it('lets a run rest that is being cancelled', async () => {
    const self = saga('s', linked('w', asks, book('late', 60_000)));
    const store = open();
    const ended = execute(self, 1, { store, runId: 'r' });
    await hasBooked();
    await cancel('r', { store });

    const resting = await Promise.race([ended, wait(15_000, undefined, { ref: false })]);
    expect(resting).toMatchObject({ status: 'SUSPENDED' });
    const [path = ''] = [...(resting as RunState).steps]
      .filter(({ status }) => status === 'SUSPENDED')
      .map((row) => row.stepId);
    await answer('r', path, true, { store });
    await execute(self, 1, { store, runId: 'r' });

    expect(log).toEqual(['b1', 'undo b1']);
  });
});

describe.each(everyStore)('a cancelled run whose undoing fails (%s)', (_where, open) => {
  let isOpen = false;
  const stuck = agent('stuck', () => 1, {
    compensate: () => {
      if (!isOpen) throw new Error('the bank is closed');
      log.push('undo stuck');
    },
  });
  const hangs = agent('hangs', (_input: unknown, { signal }) => wait(60_000, undefined, { signal }));
  const order = saga('s', linked('w', book('b1'), stuck, hangs));

  it('says which step is not undone and why, and undoes it when it is resumed', async () => {
    isOpen = false;
    const store = open();
    const life = execute(order, 1, { store, runId: 'r' });
    await until(async () => (await store.loadRun('r'))?.steps.get('w/hangs')?.status === 'RUNNING');
    await cancel('r', { store, reason: 'not wanted' });
    const state = await life;

    const error = {
      name: 'CompensationError',
      code: 'COMPENSATION_FAILED',
      message: 'Cannot undo step "w/stuck": the bank is closed; it was to be undone because of: not wanted',
      path: String.raw`undo["w\u002fstuck"]`,
    };
    expect(state).toMatchObject({ status: 'CANCELLED', reason: 'not wanted', error });
    expect(await store.loadRun('r')).toMatchObject({ status: 'CANCELLED', error });
    expect(await store.listRuns()).toMatchObject([
      { failedStep: error.path, error: `${error.name}: ${error.message}` },
    ]);
    expect(undone()).toEqual(['b1']);

    isOpen = true;
    const second = await execute(order, 1, { store, runId: 'r' });
    expect([second.status, second.error?.name]).toEqual(['FAILED', 'Cancelled']);
    expect(undone()).toEqual(['b1', 'stuck']);
  });

  it('has no error when all is undone', async () => {
    isOpen = true;
    const store = open();
    const life = execute(order, 1, { store, runId: 'r' });
    await until(async () => (await store.loadRun('r'))?.steps.get('w/hangs')?.status === 'RUNNING');
    await cancel('r', { store });

    expect(await life).not.toHaveProperty('error');
  });
});
