import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  delay,
  firstValueFrom,
  lastValueFrom,
  NEVER,
  of,
  retry,
  take,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import { map } from 'rxjs';

import { agent, chain, execute, lowdbStore, memoryStore, outputs, run, workflow } from '../../index';
import type { Store, Wire } from '../../index';
import { marbles } from '../support/marbles';
import { collect, told } from '../support/told';

const counted = <O>(name: string, work: (input: never) => O) => {
  const calls = jest.fn(work as (input: unknown) => O);
  return { calls, agent: agent(name, calls) };
};

/** Fails so many times, then gives its input back. */
const flaky = (name: string, failures: number) => {
  let left = failures;
  return counted(name, (x: number) => {
    if (left-- > 0) throw new Error(`${name} broke`);
    return x;
  });
};

describe('run()', () => {
  it('is cold: nothing happens before somebody subscribes', () => {
    const { calls, agent: work } = counted('work', () => 1);
    const cold = run(work, 1);
    expect(calls).not.toHaveBeenCalled();
    cold.subscribe();
    expect(calls).toHaveBeenCalledTimes(1);
  });

  it('adds no turn of the event loop: with synchronous agents all is told within subscribe', () => {
    const seen = collect(
      run(
        chain(
          'c',
          agent('a', (x: number) => x + 1),
        ),
        1,
        { store: memoryStore() },
      ),
    );
    expect(seen.ended).toBe('complete');
  });

  it('tells the state after each event, computed or not until somebody reads it', () => {
    const { transitions } = collect(
      run(
        chain(
          'c',
          agent('a', (x: number) => x + 1),
          agent('b', (x: number) => x * 2),
        ),
        1,
      ),
    );
    const later = transitions.map(({ state }) => [...state.steps].map(({ status }) => status).join());
    expect(later).toEqual([
      'PENDING,PENDING',
      'RUNNING,PENDING',
      'COMPLETED,PENDING',
      'COMPLETED,RUNNING',
      'COMPLETED,COMPLETED',
      'COMPLETED,COMPLETED',
    ]);
    expect(Object.keys(transitions[0]!)).toEqual(['event', 'state']);
  });

  it('tells events and transitions that nobody can change', () => {
    const { transitions } = collect(
      run(
        agent('a', (x: number) => x),
        1,
      ),
    );
    for (const transition of transitions) {
      expect(Object.isFrozen(transition)).toBe(true);
      expect(Object.isFrozen(transition.event)).toBe(true);
    }
  });

  describe('retry() of RxJS', () => {
    let folder: string;
    beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'millrace-'))));
    afterEach(async () => rm(folder, { recursive: true }));

    it.each([
      ['kept by the Observable', () => undefined],
      ['in memory', () => memoryStore()],
      ['on disk', () => lowdbStore(folder)],
    ])(
      'resumes a run %s: each finished step is called once in total',
      async (_where, open: () => Store | undefined) => {
        const store = open();
        const first = counted('first', (x: number) => x + 1);
        const second = counted('second', (x: number) => x * 2);
        const third = flaky('third', 2);
        const work = chain('work', first.agent, second.agent, third.agent);
        const options = store === undefined ? {} : { store };

        const result = await lastValueFrom(
          run(work, 1, options).pipe(retry({ count: 3, delay: 10 }), outputs()),
        );

        expect(result).toBe(4);
        expect([first, second, third].map(({ calls }) => calls.mock.calls.length)).toEqual([1, 1, 3]);
        await store?.close();
      },
    );

    it('errors with the failure when it gives up', async () => {
      const work = flaky('work', 9);
      const error = await lastValueFrom(run(work.agent, 1).pipe(retry(2))).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        name: 'RunError',
        failure: { message: 'work broke' },
        state: { life: 3 },
      });
    });
  });

  describe('a run that the store knows', () => {
    it('goes on in another Observable, and says how much is reused', async () => {
      const store = memoryStore();
      const first = counted('first', (x: number) => x + 1);
      const work = chain('work', first.agent, flaky('second', 1).agent);
      await execute(work, 1, { store, runId: 'r' });

      const seen = collect(run(work, 1, { store, runId: 'r' }));

      expect(seen.told).toEqual([
        'run.resumed',
        'step.started second',
        'step.completed second',
        'run.completed',
      ]);
      expect(seen.events[0]).toMatchObject({ life: 2, reused: 1 });
      expect(first.calls).toHaveBeenCalledTimes(1);
    });

    it('only tells its end again when it has completed', async () => {
      const store = memoryStore();
      const work = counted('work', (x: number) => x + 1);
      await execute(work.agent, 1, { store, runId: 'r' });
      const seen = collect(run(work.agent, 1, { store, runId: 'r' }));
      expect(seen.events).toEqual([
        expect.objectContaining({ type: 'run.completed', output: 2, replayed: true }),
      ]);
      expect(work.calls).toHaveBeenCalledTimes(1);
    });

    it('takes its input from the store when none is given', async () => {
      const store = memoryStore();
      const work = flaky('work', 1);
      await execute(work.agent, 7, { store, runId: 'r' });
      expect((await execute(work.agent, undefined as never, { store, runId: 'r' })).output).toBe(7);
    });

    it('is refused with another input, by name, and stays as it was', async () => {
      const store = memoryStore();
      const work = flaky('work', 1);
      await execute(work.agent, 7, { store, runId: 'r' });
      const before = JSON.stringify(await store.loadRun('r'));
      const error = collect(run(work.agent, 8, { store, runId: 'r' })).error;
      expect(error).toMatchObject({ name: 'InputMismatchError', runId: 'r' });
      expect(JSON.stringify(await store.loadRun('r'))).toBe(before);
    });

    it('is refused with another definition, by name, with the paths that differ', async () => {
      const store = memoryStore();
      const a = agent('a', (x: number) => x + 1);
      await execute(chain('work', a, flaky('b', 1).agent), 7, { store, runId: 'r' });
      const error = collect(
        run(
          chain(
            'work',
            a,
            agent('c', (x: number) => x),
          ),
          7,
          { store, runId: 'r' },
        ),
      ).error;
      expect(error).toMatchObject({
        name: 'DefinitionMismatchError',
        diff: { added: ['c'], removed: ['b'] },
      });
    });

    it("lets what is at hand win with onMismatch: 'actual', and keeps what does not depend on the change", async () => {
      const store = memoryStore();
      const left = counted('left', (x: number) => x + 1);
      const right = counted('right', (x: number) => x * 2);
      const old = workflow('w', (input: Wire<number>, step) => {
        const l = step('l', left.agent, input);
        const r = step('r', right.agent, input);
        const s = step('s', ({ r: x }) => x, { r });
        return step(
          'sum',
          flaky('sum', 1).agent,
          step('pair', ({ l: x, s: y }) => x + y, { l, s }),
        );
      });
      await execute(old, 3, { store, runId: 'r' });
      const changed = workflow('w', (input: Wire<number>, step) => {
        const l = step('l', left.agent, input);
        const r = step(
          'r',
          agent('other', (x: number) => x * 100),
          input,
        );
        const s = step('s', ({ r: x }) => x, { r });
        return step(
          'sum',
          flaky('sum', 0).agent,
          step('pair', ({ l: x, s: y }) => x + y, { l, s }),
        );
      });

      const seen = collect(run(changed, 3, { store, runId: 'r', onMismatch: 'actual' }));

      expect(seen.events.at(-1)).toMatchObject({ type: 'run.completed', output: 304 });
      expect(left.calls).toHaveBeenCalledTimes(1);
      expect(seen.events[0]).toMatchObject({ type: 'run.resumed', dropped: ['r', 's', 'pair', 'sum'] });
      expect(seen.events[1]).toMatchObject({ type: 'step.logged', level: 'WARNING' });
    });

    it("starts over with the new input with onMismatch: 'actual'", async () => {
      const store = memoryStore();
      const work = chain(
        'work',
        agent('a', (x: number) => x + 1),
        agent('b', (x: number) => x * 2),
      );
      await execute(work, 1, { store, runId: 'r' });
      expect((await execute(work, 5, { store, runId: 'r', onMismatch: 'actual' })).output).toBe(12);
    });
  });

  describe('leaving', () => {
    it('cancels: signals are aborted, nothing is told any more, and the run can be resumed', async () => {
      const store = memoryStore();
      const signals: AbortSignal[] = [];
      let isPatient = true;
      const work = agent('work', (x: number, { signal }) => {
        signals.push(signal);
        return isPatient ? NEVER : of(x);
      });
      const seen = collect(run(work, 1, { store, runId: 'r' }));
      seen.leave?.();

      expect(signals[0]?.aborted).toBe(true);
      expect(seen.told).toEqual(['run.started', 'step.started work']);
      expect(await store.loadRun('r')).toMatchObject({ status: 'CANCELLED' });
      isPatient = false;
      expect(await execute(work, 1, { store, runId: 'r' })).toMatchObject({ status: 'COMPLETED', life: 2 });
    });

    it('on the first event calls no agent', async () => {
      const work = counted('work', (x: number) => x);
      const store = memoryStore();
      await firstValueFrom(run(work.agent, 1, { store, runId: 'r' }).pipe(take(1)));
      expect(work.calls).not.toHaveBeenCalled();
      expect(await store.loadRun('r')).toMatchObject({ status: 'CANCELLED' });
    });

    it('when a step is about to start does not call it', () => {
      const work = counted('work', (x: number) => x);
      const types: string[] = [];
      run(work.agent, 1)
        .pipe(take(2))
        .subscribe(({ event }) => types.push(told(event)));
      expect(types).toEqual(['run.started', 'step.started work']);
      expect(work.calls).not.toHaveBeenCalled();
    });

    it('after the end changes nothing', async () => {
      const store = memoryStore();
      const seen = collect(
        run(
          agent('a', (x: number) => x),
          1,
          { store, runId: 'r' },
        ),
      );
      seen.leave?.();
      expect(await store.loadRun('r')).toMatchObject({ status: 'COMPLETED' });
    });

    it(
      'while a retry waits stops the waiting',
      marbles(({ expectObservable, scheduler }) => {
        const work = agent('work', () => throwError(() => new Error('no')), {
          retry: { count: 5, delayMs: 100 },
        });
        const types = run(work, 1, { scheduler }).pipe(
          map(({ event }) => event.type),
          take(3),
          toArray(),
        );
        expectObservable(types).toBe('(a|)', { a: ['run.started', 'step.started', 'step.retrying'] });
      }),
    );
  });

  it('lets one subscriber at a time carry a run on', () => {
    const patient = agent('patient', () => NEVER);
    const transitions = run(patient, 1);
    const first = collect(transitions);
    expect(collect(transitions).error).toMatchObject({ name: 'RunActiveError' });
    first.leave?.();
    const again = collect(transitions);
    expect(again.told[0]).toBe('run.resumed');
    again.leave?.();
  });

  it('is another run each time it is called', async () => {
    const work = agent('work', (x: number) => x);
    const [one, two] = [await execute(work, 1), await execute(work, 1)];
    expect(one.runId).not.toBe(two.runId);
    expect(one.runId < two.runId).toBe(true);
  });

  it('ends with the error of the store when that cannot be written, and acknowledges nothing', () => {
    const store = memoryStore();
    const broken: Store = {
      ...store,
      claim: (runId) => {
        const claim = store.claim(runId);
        if (claim instanceof Promise) throw new TypeError('not here');
        return {
          ...claim,
          append: (event) => {
            if (event.type === 'step.completed') throw new Error('disk full');
            void claim.append(event);
          },
        };
      },
    };
    const next = counted('next', (x: number) => x);
    const seen = collect(
      run(
        chain(
          'c',
          agent('a', (x: number) => x),
          next.agent,
        ),
        1,
        { store: broken },
      ),
    );
    expect(seen.error).toMatchObject({ message: 'disk full' });
    expect(seen.told).toEqual(['run.started', 'step.started a']);
    expect(next.calls).not.toHaveBeenCalled();
  });

  describe('in virtual time', () => {
    it(
      'waits between attempts and gives up in time',
      marbles(({ expectObservable, scheduler }) => {
        let failures = 2;
        const unsure = agent(
          'unsure',
          (x: string) => (failures-- > 0 ? throwError(() => new Error('no')) : of(x).pipe(delay(5))),
          {
            retry: { count: 3, delayMs: (_failure, attempt) => attempt * 10 },
          },
        );
        const work = chain(
          'work',
          unsure,
          agent('shout', (x: string) => x.toUpperCase()),
        );
        expectObservable(run(work, 'a', { scheduler }).pipe(outputs())).toBe('35ms (A|)');
      }),
    );

    it(
      'times an attempt out and tries again',
      marbles(({ expectObservable, scheduler }) => {
        let slowOnes = 1;
        const sometimes = agent('sometimes', (x: string) => of(x).pipe(delay(slowOnes-- > 0 ? 1_000 : 3)), {
          timeoutMs: 20,
          retry: 1,
        });
        const w = workflow('w', (input: Wire<string>, step) => {
          const a = step('a', sometimes, input);
          const b = step(
            'b',
            agent('b', (x: string) => of(x).pipe(delay(10))),
            input,
          );
          return step('join', ({ a: one, b: two }) => one + two, { a, b });
        });
        expectObservable(run(w, 'x', { scheduler }).pipe(outputs())).toBe('23ms (a|)', { a: 'xx' });
      }),
    );

    it(
      'times out a stream that falls silent',
      marbles(({ expectObservable, scheduler }) => {
        const stutters = agent('stutters', () => timer(0, 7).pipe(take(2), (ticks) => ticks.pipe(delay(0))), {
          idleTimeoutMs: 10,
        });
        const silent = agent('silent', () => timer(0, 50), { idleTimeoutMs: 10 });
        expectObservable(run(stutters, undefined, { scheduler }).pipe(outputs())).toBe('7ms (b|)', { b: 1 });
        expectObservable(run(silent, undefined, { scheduler }).pipe(outputs())).toBe(
          '10ms #',
          undefined,
          expect.objectContaining({ failure: expect.objectContaining({ name: 'StepTimeoutError' }) }),
        );
      }),
    );

    it(
      'stamps events and durations with the time of the scheduler',
      marbles(({ expectObservable, scheduler }) => {
        const work = agent('work', () => timer(1_500));
        const stamps = run(work, undefined, { scheduler, runId: 'r' }).pipe(
          map(({ event }) => ('duration' in event ? [event.at, event.duration] : event.at)),
          toArray(),
        );
        expectObservable(stamps).toBe('1500ms (a|)', { a: [0, 0, 1500, [1500, 1.5], [1500, 1.5]] });
      }),
    );
  });

  it('waits as long as it is told, also longer than a timer of Node can', () => {
    jest.useFakeTimers();
    try {
      let failures = 1;
      const patient = agent(
        'patient',
        () => {
          if (failures-- > 0) throw new Error('no');
          return 1;
        },
        { retry: { count: 1, delayMs: 40 * 24 * 3600 * 1000 } },
      );
      const seen = collect(run(patient));
      jest.advanceTimersByTime(39 * 24 * 3600 * 1000);
      expect(seen.ended).toBe('open');
      jest.advanceTimersByTime(2 * 24 * 3600 * 1000);
      expect(seen.ended).toBe('complete');
    } finally {
      jest.useRealTimers();
    }
  });

  describe('ctx.step', () => {
    it('runs durable steps below a function, decided while it runs', async () => {
      const store = memoryStore();
      const plan = counted('plan', (_: string) => ['a', 'b']);
      const look = counted('look', (topic: string) => topic.toUpperCase());
      let broken = true;
      const research = agent('research', async (question: string, ctx) => {
        const topics = await firstValueFrom(ctx.step('plan', plan.agent, question));
        const found: string[] = [];
        for (const topic of topics)
          found.push(await firstValueFrom(ctx.step(`look-${topic}`, look.agent, topic)));
        if (broken) throw new Error('broken');
        return found.join();
      });
      expect((await execute(research, 'why', { store, runId: 'r' })).status).toBe('FAILED');
      broken = false;
      const state = await execute(research, 'why', { store, runId: 'r' });

      expect(state.output).toBe('A,B');
      expect([...state.steps].map(({ stepId }) => stepId)).toEqual([
        'research',
        'research/plan',
        'research/look-a',
        'research/look-b',
      ]);
      expect(plan.calls).toHaveBeenCalledTimes(1);
      expect(look.calls).toHaveBeenCalledTimes(2);
    });

    it('refuses the same id twice in one call, and another input for a known id', async () => {
      const echo = agent('echo', (x: number) => x);
      const twice = agent('twice', async (_: number, ctx) => {
        await firstValueFrom(ctx.step('echo', echo, 1));
        return firstValueFrom(ctx.step('echo', echo, 2));
      });
      expect((await execute(twice, 1)).error).toMatchObject({ name: 'DuplicateStepError' });

      let input = 1;
      const varies = agent('varies', async (_: number, ctx) => {
        await firstValueFrom(ctx.step('echo', echo, input++));
        throw new Error('later');
      });
      const store = memoryStore();
      await execute(varies, 1, { store, runId: 'r' });
      expect((await execute(varies, 1, { store, runId: 'r' })).error).toMatchObject({
        name: 'NestedInputError',
        retryable: false,
      });
    });

    it('stops what it asked for when its function fails', async () => {
      let signal: AbortSignal | undefined;
      const patient = agent('patient', async (_: number, ctx) => {
        signal = ctx.signal;
        return new Promise<never>(() => undefined);
      });
      const parent = agent('parent', async (_: number, ctx) => {
        ctx.step('child', patient, 1).subscribe();
        await firstValueFrom(timer(5));
        throw new Error('gone');
      });
      const state = await execute(parent, 1);
      expect(state.status).toBe('FAILED');
      expect(signal?.aborted).toBe(true);
      expect(state.steps.get('parent/child')?.status).toBe('PENDING');
    });
  });

  it.each([{ n: 1n }, { secret: 'hunter2x', n: 1 }, { n: undefined }, 5, null, ['a'], 1n, { n: {} }])(
    'names a tag that is no text, and shows no other: case %#',
    (tags) => {
      const work = agent('work', () => 1);
      expect(() => run(work, undefined, { tags: tags as never })).toThrow(
        expect.objectContaining({
          name: 'InvalidArgumentError',
          message: expect.not.stringContaining('hunter2x') as string,
        }),
      );
    },
  );
});
