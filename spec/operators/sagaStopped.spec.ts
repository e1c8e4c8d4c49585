import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';

import {
  agent,
  approval,
  cancel,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  run,
  saga,
  sleep,
  withPolicy,
  workflow,
} from '../../index';
import type { Agent, RunState, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';
import { Clock } from '../support/clock';
import { everyStore } from '../support/everyStore';
import { until } from '../support/until';

let log: string[] = [];
/** Lets end what waits until the test says so. */
let goOn: () => void;
let goesOn: Promise<void>;

beforeEach(() => {
  log = [];
  goesOn = new Promise((resolve) => (goOn = resolve));
});

const book = (name: string, isHeld = false) =>
  agent(
    name,
    async (input: unknown, { signal }) => {
      await wait(1);
      if (signal.aborted) throw new Error('stopped');
      log.push(name);
      return input;
    },
    {
      compensate: async () => {
        log.push(`undo ${name}`);
        await (isHeld ? goesOn : wait(0));
        log.push(`undone ${name}`);
      },
    },
  );
/** Waits until this has been done. */
const heard = async (entry: string) => {
  while (!log.includes(entry)) await wait(1);
  // And is on record.
  await wait(5);
};
const patient = agent('patient', async (input: unknown, { signal }) => {
  await Promise.race([goesOn, new Promise((resolve) => signal.addEventListener('abort', resolve))]);
  return input;
});
const hasBooked = agent('has booked', async (input: unknown) => {
  await heard('book');
  return input;
});
const boom = agent('boom', async () => {
  await heard('book');
  throw new Error('boom');
});
const other = agent('other', () => 'other');
const booking = () => saga('s', chain('work', book('book'), patient));
const beside = (self: Agent<unknown, unknown>) =>
  workflow('w', (input: Wire<unknown>, step) => ({
    s: step('s', booking(), input),
    b: step('b', self, input),
  }));
const limited = () =>
  workflow('w', (input: Wire<unknown>, step) => step('s', booking(), input, { timeoutMs: 20 }));

describe.each(everyStore)('a saga that is stopped by what is around it (%s)', (_where, open) => {
  const undone: Record<string, () => Agent<unknown, unknown>> = {
    'its own time limit': limited,
    'a time limit that a fallback takes': () => fallback('f', limited(), other),
    'a step beside it that fails, and a fallback that takes it': () => fallback('f', beside(boom), other),
    'a race that it loses': () => firstOf('race', booking(), chain('quick', hasBooked, other)),
    'a saga beside it that goes back': () => beside(saga('t', chain('c', book('first'), boom))),
    'an item of an each whose saga goes back': () =>
      chain(
        'c',
        agent('items', () => [1, 2]),
        each(
          'e',
          saga(
            's',
            chain(
              'i',
              book('book'),
              agent('second', async (n: unknown) => {
                if (n === 2) await new Promise(() => undefined);
                await heard('book');
                throw new Error('one');
              }),
            ),
          ),
        ),
      ),
  };
  for (const [name, made] of Object.entries(undone)) {
    it(`is undone once: ${name}`, async () => {
      const store = open();

      const { status } = await execute(made(), 1, { store, runId: 'r' });
      const atTheEnd = log.slice();
      if (status === 'FAILED') await execute(made(), 1, { store, runId: 'r' });

      const bookings = log.filter((entry) => entry === 'book').length;
      expect(atTheEnd.filter((entry) => entry === 'undone book')).toHaveLength(bookings);
      expect(log).toEqual(atTheEnd);
    });
  }

  it.each<[string, (self: Agent<unknown, unknown>) => Agent<unknown, unknown>]>([
    ['itself', (self) => self],
    ['what it stands in', (self) => chain('around', self)],
  ])('is undone where the time limit of %s ends while the run rests', async (_of, within) => {
    const store = open();
    const asks = within(saga('s', chain('work', book('book'), approval<string>('ask', t.string))));
    const flow = fallback(
      'f',
      workflow('w', (input: Wire<unknown>, step) => step('part', asks, input, { timeoutMs: 1_000 })),
      other,
    );
    const life = async (at: number): Promise<RunState> => {
      const scheduler = new Clock(at);
      let state: RunState | undefined;
      void execute(flow, 1, { store, runId: 'r', scheduler }).then((last) => (state = last));
      await until(async () => {
        await scheduler.to(at);
        return state !== undefined;
      });
      return state as unknown as RunState;
    };
    const began = Date.now();
    expect((await life(began)).status).toBe('SUSPENDED');

    expect(await life(began + 1_050)).toMatchObject({ status: 'COMPLETED', output: 'other' });
    expect(log).toEqual(['book', 'undo book', 'undone book']);
    await store.close();
  });

  it('keeps what a resume needs when the run fails because of another step', async () => {
    let isDown = true;
    const flaky = agent('flaky', async () => {
      await heard('book');
      if (isDown) throw new Error('down');
      return 1;
    });
    const quick = saga('s', chain('work', book('book'), sleep('nap', 60)));
    const self = workflow('w', (input: Wire<unknown>, step) => ({
      s: step('s', quick, input),
      b: step('b', flaky, input),
    }));
    const store = open();

    expect((await execute(self, 1, { store, runId: 'r' })).status).toBe('FAILED');
    isDown = false;

    expect((await execute(self, 1, { store, runId: 'r' })).status).toBe('COMPLETED');
    expect(log).toEqual(['book']);
  });

  const failing = (isDown: () => boolean) =>
    agent('down', async (input: unknown) => {
      if (!isDown()) return input;
      await heard('book');
      throw new Error('down');
    });
  const innocent: Record<string, (down: Agent<unknown, unknown>) => Agent<unknown, unknown>> = {
    'a saga': (down) => beside(saga('t', down)),
    'a saga within a saga': (down) => beside(saga('t', saga('u', down))),
    'a saga in a chain': (down) => beside(chain('c', other, saga('t', down))),
    'a saga whose race is lost by all': (down) => beside(firstOf('f', saga('t', down), boom)),
  };
  for (const [name, around] of Object.entries(innocent)) {
    it(`keeps what a resume needs when what is beside it fails and had done nothing: ${name}`, async () => {
      let isDown = true;
      const self = around(failing(() => isDown));
      const store = open();

      const failed = await execute(self, 1, { store, runId: 'r' });
      isDown = false;
      goOn();
      const again = await execute(self, 1, { store, runId: 'r' });

      expect([failed.status, failed.error?.retryable, again.status]).toEqual(['FAILED', true, 'COMPLETED']);
      expect(log).toEqual(['book']);
    });
  }

  it('is tried again by a retry around it where it had done nothing', async () => {
    let isDown = true;
    const down = failing(() => isDown);
    const once = agent('once', async (input: unknown) => {
      const was = isDown;
      isDown = false;
      await wait(1);
      if (was) throw new Error('down');
      return input;
    });
    const self = withPolicy(chain('c', saga('t', chain('w', once, down)), book('book')), { retry: 1 });

    const { status } = await execute(self, 1, { store: open(), runId: 'r' });

    expect([status, ...log]).toEqual(['COMPLETED', 'book']);
  });

  it('is undone before what comes after it begins', async () => {
    const after = agent('after', () => log.push('after'));

    await execute(chain('c', firstOf('race', booking(), chain('quick', hasBooked, other)), after), 1);

    expect(log).toEqual(['book', 'undo book', 'undone book', 'after']);
  });
});

describe.each(everyStore)('a saga that goes back (%s)', (_where, open) => {
  const undos = (state: RunState) =>
    [...state.steps].filter(({ stepId }) => stepId.includes('undo[')).map(({ status }) => status);
  const slowly = (last: Agent<unknown, unknown>) =>
    saga('s', chain('work', book('a', true), book('b', true), last));
  const whole = ['a', 'b', 'undo b', 'undone b', 'undo a', 'undone a'];

  it('is not begun again by a cancel, and keeps its reason', async () => {
    const self = slowly(agent('last', () => Promise.reject(new Error('no room'))));
    const store = open();
    const ended = execute(self, 1, { store, runId: 'r' });
    await heard('undo b');
    await cancel('r', { store });
    await wait(20);
    goOn();

    const state = await ended;

    expect(log).toEqual(whole);
    expect(undos(state)).toEqual(['COMPLETED', 'COMPLETED']);
    expect((await execute(self, 1, { store, runId: 'r' })).error?.message).toBe('no room');
    expect(log).toEqual(whole);
  });

  it('is not begun again, or torn down, by a second cancel or an abort', async () => {
    const self = slowly(patient);
    const store = open();
    const controller = new AbortController();
    const ended = execute(self, 1, { store, runId: 'r', signal: controller.signal });
    await heard('b');
    await cancel('r', { store });
    await heard('undo b');
    await cancel('r', { store });
    controller.abort();
    await wait(20);
    goOn();

    expect((await ended).status).toBe('CANCELLED');
    expect(log).toEqual(whole);
  });

  it('goes on where it stood after a crash, though the cancel is heard again', async () => {
    const self = slowly(patient);
    const recording = recordingStore(open());
    const ended = execute(self, 1, { store: recording, runId: 'r' });
    await heard('b');
    await cancel('r', { store: recording });
    await heard('undo b');
    goOn();
    await ended;

    for (const { after, store } of crashPoints(recording, 'r')) {
      if (!('path' in after) || !after.path.includes('undo[')) continue;
      await cancel('r', { store }).catch(() => undefined);
      log = [];
      const state = await execute(self, 1, { store, runId: 'r' });
      expect(undos(state)).toEqual(['COMPLETED', 'COMPLETED']);
      await wait(25);
      const settled = log.slice();
      await execute(self, 1, { store, runId: 'r' });
      expect(log).toEqual(settled);
    }
  });

  it('is not torn down inside another one that is cancelled', async () => {
    const inner = saga(
      'inner',
      chain(
        'i',
        book('b', true),
        agent('last', () => Promise.reject(new Error('no'))),
      ),
    );
    const self = saga('outer', chain('o', book('a'), inner) as Agent<unknown, unknown>);
    const store = open();
    const ended = execute(self, 1, { store, runId: 'r' });
    await heard('undo b');
    await cancel('r', { store });
    await wait(20);
    goOn();

    await ended;

    expect(log).toEqual(['a', 'b', 'undo b', 'undone b', 'undo a', 'undone a']);
  });

  it('stops at once when its subscriber leaves, and goes on in the next life', async () => {
    const self = slowly(agent('last', () => Promise.reject(new Error('no room'))));
    const store = open();
    const left = run(self, 1, { store, runId: 'r' }).subscribe({ error: () => undefined });
    await heard('undo b');
    left.unsubscribe();
    const soFar = log.length;
    goOn();
    await wait(60);

    expect(log.filter((entry) => entry.startsWith('undo '))).toHaveLength(1);
    expect(log.length).toBeLessThanOrEqual(soFar + 1);
    expect(undos(await execute(self, 1, { store, runId: 'r' }))).toEqual(['COMPLETED', 'COMPLETED']);
  });
});
