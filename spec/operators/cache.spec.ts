import { mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { lastValueFrom, map, of, take, toArray } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

import { DefinitionError } from '../../lib/errors/definitionErrors';
import { createMonitor } from '../../lib/metrics/monitor';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import type { Agent } from '../../lib/model/agentType';
import type { Store } from '../../lib/store/store';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, workOf } from '../../lib/definition/definition';
import type { Wire } from '../../lib/definition/wire';
import { pick, settled } from '../../lib/definition/wire';
import type { SharedOptions } from '../../lib/model/shared';
import type { AgentOptions, Reduction } from '../../operators/agents/agent';
import { agent } from '../../operators/agents/agent';
import { approval } from '../../operators/agents/approval';
import { branch } from '../../operators/agents/branch';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { fallback } from '../../operators/agents/fallback';
import { loop } from '../../operators/agents/loop';
import { waitFor } from '../../operators/agents/waitFor';
import { withPolicy } from '../../operators/agents/withPolicy';
import { workflow } from '../../operators/agents/workflow';
import { execute } from '../../operators/runs/execute';
import { outputs } from '../../operators/runs/outputs';
import { run } from '../../operators/runs/run';
import { runEach } from '../../operators/runs/runEach';
import { budget } from '../../operators/taps/budget';
import { measure } from '../../operators/taps/measure';
import { DateText } from '../support/dateText';
import { collect } from '../support/told';

function counted<O>(work: (input: string) => O, options: Partial<AgentOptions<string, O>> = {}) {
  const calls: string[] = [];
  const ask = agent(
    'ask',
    (input: string) => {
      calls.push(input);
      return work(input) as O & string;
    },
    { cache: {}, ...(options as object) },
  );
  return { ask, calls };
}

const same = agent('same', (text: string) => text);
const other = agent('other', (text: string) => `${text}?`);
const rescue = agent('rescue', ({ input }: { readonly input: string }) => input);
const listed = agent('listed', (text: string) => [text]);
const trimmed = new t.Type<string, string, unknown>(
  'string',
  t.string.is,
  (value) => t.success(String(value).trim()),
  (text) => text,
);

function picking(project: (text: string) => string): Agent<string, string> {
  return workflow('w', (input: Wire<string>, step) => step('s', same, pick(input, project)));
}

function giving(project: (text: string) => string): Agent<string, string> {
  return workflow('w', (input: Wire<string>, step) => pick(step('s', same, input), project));
}

function settling(project: (text: string) => string): Agent<string, unknown> {
  return workflow('w', (input: Wire<string>, step) => settled({ a: pick(step('s', same, input), project) }));
}

function guarded(policy: {
  readonly when: () => boolean;
  readonly otherwise?: string;
}): Agent<string, unknown> {
  return workflow('w', (input: Wire<string>, step) => step('s', same, input, policy));
}

function sharing(shared: SharedOptions<{ n: number }, unknown>): Agent<string, unknown> {
  return workflow('w', (input: Wire<string>, step) => step('s', same, input), { shared });
}

function folding(reduce: Reduction<string, string>): Agent<string, string> {
  return agent('folding', (text: string) => of(text, 'b'), { reduce });
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe('cache', () => {
  it('gives another run the answer without a call', () => {
    const store = memoryStore();
    const { ask, calls } = counted((text) => text.toUpperCase());
    const first = collect(run(ask, 'a', { store }));
    const second = collect(run(ask, 'a', { store }));
    collect(run(ask, 'b', { store }));

    expect(calls).toEqual(['a', 'b']);
    expect(second.transitions.at(-1)?.state.output).toBe('A');
    expect(second.told).toEqual(first.told);
    expect(first.events[2]).not.toHaveProperty('cached');
    expect(second.events[2]).toMatchObject({ type: 'step.completed', output: 'A', attempt: 1, cached: true });
  });

  it('keeps an answer for its time to live', () => {
    const scheduler = new TestScheduler(() => undefined);
    const store = memoryStore();
    const { ask, calls } = counted((text) => text, { cache: { ttlMs: 100 } });
    const at = (ms: number) =>
      scheduler.schedule(() => {
        collect(run(ask, 'a', { store, scheduler }));
      }, ms);
    scheduler.run(({ flush }) => {
      [0, 99, 101, 150].forEach(at);
      flush();
    });

    expect(calls).toHaveLength(2);
  });

  it('counts on the real clock too', () => {
    const store = memoryStore();
    const { ask, calls } = counted((text) => text, { cache: { ttlMs: 30 } });
    const at = Date.now();
    const now = jest.spyOn(Date, 'now').mockReturnValue(at);
    collect(run(ask, 'a', { store }));
    now.mockReturnValue(at + 29);
    collect(run(ask, 'a', { store }));
    expect(calls).toHaveLength(1);
    now.mockReturnValue(at + 40);
    collect(run(ask, 'a', { store }));

    expect(calls).toHaveLength(2);
  });

  it('tells inputs apart by their JSON, or by the key of the caller', () => {
    const store = memoryStore();
    let calls = 0;
    const json = agent('json', (_: unknown) => ++calls, { cache: {} });
    for (const input of [{ a: 1 }, { a: 1 }, null, undefined, [], 'null'])
      collect(run(json, input, { store }));
    expect(calls).toBe(5);

    const { ask, calls: asked } = counted((text) => text, { cache: { key: (text) => text.trim() } });
    of('a', ' a ', 'b').pipe(runEach(ask, { store })).subscribe();
    expect(asked).toEqual(['a', 'b']);
  });

  it.each<[string, (n: number) => unknown]>([
    ['Sets', (n) => new Set([n])],
    ['Maps within a record', (n) => ({ of: new Map([[n, 1]]) })],
    ['numbers that are none', (n) => [n / 0]],
    ['bigints', (n) => BigInt(n)],
    ['nothing, so that the input is the key', () => null],
  ])('does not take one key for another that JSON cannot tell apart: %s', (_, keyOf) => {
    const store = memoryStore();
    const calls: number[] = [];
    const ask = agent('ask', (n: number) => calls.push(n), {
      cache: { key: (n: number) => keyOf(n) as string },
    });
    of(0, 1, 0, 1)
      .pipe(runEach(ask, { store, concurrency: 1 }))
      .subscribe();

    expect(calls).toEqual([0, 1]);
  });

  it('does not take one input for another that JSON cannot tell apart', () => {
    const store = memoryStore();
    const sizes = agent('size', (set: Set<number>) => set.size, { cache: {} });
    const sized = (n: number) =>
      chain(
        'sized',
        map((_: null) => new Set([n, 0])),
        sizes,
      );
    // Without a check of values a Set may go from link to link; its JSON is {}.
    expect(collect(run(sized(0), null)).transitions.at(-1)?.state.output).toBe(1);
    expect(collect(run(sized(1), null, { store })).ended).toBe('error');
  });

  it('gives the answer in its own form, and asks again when the form has changed', () => {
    const store = memoryStore();
    let calls = 0;
    const when = agent('when', (_: string) => new Date(++calls * 1000), { cache: {}, output: DateText });
    const year = agent('year', (moment: Date) => moment.getTime());
    const both = chain('both', when, year);
    collect(run(both, 'x', { store }));
    expect(collect(run(both, 'x', { store })).transitions.at(-1)?.state.output).toBe(1000);

    const number = agent('when', (_: string) => ++calls, { cache: {}, output: t.number });
    expect(collect(run(number, 'x', { store })).transitions.at(-1)?.state.output).toBe(2);
  });

  it('tells a loop and a branch from others that end or choose otherwise', () => {
    const store = memoryStore();
    const more = agent('more', (text: string) => `${text}+`);
    const less = agent('less', (text: string) => text.slice(1));
    const outputOf = (work: Agent<string, string>): unknown =>
      collect(run(chain('all', work), 'ab', { store })).transitions.at(-1)?.state.output;

    expect(outputOf(loop('grow', more, { until: (text) => text.length > 2, max: 9, cache: {} }))).toBe('ab+');
    expect(outputOf(loop('grow', more, { until: (text) => text.length > 4, max: 9, cache: {} }))).toBe(
      'ab+++',
    );
    const cases = { more, less };
    const chosen = (select: (text: string) => 'more' | 'less') =>
      outputOf(withPolicy(branch('change', select, cases), { cache: {} }));
    expect(chosen(() => 'more')).toBe('ab+');
    expect(chosen(() => 'less')).toBe('b');
    expect(chosen(() => 'more')).toBe('ab+');
    const again = loop('grow', more, { until: (text) => text.length > 2, max: 9, cache: {} });
    const { events } = collect(run(chain('all', again), 'ab', { store }));
    expect(events.filter(({ type }) => type === 'step.completed')).toMatchObject([{ cached: true }]);
  });

  it.each<[what: string, first: () => Agent<never, unknown>, second: () => Agent<never, unknown>]>([
    ['pick', () => picking((text) => `${text}1`), () => picking((text) => `${text}2`)],
    ['pick of the result', () => giving((text) => `${text}1`), () => giving((text) => `${text}2`)],
    ['pick in settled', () => settling((text) => `${text}1`), () => settling((text) => `${text}2`)],
    ['when', () => guarded({ when: () => true }), () => guarded({ when: () => false })],
    [
      'otherwise',
      () => guarded({ when: () => false, otherwise: 'x' }),
      () => guarded({ when: () => false, otherwise: 'y' }),
    ],
    [
      'the wires of the result',
      () => workflow('w', (input, step) => ({ a: step('a', same, input), b: step('b', other, input) })),
      () =>
        workflow('w', (input, step) => {
          const [b, a] = [step('a', same, input), step('b', other, input)];
          return { b, a };
        }),
    ],
    ['what is shared', () => sharing({ initial: { n: 1 } }), () => sharing({ initial: { n: 2 } })],
    [
      'reduce of what is shared',
      () => sharing({ initial: { n: 1 }, reduce: (draft: { n: number }) => void (draft.n += 1) }),
      () => sharing({ initial: { n: 1 }, reduce: (draft: { n: number }) => void (draft.n += 2) }),
    ],
    [
      'fold',
      () => folding({ fold: (all, value) => all + value, seed: '' }),
      () => folding({ fold: (all, value) => value + all, seed: '' }),
    ],
    [
      'seed',
      () => folding({ fold: (all, value) => all + value, seed: '' }),
      () => folding({ fold: (all, value) => all + value, seed: '-' }),
    ],
    [
      'onError',
      () => chain('c', listed, each('e', same, { onError: 'fail' })),
      () => chain('c', listed, each('e', same, { onError: 'collect' })),
    ],
    [
      'max',
      () => fallback('f', loop('l', same, { until: () => false, max: 1 }), rescue),
      () => fallback('f', loop('l', same, { until: () => false, max: 2 }), rescue),
    ],
    [
      'match',
      () => waitFor('m', t.string, (signal) => signal === 'a'),
      () => waitFor('m', t.string, (signal) => signal === 'b'),
    ],
    ['the codec of answers', () => approval('q', t.string), () => approval('q', t.number)],
    [
      'the input codec',
      () => agent('i', (text: string) => text, { input: t.string }),
      () => agent('i', (text: string) => text, { input: trimmed }),
    ],
    [
      'an operator',
      () => chain('o', (source: Observable<string>) => source.pipe(take(1))),
      () => chain('o', (source: Observable<string>) => source.pipe(map((text) => `${text}!`))),
    ],
  ])('tells agents apart that differ in %s', (_, first, second) => {
    const workOfOne = (of: Agent<never, unknown>) => workOf(definitionOf(of) as Definition);

    expect(workOfOne(first())).not.toBe(workOfOne(second()));
    expect(workOfOne(first())).toBe(workOfOne(first()));
  });

  it('tells workflows apart in a run that pick otherwise', () => {
    const store = memoryStore();
    const outputOf = (work: Agent<string, unknown>): unknown =>
      collect(run(withPolicy(work, { cache: {} }), 'ab', { store })).transitions.at(-1)?.state.output;

    expect(
      outputOf(
        chain(
          'all',
          withPolicy(
            picking((text) => `${text}1`),
            { cache: {} },
          ),
        ),
      ),
    ).toBe('ab1');
    expect(
      outputOf(
        chain(
          'all',
          withPolicy(
            picking((text) => `${text}2`),
            { cache: {} },
          ),
        ),
      ),
    ).toBe('ab2');
  });

  it('keeps no failure', () => {
    const store = memoryStore();
    let calls = 0;
    const flaky = agent(
      'flaky',
      (): number => {
        calls += 1;
        if (calls === 1) throw new Error('once');
        return calls;
      },
      { cache: {} },
    );
    expect(collect(run(flaky, undefined, { store })).ended).toBe('error');
    expect(collect(run(flaky, undefined, { store })).transitions.at(-1)?.state.output).toBe(2);
    expect(collect(run(flaky, undefined, { store })).transitions.at(-1)?.state.output).toBe(2);
  });

  it('keeps nothing without a store', () => {
    const { ask, calls } = counted((text) => text);
    collect(run(ask, 'a'));
    collect(run(ask, 'a'));

    expect(calls).toHaveLength(2);
  });

  it('costs no budget and no metrics', () => {
    const store = memoryStore();
    const monitor = createMonitor();
    const ask = agent('ask', () => ({ usage: { tokens: 10 } }), { cache: {} });
    for (let round = 0; round < 3; round += 1)
      expect(
        collect(run(ask, undefined, { store }).pipe(measure(monitor), budget({ tokens: 10 }))).ended,
      ).toBe('complete');

    expect(monitor.getMetrics('ask').agents['ask']?.executions).toBe(1);
  });

  it('spares everything below the step', () => {
    const store = memoryStore();
    const { ask, calls } = counted((text) => text, {});
    const outer = agent('outer', (text: string, ctx) => ctx.step('inner', ask, text), { cache: {} });
    collect(run(outer, 'a', { store }));
    const second = collect(run(outer, 'a', { store }));

    expect(calls).toHaveLength(1);
    expect(second.told).not.toContain('step.started outer/inner');
  });

  it('asks the agent when the cache cannot be read, and says so', async () => {
    const store = memoryStore();
    const claim = store.claim.bind(store);
    const broken: Store = {
      ...store,
      claim: (runId) => ({
        ...(claim(runId) as object as Awaited<ReturnType<typeof claim>>),
        cache: {
          get: () => Promise.reject(new Error('damaged')),
          set: () => Promise.reject(new Error('full')),
        },
      }),
    };
    const warnings: string[] = [];
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation((text) => {
      warnings.push(String(text));
    });
    const { ask } = counted((text) => text);
    const all = await lastValueFrom(run(ask, 'a', { store: broken }).pipe(outputs(), toArray()));
    await Promise.resolve();
    warn.mockRestore();

    expect(all).toEqual(['a']);
    expect(warnings).toEqual([
      'Cannot read the cached answer of step "ask": damaged',
      'Cannot keep the answer of step "ask": full',
    ]);
  });

  it('goes on without a cache that throws at once, and says so', async () => {
    const store = memoryStore();
    const broken = (): never => {
      throw new Error('locked');
    };
    const claiming: Store = {
      ...store,
      claim: async (runId) => ({ ...(await store.claim(runId)), cache: { get: broken, set: broken } }),
    };
    const warned: string[] = [];
    const warn = jest
      .spyOn(process, 'emitWarning')
      .mockImplementation((text) => void warned.push(String(text)));
    const { ask, calls } = counted((text) => text.toUpperCase());
    const { output } = await execute(chain('twice', ask, ask), 'a', { store: claiming });
    warn.mockRestore();

    expect(output).toBe('A');
    expect(calls).toEqual(['a', 'A']);
    expect(warned).toEqual([
      'Cannot read the cached answer of step "ask": locked',
      'Cannot keep the answer of step "ask": locked',
      'Cannot read the cached answer of step "ask[1]": locked',
      'Cannot keep the answer of step "ask[1]": locked',
    ]);
  });

  it('keeps an answer for the input that was given, also where the function changes it', async () => {
    const store = memoryStore();
    const grown = agent('grown', (box: { n: number }) => (box.n += 1), { cache: {} });

    expect((await execute(grown, { n: 1 }, { store })).output).toBe(2);
    expect((await execute(grown, { n: 2 }, { store })).output).toBe(3);
    expect((await execute(grown, { n: 1 }, { store })).output).toBe(2);
  });

  it('asks for the key again neither when the function has changed its input, nor when it is tried again', async () => {
    let failures = 1;
    const listed = agent(
      'listed',
      (box: { list?: string[] }) => {
        const list = box.list ?? [];
        delete box.list;
        if ((failures -= 1) >= 0) throw new Error('once');
        return list.length;
      },
      { cache: { key: ({ list }) => (list as string[]).join() }, retry: 1 },
    );

    expect(await execute(listed, { list: ['a'] }, { store: memoryStore() })).toMatchObject({
      status: 'COMPLETED',
    });
  });

  it.each([1, 2, 3, 4, 5, 6])(
    'lets nobody wait for the call of a run that was left at event %i',
    async (count) => {
      const store = memoryStore();
      const work = chain(
        'work',
        agent('a', (x: number) => x + 1, { cache: {} }),
        agent('b', (x: number) => x),
      );
      await lastValueFrom(run(work, 1, { store, runId: 'left' }).pipe(take(count)));

      const { state } = await lastValueFrom(run(work, 1, { store, runId: 'other' }));
      expect([state.status, state.output]).toEqual(['COMPLETED', 2]);
    },
  );

  it('refuses a time to live that makes no sense', () => {
    expect(() => agent('a', () => 1, { cache: { ttlMs: -1 } })).toThrow(DefinitionError);
  });

  describe('in a folder', () => {
    let folder = '';
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'millrace-cache-'));
    });
    afterEach(() => {
      rmSync(folder, { recursive: true });
    });
    const once = async (ask: ReturnType<typeof counted<string>>['ask'], input: string, now = 0) => {
      const store = lowdbStore(folder, { clock: { now: () => now } });
      const output = await lastValueFrom(run(ask, input, { store }).pipe(outputs()));
      return { output, store };
    };

    it('outlives the process', async () => {
      const { ask, calls } = counted((text) => text.toUpperCase());
      for (let round = 0; round < 2; round += 1) {
        const { output, store } = await once(ask, 'a');
        expect(output).toBe('A');
        await store.close();
      }
      expect(calls).toEqual(['a']);
    });

    it.each([0, 5, 20, 45, 80])(
      'asks again, and keeps the new answer, when only %p bytes are left',
      async (length) => {
        const { ask, calls } = counted((text) => text);
        await (await once(ask, 'a')).store.close();
        const file = join(folder, 'cache', readdirSync(join(folder, 'cache'))[0] ?? '');
        truncateSync(file, length);
        const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
        await (await once(ask, 'a')).store.close();
        warn.mockRestore();
        await (await once(ask, 'a')).store.close();
        expect(calls).toHaveLength(2);
      },
    );

    it('asks again after damage, and forgets what is too old when it prunes', async () => {
      const { ask, calls } = counted((text) => text, { cache: { ttlMs: 1_000_000 } });
      await (await once(ask, 'a')).store.close();
      const cache = join(folder, 'cache');
      const [file = ''] = readdirSync(cache);
      truncateSync(join(cache, file), 20);
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
      const { store } = await once(ask, 'a', Date.now() + 2_000_000);
      warn.mockRestore();
      expect(calls).toHaveLength(2);

      await store.prune({ keep: 100 });
      await store.close();
      expect(readdirSync(cache)).toEqual([]);
    });
  });
});
