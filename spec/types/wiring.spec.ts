import { expectTypeOf } from 'expect-type';
import type { Either } from 'fp-ts/lib/Either';
import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { from, map, of } from 'rxjs';

import type { Agent, Transition, Wire } from '../../index';
import { agent, chain, execute, outputs, pick, quorum, run, runEach, settled, workflow } from '../../index';
import type { SettledFailure } from '../../lib/definition/wire';
import { checked } from './support/checked';

interface Stats {
  readonly words: number;
}

const load = agent('load', async (path: string) => Promise.resolve(path));
const stats = agent('stats', (text: string): Stats => ({ words: text.length }));
const topics = agent('topics', (text: string) => of([text]));
const write = agent(
  'write',
  ({ stats: s, topics: all }: { stats: Stats; topics: string[] }) => all.length + s.words,
);

// Judged by `tsc`: Jest checks no types. Nothing in here is called.
const judged = (_what: string, _claims: () => void): void => undefined;

describe('types', () => {
  it('are checked by npm run types', () => {
    expect(judged).toEqual(expect.any(Function));
  });
});

/** A workflow with one wrong step; each argument stands on a line of its own, so that the blamed line names it. */
function wrong(step: string): string {
  return [
    `import { agent, approval, each, saga, waitFor, withPolicy, workflow, type Wire } from '../../index';`,
    `import { tool, toolLoop, type Model } from '../../adapters/ai';`,
    `import type { StandardSchema } from '../../lib/codec/schema';`,
    `declare const asked: StandardSchema<{ q: string }>, counted: StandardSchema<{ n: number }>, model: Model;`,
    `const length = agent('length', (text: string) => text.length);`,
    `const join = agent('join', ({ a, b }: { a: string; b: number }) => a + String(b));`,
    `void [length, join, each, saga, withPolicy, tool, toolLoop, approval, waitFor, asked, counted, model];`,
    `workflow('w', (n: Wire<number>, step) => {`,
    `  void step;`,
    step,
    `  return n;`,
    `});`,
  ].join('\n');
}

const made = (call: string): string =>
  `void ${call.replace('agent', `agent('a', (n: number) => n + 1),\n`)};`;

// One program for all: what they import takes most of the time.
const { problemsOf } = checked({
  source: wrong(`step('a',\n length,\n n);`),
  field: wrong(`step('a',\n join,\n { a: n, b: n });`),
  constant: wrong(`step('a',\n length,\n 5);`),
  agentPolicy: wrong(`step('a',\n length,\n step('t', String, n),\n { retries: 3 });`),
  functionPolicy: wrong(`step('a',\n (x) => x + 1,\n n,\n { retries: 3 });`),
  taken: wrong(`step('a',\n (x: string) => x,\n n,\n {});`),
  shared: wrong(`workflow('s', (m: Wire<number>, inner) =>
    inner('a',\n agent('b', (x: number, { shared }: StepContext<{ sum: number }>) => x + shared.sum),\n m,\n {}), { shared: { initial: { n: 1 } } });`).replace(
    'type Wire',
    'type StepContext, type Wire',
  ),
  agentOption: wrong(`agent('a',\n ({ q }) => q,\n { input: asked, retries: 3 });`),
  agentInput: wrong(`agent('a',\n (x: { q: number }) => x.q,\n { input: asked });`),
  agentOutput: wrong(`agent('a',\n ({ q }) =>\n ({ n: q }),\n { input: asked, output: counted });`),
  agentPromise: wrong(
    `agent('a',\n async ({ q }) =>\n Promise.resolve({ n: q }),\n { input: asked, output: counted });`,
  ),
  compensate: wrong(`agent('a',\n ({ q }) => q,\n { input: asked, compensate: (done: number) => done });`),
  flowOption: wrong(
    `workflow('a',\n (i, inner) => inner('a', ({ q }) => q, i),\n { input: asked, retries: 3 });`,
  ),
  flowPolicy: wrong(`workflow('a',\n (i: Wire<string>, inner) => inner('a', length, i),\n { retries: 3 });`),
  flowOutput: wrong(
    `workflow('a',\n (i, inner) =>\n inner('a', ({ q }) => q, i),\n { input: asked, output: counted });`,
  ),
  approval: wrong(`approval('a',\n asked,\n { timeout: 3 });`),
  waitFor: wrong(`waitFor('a',\n asked,\n ({ q }) => q !== '',\n { timeout: 3 });`),
  toolLoop: wrong(`toolLoop('a',\n { model, output: asked, maxRound: 3 });`),
  each: wrong(made(`each('e', agent { concurency: 3 })`)),
  saga: wrong(made(`saga('s', agent { tag: 1 })`)),
  withPolicy: wrong(made(`withPolicy(agent { retries: 3 })`)),
  tool: wrong(made(`tool(agent { description: 'Adds one.', approve: true })`)),
});

describe('what the compiler says of a wrong step or agent', () => {
  const blamed = (name: Parameters<typeof problemsOf>[0]) =>
    problemsOf(name).map(({ line, message }) => `${line.trim()} <- ${message.split('\n').at(-1)!.trim()}`);

  it('names the policy that is not known, where the work is an agent or a function', () => {
    expect(blamed('agentPolicy')).toEqual([
      expect.stringMatching(/^\{ retries: 3 \}.* 'retries' does not exist/),
    ]);
    expect(blamed('functionPolicy')).toEqual([
      expect.stringMatching(/^\{ retries: 3 \}.* 'retries' does not exist/),
    ]);
    expect(blamed('each')).toEqual([
      expect.stringMatching(/^\{ concurency: 3 \}.* 'concurency' does not exist/),
    ]);
    expect(blamed('saga')).toEqual([expect.stringMatching(/^\{ tag: 1 \}.* 'tag' does not exist/)]);
    expect(blamed('withPolicy')).toEqual([
      expect.stringMatching(/^\{ retries: 3 \}.* 'retries' does not exist/),
    ]);
    expect(blamed('tool')).toEqual([expect.stringMatching(/^\{ description.* 'boolean' is not assignable/)]);
  }, 300_000);

  it('says what the agent takes, and what the source has', () => {
    expect(blamed('source')).toEqual([
      expect.stringMatching(/Type 'number' is not assignable to type 'string'/),
    ]);
    expect(blamed('field')).toEqual([
      expect.stringMatching(/Type 'number' is not assignable to type 'string'/),
    ]);
    expect(blamed('constant')).toEqual([
      expect.stringMatching(/'number' is not assignable to .*'Wire<string, unknown>'/),
    ]);
    expect(blamed('taken')).toEqual([
      expect.stringMatching(/^\(x: string\).* 'number' is not assignable to type 'string'/),
    ]);
  });

  it('does not speak of a schema that is right', () => {
    const unknown = (name: string) => expect.stringMatching(new RegExp(`'${name}' does not exist`));
    expect(blamed('agentOption')).toEqual([unknown('retries')]);
    expect(blamed('flowOption')).toEqual([unknown('retries')]);
    expect(blamed('flowPolicy')).toEqual([unknown('retries')]);
    expect(blamed('approval')).toEqual([unknown('timeout')]);
    expect(blamed('waitFor')).toEqual([unknown('timeout')]);
    expect(blamed('toolLoop')).toEqual([unknown('maxRound')]);
    expect(blamed('agentInput')).toEqual([
      expect.stringMatching(/^\(x: .* 'string' is not assignable to type 'number'/),
    ]);
    expect(blamed('agentOutput')).toEqual([
      expect.stringMatching(/^\(\{ n: q.* 'string' is not assignable to type 'number'/),
    ]);
    expect(blamed('agentPromise')).toEqual([
      expect.stringMatching(/ 'string' is not assignable to type 'number'/),
    ]);
    expect(blamed('compensate')).toEqual([
      expect.stringMatching(/^\{ input.* 'string' is not assignable to type 'number'/),
    ]);
    expect(blamed('flowOutput')).toEqual([
      expect.stringMatching(/^inner.* 'string' is not assignable to type '\{ n: number; \}'/),
    ]);
  });

  it('refuses an agent that needs another shared state', () => {
    expect(problemsOf('shared').map(({ code }) => code)).toEqual([2769]);
  });
});

judged('an agent knows what it takes and gives', () => {
  expectTypeOf(load).toEqualTypeOf<Agent<string, string>>();
  expectTypeOf(topics).toEqualTypeOf<Agent<string, string[], string[]>>();
  expectTypeOf(agent('a', (_: number) => Promise.resolve(of('x')))).toEqualTypeOf<
    Agent<number, string, string>
  >();
  expectTypeOf(
    agent('a', async function* (_: number) {
      yield await Promise.resolve(1);
    }),
  ).toEqualTypeOf<Agent<number, number, number>>();
  expectTypeOf(agent('a', (_: number) => [1, 2])).toEqualTypeOf<Agent<number, number[]>>();
  expectTypeOf(agent('a', (_: number) => 'text')).toEqualTypeOf<Agent<number, string>>();
  expectTypeOf(
    agent('a', () => from([1, 2]), { reduce: { fold: (all: string[], n) => [...all, String(n)], seed: [] } }),
  ).toEqualTypeOf<Agent<unknown, string[], number>>();
  expectTypeOf(
    agent('a', ({ data }) => data.length, { input: t.type({ data: t.array(t.number) }) }),
  ).toEqualTypeOf<Agent<{ data: number[] }, number>>();
  expectTypeOf(of('path').pipe(load, stats)).toEqualTypeOf<Observable<Stats>>();
});

judged('a chain checks its links', () => {
  expectTypeOf(chain('c', load, stats)).toEqualTypeOf<Agent<string, Stats>>();
  expectTypeOf(
    chain(
      'c',
      load,
      map((text) => text.length),
    ),
  ).toEqualTypeOf<Agent<string, number>>();
  // @ts-expect-error a number does not go into an agent that takes a string
  chain('c', stats, load);
});

judged('a workflow infers the inputs of its steps and its output', () => {
  const report = workflow('report', (path: Wire<string>, step) => {
    const text = step('load', load, path);
    expectTypeOf(text).toEqualTypeOf<Wire<string>>();
    const s = step('stats', stats, text);
    const all = step('topics', topics, text);
    const spot = step(
      'spot',
      ({ s: one, all: many }) => {
        expectTypeOf(one).toEqualTypeOf<Stats>();
        expectTypeOf(many).toEqualTypeOf<string[]>();
        return of(one.words);
      },
      { s, all },
    );
    expectTypeOf(spot).toEqualTypeOf<Wire<number, number>>();
    expectTypeOf(pick(s, ({ words }) => words)).toEqualTypeOf<Wire<number>>();
    expectTypeOf(settled({ s, all })).branded.toEqualTypeOf<
      Wire<{
        s: Either<SettledFailure, Stats>;
        all: Either<SettledFailure, string[]>;
      }>
    >();
    expectTypeOf(quorum(1, [text, spot])).toEqualTypeOf<Wire<readonly (string | number)[]>>();
    return { written: step('write', write, { stats: s, topics: all }), spot };
  });
  expectTypeOf(report).toEqualTypeOf<Agent<string, { written: number; spot: number }>>();
  expectTypeOf(run(report, 'a')).toEqualTypeOf<Observable<Transition<{ written: number; spot: number }>>>();
  expectTypeOf(of('a').pipe(runEach(report), outputs())).toEqualTypeOf<
    Observable<{ written: number; spot: number }>
  >();
});

judged('mistake 1: a wire used before it exists', () => {
  workflow('w', (path: Wire<string>, step) => {
    // @ts-expect-error `later` is declared below
    const early = step('early', stats, later);
    const later = step('later', load, path);
    return { early, later };
  });
});

judged('mistake 2: a misspelt source key', () => {
  workflow('w', (path: Wire<string>, step) => {
    const s = step('stats', stats, path);
    const all = step('topics', topics, path);
    // @ts-expect-error the agent reads `topics`, not `topic`
    return step('write', write, { stats: s, topic: all });
  });
});

judged('mistake 3: a wrong type into a step', () => {
  workflow('w', (path: Wire<string>, step) => {
    const s = step('stats', stats, path);
    // @ts-expect-error statistics are no text
    return step('topics', topics, s);
  });
});

judged('mistake 4: the output of a step that may be skipped, used as if it were always there', () => {
  workflow('w', (path: Wire<string>, step) => {
    const maybe = step('stats', stats, path, { when: (text) => text.length > 3 });
    expectTypeOf(maybe).toEqualTypeOf<Wire<Stats | undefined>>();
    const all = step('topics', topics, path);
    // @ts-expect-error the statistics may be undefined
    step('write', write, { stats: maybe, topics: all });
    const always = step('also', stats, path, { when: (text) => text.length > 3, otherwise: { words: 0 } });
    expectTypeOf(always).toEqualTypeOf<Wire<Stats | { words: number }>>();
    const spot = step('spot', (text) => text.length, path, {
      when: (text) => text !== '',
      otherwise: 'none',
    });
    expectTypeOf(spot).toEqualTypeOf<Wire<number | string>>();
    return step('sure', write, { stats: always, topics: all });
  });
  workflow('w', (path: Wire<string>, step) => {
    const policy: { readonly retry: number; readonly when?: (text: string) => boolean } = { retry: 1 };
    // @ts-expect-error a policy held in a variable cannot hide that the step may be skipped
    return step('stats', stats, path, policy);
  });
});

judged('mistake 5: a missing run input', () => {
  // @ts-expect-error load needs a path
  run(load);
  // @ts-expect-error a path is no number
  run(load, 5);
  // @ts-expect-error execute needs one too
  void execute(load);
  run(agent('none', () => 1));
  run(agent('maybe', (_: string | undefined) => 1));
});

judged('a step that may be left out keeps its type where it is returned at once', () => {
  const when = () => true;
  expectTypeOf(
    workflow('w', (path: Wire<string>, step) => [
      step('load', load, path),
      step('stats', stats, path, { when }),
      step('length', (text) => text.length, path, { when }),
      step('other', stats, path, { when, otherwise: 'none' as const }),
    ]),
  ).toEqualTypeOf<Agent<string, [string, Stats | undefined, number | undefined, Stats | 'none']>>();
  expectTypeOf(
    workflow('w', (path: Wire<string>, step) => ({ all: step('stats', stats, path, { when }) })),
  ).toEqualTypeOf<Agent<string, { all: Stats | undefined }>>();
});
