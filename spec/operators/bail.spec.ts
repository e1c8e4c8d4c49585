import { expectTypeOf } from 'expect-type';
import type { Observable } from 'rxjs';
import {
  concat,
  delay,
  filter,
  lastValueFrom,
  map,
  NEVER,
  of,
  ReplaySubject,
  take,
  tap,
  toArray,
} from 'rxjs';

import type { Agent, Bail, StepBuilder, Wire } from '../../index';
import {
  agent,
  bail,
  branch,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  fork,
  loop,
  memoryStore,
  resume,
  run,
  saga,
  withPolicy,
  workflow,
} from '../../index';
import type { StandardSchema } from '../../lib/codec/schema';
import { crashPoints, recordingStore } from '../../testing';
import { DateText } from '../support/dateText';
import { everyStore } from '../support/everyStore';
import { marbles } from '../support/marbles';
import { collect, told } from '../support/told';

const check = agent('check', (text: string) => (text === '' ? bail('nothing to do') : text));
const measure = agent('measure', (text: string) => text.length);
const double = agent('double', (n: number) => n * 2);
const lengths = chain('lengths', check, measure, double);

const numeric: StandardSchema<number, number> = {
  '~standard': { version: 1, vendor: 'spec', validate: (value) => ({ value: value as number }) },
};

const statuses = (state: {
  readonly steps: Iterable<{ readonly stepId: string; readonly status: string }>;
}) => Object.fromEntries([...state.steps].map(({ stepId, status }) => [stepId, status]));

describe('bail()', () => {
  it('ends a chain with its value, and skips the links behind', async () => {
    const early = await execute(lengths, '');
    expect(early).toMatchObject({ status: 'COMPLETED', output: 'nothing to do' });
    expect(statuses(early)).toEqual({ check: 'COMPLETED', measure: 'SKIPPED', double: 'SKIPPED' });
    expect((await execute(lengths, 'abc')).output).toBe(6);
    expect(await lastValueFrom(of('', 'abc').pipe(lengths, toArray()))).toEqual(['nothing to do', 6]);
  });

  it('knows the types of what may come early', () => {
    expectTypeOf(lengths).toEqualTypeOf<Agent<string, number | string>>();
    const whole = agent('whole', (n: number) => (n > 9 ? bail({ large: n }) : n));
    const both = chain('both', check, measure, whole, double);
    expectTypeOf(both).toEqualTypeOf<Agent<string, number | string | { large: number }>>();
    const last = chain('last', measure, whole);
    expectTypeOf(last).toEqualTypeOf<Agent<string, number | { large: number }>>();
    const around = chain(
      'around',
      lengths,
      agent('show', (value: number | string) => `${value}`),
    );
    expectTypeOf(around).toEqualTypeOf<Agent<string, string>>();
    const checked = agent('checked', (n: number) => (n > 9 ? bail('large') : n), { output: numeric });
    expectTypeOf(checked).toEqualTypeOf<Agent<number, number | Bail<string>>>();
    expectTypeOf(agent('plain', (n: number) => n, { output: numeric })).toEqualTypeOf<
      Agent<number, number>
    >();
    expectTypeOf(chain('c', checked, double)).toEqualTypeOf<Agent<number, number | string>>();
    // @ts-expect-error what goes on is a text, not what ends the chain
    chain('wrong', check, double);
    const picked = branch('pick', (text: string) => (text === '' ? 'none' : 'some'), {
      none: agent('none', (_: string) => bail(0)),
      some: measure,
    });
    expectTypeOf(
      chain(
        'c',
        picked,
        agent('show', (n: number) => `${n}`),
      ),
    ).toEqualTypeOf<Agent<string, string | number>>();
  });

  it('is declared by a workflow that it may end', async () => {
    const report = workflow('report', (text: Wire<string>, step: StepBuilder<string>) => {
      const checked = step('check', check, text);
      const length = step('measure', measure, checked);
      return { length, twice: step('double', double, length) };
    });
    expectTypeOf(report).toEqualTypeOf<Agent<string, { length: number; twice: number } | string>>();
    expect((await execute(report, 'ab')).output).toEqual({ length: 2, twice: 4 });
    const early = await execute(report, '');
    expect(early.output).toBe('nothing to do');
    expect(statuses(early)).toEqual({ check: 'COMPLETED', measure: 'SKIPPED', double: 'SKIPPED' });

    workflow('undeclared', (text: Wire<string>, step) => {
      const checked = step('check', check, text);
      // @ts-expect-error a text or the end of the workflow, which is not declared
      return step('measure', measure, checked);
    });
  });

  it(
    'ends a workflow at once, and stops what is under way',
    marbles(({ scheduler, expectObservable, cold }) => {
      const seen: string[] = [];
      const slow = agent('slow', () => NEVER);
      const quick = agent('quick', () => cold('---(a|)', { a: bail('enough') }));
      const race = workflow('race', (x: Wire<number>, step: StepBuilder<string>) => {
        const a = step('slow', slow, x);
        const b = step('quick', quick, x);
        return step(
          'never',
          agent('never', () => 'no'),
          { a, b },
        );
      });
      const outputs = run(race, 1, { scheduler }).pipe(
        tap(({ event }) => seen.push(told(event))),
        filter(({ event }) => event.type === 'run.completed'),
        map(({ state }) => state.output),
      );
      expectObservable(outputs).toBe('---(e|)', { e: 'enough' });
      scheduler.flush();
      expect(seen.slice(-4)).toEqual([
        'step.completed quick',
        'step.skipped slow',
        'step.skipped never',
        'run.completed',
      ]);
    }),
  );

  it('passes through branch, fallback, firstOf, loop and saga, and ends the innermost chain', async () => {
    const stop = agent('stop', (_: string) => bail('stopped'));
    const broken = agent('broken', (_: string): string => {
      throw new Error('broken');
    });
    const through = [
      branch('b', () => 'stop', { stop }),
      fallback(
        'f',
        broken,
        agent('other', (_: { input: string }) => bail('stopped')),
      ),
      firstOf(
        'o',
        stop,
        agent('slow', (_: string) => NEVER as Observable<string>),
      ),
      loop('l', stop as unknown as Agent<string, string>, { until: () => false, max: 3 }),
      saga('s', stop),
      workflow('function', (x: Wire<string>, step: StepBuilder<string>) =>
        step('asks', (text, context) => context.step('stop', stop, text), x),
      ),
    ];
    for (const inner of through) {
      const { output, error } = await execute(
        chain(
          'outer',
          chain(
            'inner',
            inner as Agent<string, string>,
            agent('after', () => 'no'),
          ),
          check,
        ),
        'x',
      );
      expect([inner.name, output, error]).toEqual([
        inner.name,
        inner.name === 'function' ? 'no' : 'stopped',
        undefined,
      ]);
    }
  });

  it('is refused by name where nothing is around that it could end', async () => {
    const stop = agent('stop', (_: number) => bail('stopped'));
    for (const lonely of [stop, each('all', stop), branch('b', () => 'stop', { stop })] as Agent<
      never,
      unknown
    >[]) {
      const { error } = await execute(lonely, [1] as never);
      expect(error?.message).toContain('no chain or workflow is around it');
      expect(error?.retryable).toBe(false);
    }
    const inItem = each('all', chain('item', stop, double as unknown as Agent<unknown, number>));
    expect((await execute(inItem, [1, 2])).output).toEqual(['stopped', 'stopped']);
  });

  it('is what a stream ends with, without being a partial result or folded', async () => {
    const words = agent('words', () => concat(of('a', 'b'), of(bail('early'))), {
      reduce: { fold: (text: string, word) => (typeof word === 'string' ? text + word : text), seed: '' },
    });
    const { events } = collect(
      run(
        chain(
          'c',
          words,
          agent('after', (text: string) => text),
        ),
        0,
      ),
    );
    expect(events.filter(({ type }) => type === 'step.emitted')).toHaveLength(2);
    expect(events.at(-1)).toMatchObject({ type: 'run.completed', output: 'early' });
  });

  it('undoes what a saga was about when it is stopped by it', async () => {
    const undone: number[] = [];
    const book = agent('book', (n: number) => n, { compensate: (n) => undone.push(n) });
    const hangs = new ReplaySubject<void>(1);
    const stop = agent('stop', (n: number) =>
      hangs.pipe(
        take(1),
        delay(5),
        map(() => bail(n)),
      ),
    );
    const order = workflow('order', (n: Wire<number>, step: StepBuilder<number>) => {
      step(
        'trip',
        saga(
          'trip',
          chain(
            't',
            book,
            agent('hang', (_: number) => {
              hangs.next();
              return NEVER;
            }),
          ),
        ),
        n,
      );
      return step('stop', stop, n);
    });
    expect((await execute(order, 7)).output).toBe(7);
    expect(undone).toEqual([7]);
  });

  describe.each(everyStore)('%s', (_where, open) => {
    it('is on record: from every crash the run ends the same, and calls nothing that has completed', async () => {
      const calls: string[] = [];
      const counted = (name: string, work: (n: number) => unknown) =>
        agent(name, (n: number) => {
          calls.push(name);
          return work(n);
        }) as Agent<number, number>;
      const early = counted('early', (n) => of(bail({ at: n })).pipe(delay(2)));
      const plan = workflow('plan', (n: Wire<number>, step: StepBuilder<{ at: number }>) => {
        const a = step(
          'a',
          counted('a', (x) => x + 1),
          n,
        );
        const b = step('b', early, a);
        step(
          'slow',
          counted('slow', () => NEVER),
          a,
        );
        return step(
          'c',
          counted('c', (x) => x),
          b,
        );
      });
      const inner = chain(
        'links',
        counted('first', (n) => n),
        plan as unknown as Agent<number, number>,
        counted('last', (n) => n),
      );
      const store = recordingStore(memoryStore());
      const whole = await execute(inner, 1, { store, runId: 'r' });
      expect(whole.output).toEqual({ at: 2 });
      expect(whole.steps.get('plan')?.output).toEqual({ at: 2 });
      expect(calls).toContain('last');

      for (const { finished, store: left, state } of crashPoints(store, 'r')) {
        calls.length = 0;
        const resting = open();
        await resting.importRun((await left.loadRun('r')) ?? state);
        const { state: end } = await lastValueFrom(resume(inner, 'r', { store: resting }));
        expect(end.output).toEqual(whole.output);
        expect(statuses(end)).toEqual(statuses(whole));
        for (const path of finished) expect(calls).not.toContain(path.split('/').at(-1));
        await resting.close();
      }
    });

    it('keeps the codec of the whole, and of agents that do not bail', async () => {
      const when = agent('when', (n: number) => (n < 0 ? bail('never') : new Date(n)), { output: DateText });
      const year = agent('year', (date: Date) => date.getUTCFullYear());
      const dates = chain('dates', when, year);
      expectTypeOf(dates).toEqualTypeOf<Agent<number, number | string>>();
      const store = open();
      expect((await execute(dates, -1, { store, runId: 'early' })).output).toBe('never');
      expect((await lastValueFrom(resume(dates, 'early', { store }))).state.output).toBe('never');
      const late = await execute(dates, 0, { store, runId: 'late' });
      expect(late.output).toBe(1970);
      expect(late.steps.get('when')?.output).toBe('1970-01-01T00:00:00.000Z');
      await store.close();
    });

    it('is asked again by a fork from a step before it', async () => {
      let isEmpty = true;
      const look = agent('look', (n: number) => (isEmpty ? bail('empty') : n));
      const line = chain('line', look, double);
      const store = open();
      expect((await execute(line, 4, { store, runId: 'r' })).output).toBe('empty');
      isEmpty = false;
      const forked = await fork('r', { store, from: 'look' });
      expect((await lastValueFrom(resume(line, forked, { store }))).state.output).toBe(8);
      await store.close();
    });
  });
});

describe.each(everyStore)('a bail in the cache (%s)', (_where, open) => {
  const setUp = () => {
    const calls: string[] = [];
    const known = agent(
      'known',
      (text: string) => {
        calls.push(text);
        return bail(`known ${text}`);
      },
      { cache: {} },
    );
    return { calls, known, store: open() };
  };

  it('ends what is around the step that takes it', async () => {
    const { calls, known, store } = setUp();
    for (const name of ['c', 'd'])
      expect((await execute(chain(name, known, measure as never), 'q', { store })).output).toBe('known q');
    expect(calls).toEqual(['q']);
  });

  it.each<[string, (known: Agent<string, unknown>) => readonly [Agent<never, unknown>, unknown], boolean]>([
    ['an item', (known) => [each('e', known), ['q']], true],
    ['the item of a chain of its own', (known) => [chain('c', each('e', known)), ['q']], true],
    ['the run', (known) => [known, 'q'], true],
    ['a branch that is the run', (known) => [branch('b', () => 'one' as const, { one: known }), 'q'], false],
    [
      'a composite that is the run',
      (known) => [
        withPolicy(
          branch('b', () => 'k' as const, { k: known }),
          { cache: {} },
        ),
        'q',
      ],
      false,
    ],
  ])('is refused as a live one is, where nothing is around it: %s', async (_, around, isItself) => {
    const { calls, known, store } = setUp();
    await execute(chain('c', known, measure as never), 'q', { store });
    const [agentOf, input] = around(known);
    const [fresh] = around(setUp().known);
    const live = await execute(fresh, input as never);
    const { status, error } = await execute(agentOf, input as never, { store });

    expect([status, error?.message]).toEqual(['FAILED', live.error?.message]);
    expect(error?.message).toContain('Cannot bail');
    expect(calls).toHaveLength(isItself ? 2 : 1);
  });
});
