import * as t from 'io-ts';
import { lastValueFrom, NEVER } from 'rxjs';

import type { Wire } from '../../lib/definition/wire';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import { RunError } from '../../lib/errors/runErrors';
import type { RunEvent } from '../../lib/model/event';
import type { RunState } from '../../lib/model/state';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { agent } from '../../operators/agents/agent';
import { approval } from '../../operators/agents/approval';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { fallback } from '../../operators/agents/fallback';
import { saga } from '../../operators/agents/saga';
import { workflow } from '../../operators/agents/workflow';
import { cancel } from '../../operators/runs/cancel';
import { outputs } from '../../operators/runs/outputs';
import { run } from '../../operators/runs/run';
import { explore } from '../../testing/index';
import { DateText } from '../support/dateText';
import { collect } from '../support/told';

/** The step that undoes another one for the saga that is run. */
const undoOf = (path: string): string => `undo["${path.replaceAll('/', '\\u002f')}"]`;

/** A world of bookings: what is done, and undone, in order. */
function world() {
  const log: string[] = [];
  const book = (name: string, fails: { undo?: number } = {}) =>
    agent(
      name,
      (_: unknown) => {
        log.push(name);
        return { id: `${name}-1` };
      },
      {
        compensate: ({ id }, { idempotencyKey }) => {
          if ((fails.undo ?? 0) > 0) {
            fails.undo = (fails.undo ?? 0) - 1;
            throw new Error('no connection');
          }
          log.push(`undo ${id} ${idempotencyKey.split('/').slice(1).join('/')}`);
        },
      },
    );
  const refuse = agent('refuse', (_: unknown): never => {
    log.push('refuse');
    throw new Error('card declined');
  });
  return { log, book, refuse };
}

describe('saga()', () => {
  it('gives what its agent gives, and undoes nothing', () => {
    const { log, book } = world();
    const order = saga('order', chain('steps', book('room'), book('car')));

    expect(collect(run(order, 'x')).transitions.at(-1)?.state.output).toEqual({ id: 'car-1' });
    expect(log).toEqual(['room', 'car']);
  });

  it('undoes what was done, last first, when the agent fails for good', () => {
    const { log, book, refuse } = world();
    const order = saga('order', chain('steps', book('room'), book('car'), refuse));
    const { error, told } = collect(run(order, 'x'));

    expect(log).toEqual([
      'room',
      'car',
      'refuse',
      'undo car-1 steps/car//undo',
      'undo room-1 steps/room//undo',
    ]);
    expect(told.slice(-6)).toEqual([
      'step.failed steps',
      `step.started ${undoOf('steps/car')}`,
      `step.completed ${undoOf('steps/car')}`,
      `step.started ${undoOf('steps/room')}`,
      `step.completed ${undoOf('steps/room')}`,
      'run.failed',
    ]);
    expect(error).toBeInstanceOf(RunError);
    expect((error as RunError).failure).toEqual({
      name: 'Error',
      message: 'card declined',
      path: 'steps/refuse',
      retryable: false,
    });
  });

  it('takes nothing away from under what was built on it, also in nested and dynamic steps', () => {
    const { log, book, refuse } = world();
    const hotel = book('hotel');
    const inner = workflow('inner', (input: Wire<unknown>, step) => {
      const a = step('a', book('a'), input);
      return step('c', book('c'), { a, b: step('b', book('b'), a) });
    });
    const trip = workflow('trip', (input: Wire<unknown>, step) => {
      const first = step('first', inner, input);
      const two = step('two', () => [1, 2], first);
      const all = step('all', each('all', book('item')), two);
      const dynamic = step(
        'dynamic',
        agent('dynamic', (_: unknown, ctx) => ctx.step('booking', hotel, 0)),
        all,
      );
      return step('end', refuse, dynamic);
    });
    collect(run(saga('order', trip, { dynamic: [hotel] }), 'x'));

    expect(log.filter((line) => line.startsWith('undo')).map((line) => line.split(' ')[1])).toEqual([
      'hotel-1',
      'item-1',
      'item-1',
      'c-1',
      'b-1',
      'a-1',
    ]);
  });

  it('is a failure that others can take up, and is undone once', () => {
    const { log, book, refuse } = world();
    const inner = saga('inner', chain('steps', book('room'), refuse));
    const other = agent('other', ({ error }: { error: { message: string } }) => error.message);
    const outer = saga('outer', chain('all', book('car'), fallback('try', inner, other), refuse));
    collect(run(outer, 'x'));

    expect(log).toEqual([
      'car',
      'room',
      'refuse',
      'undo room-1 all/try/inner/steps/room//undo',
      'refuse',
      'undo car-1 all/car//undo',
    ]);
  });

  it('goes back only, once it has begun to', () => {
    const { log, book, refuse } = world();
    const store = memoryStore();
    const order = saga('order', chain('steps', book('room'), refuse));
    const started = () => collect(run(order, 'x', { store, runId: 'r' }));
    started();
    const again = started();

    expect(log).toEqual(['room', 'refuse', 'undo room-1 steps/room//undo']);
    expect(again.told).toEqual(['run.started', 'run.failed'].map((one) => one.replace('started', 'resumed')));
    expect(again.error).toMatchObject({ failure: { message: 'card declined' } });
  });

  it('may be tried again where nothing was done yet', () => {
    const { log, refuse } = world();
    const store = memoryStore();
    const order = saga('order', chain('steps', refuse));
    collect(run(order, 'x', { store, runId: 'r' }));
    collect(run(order, 'x', { store, runId: 'r' }));

    expect(log).toEqual(['refuse', 'refuse']);
  });

  it('undoes the rest when one cannot be undone, says so, and tries that again', () => {
    const { log, book, refuse } = world();
    const store = memoryStore();
    const order = saga('order', chain('steps', book('room'), book('car', { undo: 1 }), refuse));
    const first = collect(run(order, 'x', { store, runId: 'r' }));
    expect(first.error).toMatchObject({
      failure: {
        name: 'CompensationError',
        message: 'Cannot undo step "steps/car": no connection; it was to be undone because of: card declined',
        path: undoOf('steps/car'),
      },
    });
    const second = collect(run(order, 'x', { store, runId: 'r' }));

    expect(log.slice(3)).toEqual(['undo room-1 steps/room//undo', 'undo car-1 steps/car//undo']);
    expect(second.error).toMatchObject({ failure: { message: 'card declined' } });
  });

  it('goes on undoing after a crash at any event', () => {
    const whole = world();
    const store = memoryStore();
    const order = ({ book, refuse }: ReturnType<typeof world>) =>
      saga('order', chain('steps', book('room'), book('car'), refuse));
    const { events } = collect(run(order(whole), 'x', { store, runId: 'r' }));
    events.forEach((_, index) => {
      const crashed = world();
      const rest = memoryStore();
      const claim = rest.claim('r') as { append(event: RunEvent): void; release(state: undefined): void };
      for (const event of events.slice(0, index + 1)) claim.append(event);
      claim.release(undefined);
      const { error } = collect(run(order(crashed), 'x', { store: rest, runId: 'r' }));
      const done = events
        .slice(0, index + 1)
        .flatMap((event) => (event.type === 'step.completed' ? [event.path] : []));

      expect([index, (error as RunError).failure.message]).toEqual([index, 'card declined']);
      expect([index, crashed.log.filter((line) => line.includes('undo')).length]).toEqual([
        index,
        2 - done.filter((path) => path.startsWith('undo')).length,
      ]);
    });
  });

  it('undoes everything that was done, dependants first, in whatever order that was', async () => {
    const after = { b: ['a'], c: ['a'], d: ['b', 'c'] } as const;
    const order = () => {
      const log: string[] = [];
      const book = (name: string) =>
        agent(name, async (_: unknown) => Promise.resolve(log.push(name)), {
          compensate: async () => Promise.resolve(log.push(`undo ${name}`)),
        });
      const steps = workflow('steps', (input: Wire<string>, step) => {
        const a = step('a', book('a'), input);
        const [b, c] = [step('b', book('b'), a), step('c', book('c'), a)];
        const d = step('d', book('d'), { b, c });
        const bad = step('bad', world().refuse, b);
        return { d, e: step('e', book('e'), input), bad };
      });
      return Object.assign(saga('order', steps), { log });
    };
    let latest = order();
    const made = () => (latest = order());
    const { orders } = await explore(made, {
      input: 'x',
      seeds: 100,
      invariant: ({ state }) => {
        const { log } = latest;
        const done = [...state.steps].filter(
          ({ stepId, status }) => /^steps\/[a-e]$/.test(stepId) && status === 'COMPLETED',
        );
        const undone = log.filter((line) => line.startsWith('undo')).map((line) => line.slice(5));
        expect(undone.toSorted()).toEqual(done.map(({ agent: name }) => name).toSorted());
        for (const [later, earlier] of Object.entries(after))
          for (const one of earlier)
            if (undone.includes(later)) expect(undone.indexOf(later)).toBeLessThan(undone.indexOf(one));
      },
    });

    expect(orders).toBeGreaterThan(10);
  });

  it('gives compensate the output in its own form', () => {
    const seen: unknown[] = [];
    const { refuse } = world();
    const when = agent('when', (_: string) => new Date(7), {
      output: DateText,
      compensate: (moment) => {
        seen.push(moment);
        return new Map();
      },
    });
    const { error } = collect(run(saga('s', chain('c', when, refuse)), 'x', { store: memoryStore() }));

    expect(seen).toEqual([new Date(7)]);
    expect((error as RunError).failure.message).toBe('card declined');
  });

  it('refuses two agents of one name', () => {
    const { book } = world();

    expect(() =>
      saga(
        's',
        chain(
          'c',
          book('a'),
          agent('a', () => 1),
        ),
      ),
    ).toThrow(DefinitionError);
    expect(() =>
      saga(
        's',
        agent('undo', () => 1),
      ),
    ).toThrow(DefinitionError);
  });

  describe('when the run is cancelled on request', () => {
    const waiting = ({ book }: ReturnType<typeof world>) =>
      saga(
        'order',
        chain(
          'steps',
          book('room'),
          agent('wait', (_: unknown) => NEVER),
        ),
      );

    it('undoes what was done and tells run.cancelled', () => {
      const there = world();
      const store = memoryStore();
      const controller = new AbortController();
      const seen = collect(run(waiting(there), 'x', { store, runId: 'r', signal: controller.signal }));
      controller.abort();

      expect(seen.ended).toBe('complete');
      expect(seen.told.slice(-5)).toEqual([
        'step.cancelled steps/wait',
        'step.cancelled steps',
        `step.started ${undoOf('steps/room')}`,
        `step.completed ${undoOf('steps/room')}`,
        'run.cancelled',
      ]);
      expect(there.log).toEqual(['room', 'undo room-1 steps/room//undo']);
      const again = collect(run(waiting(there), 'x', { store, runId: 'r' }));
      expect((again.error as RunError).failure.name).toBe('Cancelled');
      expect(there.log).toHaveLength(2);
    });

    it('does so for a run that rests, when it is resumed', async () => {
      const { log, book } = world();
      const store = memoryStore();
      const order = workflow('w', (input: Wire<string>, step) => {
        const before = step('before', book('before'), input);
        return step('order', saga('order', chain('steps', book('room'), approval('ok', t.boolean))), before);
      });
      const first = collect(run(order, 'x', { store, runId: 'r' }));
      expect(first.told.at(-1)).toBe('run.suspended');
      await cancel('r', { store, reason: 'too dear' });
      const second = collect(run(order, 'x', { store, runId: 'r' }));

      expect(log).toEqual(['before', 'room', 'undo room-1 order/steps/room//undo']);
      expect(second.events.at(-1)).toMatchObject({ type: 'run.cancelled', reason: 'too dear' });
    });

    it('undoes nothing when its subscriber leaves, until it is resumed', async () => {
      const there = world();
      const store = memoryStore();
      collect(run(waiting(there), 'x', { store, runId: 'r' })).leave?.();
      expect(there.log).toEqual(['room']);
      const controller = new AbortController();
      const resumed = run(waiting(there), 'x', { store, runId: 'r', signal: controller.signal });
      const { transitions } = collect(resumed);
      controller.abort();

      expect((transitions.at(-1)?.state as RunState).status).toBe('CANCELLED');
      expect(there.log).toEqual(['room', 'undo room-1 steps/room//undo']);
      await expect(
        lastValueFrom(run(waiting(there), 'x', { store, runId: 'r' }).pipe(outputs())),
      ).rejects.toThrow('undone');
    });
  });
});
