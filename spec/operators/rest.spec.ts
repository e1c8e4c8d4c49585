import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import {
  concat,
  defer,
  firstValueFrom,
  forkJoin,
  from,
  ignoreElements,
  lastValueFrom,
  tap,
  toArray,
} from 'rxjs';

import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  each,
  execute,
  fallback,
  live,
  outputs,
  run,
  sleep,
  workflow,
} from '../../index';
import type { Agent, Live, RunState, StepContext, Wire } from '../../index';
import { everyStore } from '../support/everyStore';

const ask = approval('ask', t.string);

/** What became of a run: a run that never rests is told as such, and does not hold up the suite. */
async function restOf<I, O>(self: Agent<I, O>, input: I, options = {}): Promise<string> {
  const rested = execute(self, input, { ...options }).then(({ status }) => status as string);
  return Promise.race([rested, wait(15_000, 'never rested', { ref: false })]);
}

function rows(state: RunState | undefined): string {
  return [...(state?.steps ?? [])].map(({ stepId, status }) => `${stepId} ${status}`).join(', ');
}

describe.each(everyStore)('when a run rests: limits (%s)', (_where, open) => {
  it('all questions are asked, though the limit has room for one', async () => {
    const limit = { concurrency: 1 };
    const self = workflow('both', (input: Wire<number>, step) => ({
      p: step('p', approval('p', t.string), input, { limit }),
      q: step('q', approval('q', t.string), input, { limit }),
    }));
    const store = open();

    expect(await restOf(self, 1, { store, runId: 'r' })).toBe('SUSPENDED');

    expect(rows(await store.loadRun('r'))).toBe('p SUSPENDED, q SUSPENDED');
    await answer('r', 'q', 'Q', { store });
    await answer('r', 'p', 'P', { store });
    expect((await execute(self, 1, { store, runId: 'r' })).output).toEqual({ p: 'P', q: 'Q' });
  });

  it('a question leaves its room to a step that can work', async () => {
    const limit = { concurrency: 1 };
    const self = workflow('mixed', (input: Wire<number>, step) => ({
      p: step('p', ask, input, { limit }),
      r: step('r', async () => 'R', input, { limit }),
    }));
    const store = open();

    expect(await restOf(self, 1, { store, runId: 'r' })).toBe('SUSPENDED');

    expect(rows(await store.loadRun('r'))).toBe('p SUSPENDED, r COMPLETED');
  });

  it('a chain that waits inside leaves its room to the next item', async () => {
    const shared = { concurrency: 1 };
    const limited = workflow('item', (input: Wire<number>, step) =>
      step(
        'c',
        chain(
          'c',
          agent('before', (n: number) => n),
          ask,
        ),
        input,
        { limit: shared },
      ),
    );
    const store = open();

    expect(await restOf(each('items', limited), [1, 2, 3], { store, runId: 'r' })).toBe('SUSPENDED');

    const waiting = [...(await store.loadRun('r'))!.steps].filter(({ status }) => status === 'SUSPENDED');
    expect(waiting).toHaveLength(3);
  });

  it('what was answered goes on only when its composite has its room back', async () => {
    const limit = { concurrency: 1 };
    let inside = 0;
    let most = 0;
    let hear = (): void => undefined;
    const isHeard = new Promise<void>((resolve) => (hear = resolve));
    let goOn = (): void => undefined;
    const hasGoneOn = new Promise<void>((resolve) => (goOn = resolve));
    const work = agent('work', async (input: unknown) => {
      most = Math.max(most, (inside += 1));
      if (input === 'yes') goOn();
      await isHeard;
      await wait(20);
      inside -= 1;
      return input;
    });
    const self = workflow('w', (input: Wire<number>, step) => ({
      asks: step('asks', chain('asks', ask, work), input, { limit }),
      works: step('works', work, input, { limit }),
      holds: step('holds', async () => hasGoneOn, input),
    }));
    const store = open();

    const ended = lastValueFrom(
      run(self, 1, { store, runId: 'r' }).pipe(
        tap(({ event }) => {
          if (event.type === 'step.answered') hear();
        }),
        outputs(),
      ),
    );
    while ((await store.loadRun('r'))?.steps.get('asks/ask')?.status !== 'SUSPENDED') await wait(1);
    await answer('r', 'asks/ask', 'yes', { store });

    expect(await ended).toMatchObject({ asks: 'yes', works: 1 });
    expect(most).toBe(1);
  });
});

describe.each(everyStore)('when a run rests: readers of streams (%s)', (_where, open) => {
  const asking = agent('w', async function* (input: number, context: StepContext) {
    yield 'a';
    yield await firstValueFrom(context.step('ask', ask, input));
  });
  const readers: Record<string, { readonly read: (words: Live<string>) => unknown; readonly gives: string }> =
    {
      'a reader that iterates': {
        read: async (words) => {
          let all = '';
          for await (const word of words) all += word;
          return all;
        },
        gives: 'ab',
      },
      'a reader that takes its time': {
        read: async (words) => {
          let all = '';
          for await (const word of words) {
            await wait(10);
            all += word;
          }
          return all;
        },
        gives: 'ab',
      },
      // Its output is its last value.
      'a reader that subscribes': { read: (words) => words, gives: 'b' },
    };

  for (const [name, { read, gives }] of Object.entries(readers)) {
    it(`${name} does not keep the run of an agent that asks from resting, and reads it whole after the answer`, async () => {
      const self = workflow('w', (input: Wire<number>, step) => {
        const words = step('w', asking, input);
        return step('r', read as (words: Live<string>) => Observable<string>, live(words) as never);
      });
      const store = open();

      expect(await restOf(self, 1, { store, runId: 'r' })).toBe('SUSPENDED');

      expect(rows(await store.loadRun('r'))).toContain('r PENDING');
      await answer('r', 'w/ask', 'b', { store });
      const { status, output } = await execute(self, 1, { store, runId: 'r' });
      expect({ status, output }).toEqual({ status: 'COMPLETED', output: gives });
    });
  }

  it('a reader that is busy with what it has read is waited for', async () => {
    const done: string[] = [];
    const self = workflow('w', (input: Wire<number>, step) => {
      const words = step('w', asking, input);
      const reader = agent('r', async (all: Live<string>) => {
        for await (const word of all) {
          await wait(50);
          done.push(word);
        }
        return done.join('');
      });
      return step('r', reader, live(words) as never);
    });

    expect(await restOf(self, 1, { store: open() })).toBe('SUSPENDED');

    expect(done).toEqual(['a']);
  });
});

type Asks = (context: StepContext) => unknown;

describe.each(everyStore)('when a run rests: a question inside a function (%s)', (_where, open) => {
  let did: string[] = [];
  const ship = async (): Promise<string> => {
    did.push('shipped');
    return Promise.resolve('shipped');
  };
  const asked = (context: StepContext) => context.step('ask', ask, 1);
  const shapes: Record<string, Asks> = {
    'an await': async (context) => {
      await firstValueFrom(asked(context));
      return ship();
    },
    'an await with a default': async (context) => {
      await firstValueFrom(asked(context), { defaultValue: 'no' });
      return ship();
    },
    'a list of all answers': async (context) => {
      await lastValueFrom(asked(context).pipe(toArray()));
      return ship();
    },
    forEach: async (context) => {
      await asked(context).forEach(() => undefined);
      return ship();
    },
    'a subscriber that waits for the end': (context) =>
      new Promise((resolve, reject) => {
        asked(context).subscribe({ complete: () => resolve(ship()), error: reject });
      }),
    concat: (context) =>
      concat(
        asked(context).pipe(ignoreElements()),
        defer(() => from(ship())),
      ),
    forkJoin: (context) =>
      forkJoin([asked(context).pipe(toArray()), context.step('other', ask, 2).pipe(toArray())]).pipe(
        toArray(),
      ),
  };

  beforeEach(() => {
    did = [];
  });

  for (const [name, shape] of Object.entries(shapes)) {
    it(`${name} never takes a question that nobody answered for answered`, async () => {
      const self = agent('f', (_: number, context) => shape(context));

      expect(await restOf(self, 1, { store: open() })).toBe('SUSPENDED');

      await wait(5);
      expect(did).toEqual([]);
    });
  }

  it('fails with an AttemptOverError that says why, and the row waits for the next life', async () => {
    const errors: unknown[] = [];
    const self = agent('f', async (_: number, context) => {
      try {
        return await firstValueFrom(asked(context));
      } catch (error) {
        errors.push(error);
        throw error;
      }
    });
    const store = open();

    await execute(self, 1, { store, runId: 'r' });

    expect(errors).toMatchObject([
      { name: 'AttemptOverError', path: 'f/ask', reason: 'the run rests until somebody answers' },
    ]);
    expect(rows(await store.loadRun('r'))).toBe('f PENDING, f/ask SUSPENDED');
  });

  const stopped: Record<string, (self: Agent<number, unknown>) => Promise<unknown>> = {
    'a sibling fails': (self) =>
      execute(
        workflow('w', (input: Wire<number>, step) => ({
          a: step('a', self, input),
          b: step('b', async () => wait(5).then(() => Promise.reject(new Error('boom'))), input),
        })),
        1,
      ),
    'the run is cancelled': async (self) => {
      const store = open();
      const ended = execute(self, 1, { store, runId: 'r' });
      while ((await store.loadRun('r'))?.steps.get('f/slow') === undefined) await wait(1);
      await cancel('r', { store });
      return ended;
    },
    'the step takes too long': (self) =>
      execute(
        workflow('w', (input: Wire<number>, step) => step('a', chain('all', self), input, { timeoutMs: 10 })),
        1,
      ),
  };
  for (const [name, stop] of Object.entries(stopped)) {
    it(`a nested step that is not answered because ${name} is an error too`, async () => {
      const self = agent('f', async (_: number, context: StepContext) => {
        await lastValueFrom(
          context
            .step(
              'slow',
              agent('slow', () => new Promise(() => undefined)),
              1,
            )
            .pipe(toArray()),
        );
        return ship();
      });

      await stop(self);
      await wait(5);

      expect(did).toEqual([]);
    });
  }

  it('waits for the other steps of its function, and for those that follow at once', async () => {
    const quick = agent('quick', (n: number) => n);
    const self = agent('f', async (_: number, context) =>
      Promise.all([
        firstValueFrom(asked(context)),
        (async () => {
          await firstValueFrom(
            context.step(
              'slow',
              agent('slow', async () => wait(10)),
              1,
            ),
          );
          for (let n = 0; n < 3; n += 1) await firstValueFrom(context.step(`quick ${n}`, quick, n));
          await firstValueFrom(context.step('last', sleep('last', 10), 1));
        })(),
      ]),
    );
    const store = open();

    expect(await restOf(self, 1, { store, runId: 'r' })).toBe('SUSPENDED');

    expect(rows(await store.loadRun('r'))).toBe(
      'f PENDING, f/ask SUSPENDED, f/slow COMPLETED, f/quick 0 COMPLETED, f/quick 1 COMPLETED, f/quick 2 COMPLETED, f/last COMPLETED',
    );
  });

  it('a function that swallows the error is told as a WARNING and starts nothing more', async () => {
    const began: string[] = [];
    const self = agent('f', async (_: number, context) => {
      await firstValueFrom(asked(context)).catch(() => undefined);
      const more = agent('more', () => began.push('more'));
      await firstValueFrom(context.step('more', more, 1)).catch(() => undefined);
      return 'done all the same';
    });
    const warnings: string[] = [];

    const last = await lastValueFrom(run(self, 1, { store: open() }).pipe(toArray()));

    for (const { event } of last) if (event.type === 'step.logged') warnings.push(event.message);
    expect(began).toEqual([]);
    expect(warnings).toEqual([
      'Step "f" asks for "more" after its call is over: nothing is begun',
      'Late answer of attempt 1 of step "f" dropped',
    ]);
    expect(last.at(-1)?.event.type).toBe('run.suspended');
  });

  it('an answer that comes while the run goes to rest is heard in the next life', async () => {
    const store = open();
    let answered: Promise<unknown> | undefined;
    const self = agent('f', async (_: number, context) => {
      const given = firstValueFrom(asked(context));
      // Behind the error, and before the end of the life.
      given.catch(() => (answered = answer('r', 'f/ask', 'late', { store })));
      return given;
    });

    await execute(self, 1, { store, runId: 'r' });
    await answered;

    expect(await execute(self, 1, { store, runId: 'r' })).toMatchObject({
      status: 'COMPLETED',
      output: 'late',
    });
  });

  for (const [name, forget] of Object.entries({
    plainly: (answers$: Observable<string>) => answers$.subscribe(),
    'behind operators': (answers$: Observable<string>) =>
      answers$.pipe(toArray()).subscribe(() => void ship()),
  })) {
    it(`a question that nobody waits for, subscribed ${name}, is no uncaught error`, async () => {
      const self = agent('f', async (_: number, context) => {
        forget(asked(context));
        return firstValueFrom(context.step('other', approval('other', t.string), 1));
      });

      expect(await restOf(self, 1, { store: open() })).toBe('SUSPENDED');

      // Jest hears of an uncaught error, and fails this test.
      await wait(5);
      expect(did).toEqual([]);
    });
  }

  it('a fallback does not take the rest for a failure', async () => {
    const self = fallback(
      'f',
      agent('asks', (_: number, context) => asked(context)),
      agent('b', ship),
    );

    expect(await restOf(self, 1, { store: open() })).toBe('SUSPENDED');
    expect(did).toEqual([]);
  });
});

describe.each(everyStore)('when a run rests: questions of earlier lives (%s)', (_where, open) => {
  it('waits for all items that had asked, although fewer may begin at once by now, and asks no further one', async () => {
    const items = (concurrency: number) => each('items', ask, { concurrency });
    const store = open();
    await execute(items(3), [1, 2, 3, 4], { store, runId: 'r' });
    await answer('r', '[1]/ask', 'second', { store });

    const { steps } = await execute(items(1), [1, 2, 3, 4], { store, runId: 'r' });

    expect([...steps].map(({ stepId, status }) => `${stepId} ${status}`)).toEqual([
      '[0]/ask SUSPENDED',
      '[1]/ask COMPLETED',
      '[2]/ask SUSPENDED',
    ]);
  });

  it('names those that a function has not come to again, as the list of runs does, and keeps their answers', async () => {
    const both = (isSlow: boolean) =>
      agent('both', async (_: number, { call }) => {
        const first = call('first', ask, 1);
        if (isSlow) await wait(1e6, undefined, { ref: false });
        return [await call('second', ask, 2), await first];
      });
    const store = open();
    await execute(both(false), 1, { store, runId: 'r' });
    await answer('r', 'both/second', 'b', { store });

    const told = await lastValueFrom(run(both(true), 1, { store, runId: 'r' }).pipe(toArray()));

    const [line] = await store.listRuns();
    expect(told.at(-1)?.event).toMatchObject({
      type: 'run.suspended',
      waiting: ['both/first', 'both/second'],
    });
    expect(line?.waiting.map(({ path }) => path)).toEqual(['both/first', 'both/second']);
    expect(told.filter(({ event }) => event.type === 'step.logged')).toEqual([]);

    await answer('r', 'both/first', 'a', { store });
    expect((await execute(both(false), 1, { store, runId: 'r' })).output).toEqual(['b', 'a']);
  });
});
