import * as t from 'io-ts';
import { concat, firstValueFrom, lastValueFrom, NEVER } from 'rxjs';

import type { RunEvent } from '../../index';
import { agent, answer, approval, execute, memoryStore, resume, run } from '../../index';
import { hashOf, hashOfInput } from '../../lib/engine/local/cachedAnswers';
import { crashPoints, recordingStore } from '../../testing';
import { everyStore } from '../support/everyStore';
import { collect } from '../support/told';
import { until } from '../support/until';

const double = agent('double', (n: number) => n * 2);

/** The texts of warnings. */
function warnings(events: readonly RunEvent[]): readonly string[] {
  return events.flatMap((event) =>
    event.type === 'step.logged' && event.level === 'WARNING' ? [event.message] : [],
  );
}

describe('context.call()', () => {
  it('gives the output of a durable step as a Promise', async () => {
    const sum = agent('sum', async (n: number, context) => {
      const one = await context.call('one', double, n);
      const [two, three] = await Promise.all([
        context.call('two', double, one),
        context.call('three', double, n + 1),
      ]);
      return one + two + three;
    });

    const { output, steps } = await execute(sum, 1);

    expect(output).toBe(2 + 4 + 4);
    expect(steps.get('sum/two')).toMatchObject({ status: 'COMPLETED', output: 4 });
  });

  it('begins at once, whether or not anybody awaits it', async () => {
    const begun: number[] = [];
    const noted = agent('noted', (n: number) => void begun.push(n));
    const parent = agent('parent', async (n: number, { call }) => {
      void call('a', noted, n);
      await call('b', noted, n + 1);
    });

    await execute(parent, 1);

    expect(begun).toEqual([1, 2]);
  });

  it('rejects with the failure of the step, and a Promise that nobody awaits ends no process', async () => {
    const broken = agent('broken', (_: number): number => {
      throw new Error('no');
    });
    const caught = agent('caught', async (n: number, context) => {
      void context.call('left', broken, n);
      return context.call('heard', broken, n).catch((error: unknown) => (error as Error).message);
    });

    const { output } = await execute(caught, 1);

    expect(output).toContain('no');
  });

  it('throws at once for an id that was used before', async () => {
    const twice = agent('twice', async (n: number, context) => {
      await context.call('a', double, n);
      await context.call('a', double, n);
    });

    expect((await execute(twice, 1)).error).toMatchObject({ code: 'DUPLICATE_STEP' });
  });

  it.each(everyStore)('asks nothing twice wherever the process dies, %s', async (_, open) => {
    const called: string[] = [];
    const noted = agent('noted', (text: string) => {
      called.push(text);
      return text;
    });
    const parent = agent('parent', async (text: string, context) => {
      const a = await context.call('a', noted, `${text}a`);
      const both = await Promise.all(['b', 'c'].map((id) => context.call(id, noted, a + id)));
      return both.join();
    });
    const store = recordingStore(open());
    const { output } = await execute(parent, 'x', { store, runId: 'r' });

    for (const { state, finished, store: left } of crashPoints(store, 'r')) {
      called.length = 0;
      if (state.status === 'COMPLETED') continue;
      const last = await lastValueFrom(resume(parent, 'r', { store: left }));
      expect(last.state.output).toBe(output);
      expect(called).toHaveLength(3 - finished.filter((path) => path !== 'parent').length);
    }
  });

  it('waits for a person, over two lives', async () => {
    const store = memoryStore();
    const ask = agent('ask', async (n: number, context) => {
      const yes = await context.call('sure', approval('sure', t.boolean), n);
      return yes ? 'done' : 'left';
    });
    expect((await lastValueFrom(run(ask, 1, { store, runId: 'r' }))).event.type).toBe('run.suspended');

    await answer('r', 'ask/sure', true, { store });

    expect((await lastValueFrom(resume(ask, 'r', { store }))).state.output).toBe('done');
  });

  it('rejects when the run is left', async () => {
    const heard: unknown[] = [];
    const slow = agent('slow', () => NEVER);
    const parent = agent('parent', (_: number, context) =>
      context.call('slow', slow, undefined).catch((error: unknown) => {
        heard.push((error as { readonly code?: unknown }).code);
        throw error;
      }),
    );
    const told = collect(run(parent, 1));

    told.leave?.();
    await until(() => heard.length > 0);

    expect(heard).toEqual(['ATTEMPT_OVER']);
  });
});

describe('a context.step that nobody subscribes to', () => {
  it('is told as a WARNING with its path when the function ends', async () => {
    const forgets = agent('forgets', async (n: number, context) => {
      context.step('lost', double, n);
      context.step('lost too', double, n);
      return firstValueFrom(context.step('kept', double, n));
    });
    const told = collect(run(forgets, 1));
    await until(() => told.ended !== 'open');

    expect(warnings(told.events)).toEqual([
      expect.stringContaining('Step "forgets/lost" was not carried out'),
      expect.stringContaining('Step "forgets/lost too" was not carried out'),
    ]);
    expect(told.told.at(-1)).toBe('run.completed');
  });

  it('is told when the function fails because it awaited the step itself', async () => {
    const awaits = agent('awaits', async (n: number, context) => {
      // eslint-disable-next-line @typescript-eslint/await-thenable -- the mistake
      const answered = (await context.step('text', double, n)) as unknown as { readonly text: string };
      return answered.text.length;
    });
    const told = collect(run(awaits, 1));
    await until(() => told.ended !== 'open');

    expect(warnings(told.events)).toEqual([expect.stringContaining('context.step("text", …)')]);
    expect(told.ended).toBe('error');
  });

  it('is told in every attempt', async () => {
    const forgets = agent(
      'forgets',
      (n: number, context) => {
        context.step('lost', double, n);
        if (context.attempt === 1) throw new Error('once');
        return n;
      },
      { retry: 1 },
    );
    const told = collect(run(forgets, 1));
    await until(() => told.ended !== 'open');

    expect(warnings(told.events)).toHaveLength(2);
  });

  it('is no mistake behind a step that failed, nor when the function returns it', async () => {
    const broken = agent('broken', (_: number): number => {
      throw new Error('no');
    });
    const inOrder = agent('inOrder', (n: number, context) =>
      concat(context.step('a', broken, n), context.step('b', double, n)),
    );
    const returned = agent('returned', (n: number, context) => context.step('a', double, n));
    const failed = collect(run(inOrder, 1));
    const completed = collect(run(returned, 1));
    await until(() => failed.ended !== 'open' && completed.ended !== 'open');

    expect([...warnings(failed.events), ...warnings(completed.events)]).toEqual([]);
  });
});

describe.each(everyStore)('an input of context.call() that JSON cannot tell from another, %s', (_, open) => {
  const twice = async (one: unknown, other: unknown) => {
    const store = open();
    let input = one;
    let fails = true;
    const pay = agent('pay', (given: unknown) => typeof given);
    const asks = agent('asks', async (_: number, { call }) => {
      await call('pay', pay, input);
      if (fails) throw new Error('later');
      return 'paid';
    });
    await execute(asks, 1, { store, runId: 'r' });
    input = other;
    fails = false;
    const { error, output } = await execute(asks, 1, { store, runId: 'r' });
    return error?.name ?? output;
  };

  it.each<[string, () => unknown, () => unknown]>([
    ['Map', () => new Map([['amount', 1]]), () => new Map([['amount', 1000]])],
    [
      'Map within a record',
      () => ({ by: new Map([[1, new Set(['a'])]]) }),
      () => ({ by: new Map([[1, new Set(['b'])]]) }),
    ],
    ['Set', () => new Set([1]), () => new Set([2])],
    ['Error', () => new Error('a'), () => new Error('b')],
    ['RegExp', () => /a/, () => /b/],
    ['BigInt', () => 1n, () => 2n],
    ['NaN and null', () => NaN, () => null],
    ['infinite', () => ({ most: Infinity }), () => ({ most: -Infinity })],
    ['undefined in a list', () => [undefined], () => [null]],
    ['function and undefined', () => () => 1, () => undefined],
    ['query', () => new URLSearchParams('a=1'), () => new URLSearchParams('a=2')],
    ['bytes', () => new Uint8Array([1]).buffer, () => new Uint8Array([2]).buffer],
  ])('is refused as another one, and taken where it is the same: %s', async (_what, one, other) => {
    expect(await twice(one(), other())).toBe('NestedInputError');
    expect(await twice(other(), other())).toBe('paid');
    expect(await twice(one(), one())).toBe('paid');
  });
});

it('an input of context.call() that nobody can look into is told once', async () => {
  class Hidden {
    readonly #amount = 1;
    get amount(): number {
      return this.#amount;
    }
  }
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const pay = agent('pay', ({ amount }: Hidden) => amount);
  const asks = agent('asks', async (_: number, { call }) => {
    await call('one', pay, new Hidden());
    return call('two', pay, new Hidden());
  });
  const { output } = await execute(asks, 1, { store: memoryStore() });
  const told = warned.mock.calls.map(([message]) => String(message));
  warned.mockRestore();

  expect(output).toBe(1);
  expect(told).toEqual([
    expect.stringContaining('same input after a resume: an instance of Hidden shows nothing of itself'),
  ]);
});

it('an input that an earlier release has kept by its JSON alone is still the same one', () => {
  const input = new Map([['amount', 1]]);
  const byJson = hashOf(input);

  expect(hashOfInput(input, (hash) => hash === byJson)).toBe(byJson);
  expect(hashOfInput(input, () => false)).not.toBe(byJson);
  expect(hashOfInput({ amount: 1, none: undefined }, () => false)).toBe(hashOf({ amount: 1 }));
});
