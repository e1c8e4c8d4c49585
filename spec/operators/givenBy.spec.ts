import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';

import type { Agent, RunState, Store, Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  branch,
  chain,
  chainResults,
  each,
  execute,
  fallback,
  firstOf,
  loop,
  lowdbStore,
  memoryStore,
  outputOf,
  saga,
  withPolicy,
  workflow,
} from '../../index';

const day = new t.Type<Date, string>(
  'day',
  (value): value is Date => value instanceof Date,
  (value, context) => (typeof value === 'string' ? t.success(new Date(value)) : t.failure(value, context)),
  (date) => date.toISOString(),
);
const text = '1970-01-01T00:00:00.000Z';
const fails = (name: string, codec?: t.Type<never, unknown>): Agent<unknown, never> =>
  agent(
    name,
    (_: unknown): never => {
      throw new Error('no');
    },
    codec === undefined ? {} : { output: codec },
  );
const dated = agent('dated', (_: unknown) => new Date(0), { output: day });
const plainText = agent('text', (_: unknown) => text);
const lists = each(
  'lists',
  agent('n', (n: number) => n, { output: t.number }),
);

/** Composites in which a value could be read in the form of an agent that has not given it; each with what it gives. */
const givers: Record<string, readonly [() => Agent<never, unknown>, unknown]> = {
  'a text that looks like a date of the agent that failed': [
    () => fallback('m', fails('x', day as never), plainText),
    text,
  ],
  'an object with more than the strict agent that failed gives': [
    () =>
      fallback(
        'm',
        fails('x', t.strict({ a: t.number }) as never),
        agent('o', () => ({ a: 1, b: 2 })),
      ),
    { a: 1, b: 2 },
  ],
  'a date of one case among two': [
    () => branch('m', (): 'd' | 't' => 'd', { t: plainText, d: dated }),
    new Date(0),
  ],
  'words where another case gives numbers': [
    () => branch('m', () => 'w', { n: lists as Agent<unknown, unknown>, w: agent('w', () => ['a']) }),
    ['a'],
  ],
  'the winner of two': [() => firstOf('m', dated, plainText), new Date(0)],
  'a date deep inside others': [
    () =>
      chain(
        'm',
        fallback(
          'f',
          fails('x'),
          branch('b', () => 'd', { t: plainText, d: dated }),
        ),
      ),
    new Date(0),
  ],
  'items given by different agents': [
    () =>
      each(
        'm',
        branch('b', (n: number) => (n === 1 ? 'd' : 't'), { d: dated, t: plainText }),
      ),
    [new Date(0), text],
  ],
  'items that were collected': [
    () =>
      each(
        'm',
        branch('b', (n: number) => (n === 1 ? 'd' : 't'), { d: dated, t: plainText }),
        {
          onError: 'collect',
        },
      ),
    [
      { _tag: 'Right', right: new Date(0) },
      { _tag: 'Right', right: text },
    ],
  ],
  'parts of a record and of a tuple, and what stands for a step that was left out': [
    () =>
      workflow('m', (input: Wire<unknown>, step) => ({
        a: step('a', firstOf('f', dated, plainText), input),
        b: [
          step('b', fallback('g', fails('x', day as never), plainText), input),
          step('c', dated, input, { when: () => false, otherwise: 'none' }),
        ],
      })),
    { a: new Date(0), b: [text, 'none'] },
  ],
  'the last round of a loop in a saga': [
    () =>
      saga(
        'm',
        loop('l', firstOf('f', dated, plainText) as Agent<unknown, unknown>, { until: () => true, max: 2 }),
      ),
    new Date(0),
  ],
};

function places(): readonly (readonly [string, () => Store, () => void])[] {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  return [
    ['in memory', memoryStore, () => undefined],
    [
      'in a folder',
      () => lowdbStore(folder),
      () => {
        rmSync(folder, { recursive: true, force: true });
      },
    ],
  ];
}

describe.each(places())('an output that one of several agents has given, %s', (_, open, clean) => {
  const store = open();
  let runs = 0;
  afterAll(async () => {
    await store.close();
    clean();
  });

  it.each(Object.entries(givers))(
    'is read in the form of that agent, live and resumed: %s',
    async (__, [make, given]) => {
      let isDown = true;
      const got: unknown[] = [];
      const use = agent('use', (value: unknown) => {
        got.push(value);
        if (isDown) throw new Error('down');
        return null;
      });
      const runId = `r${String((runs += 1))}`;
      await execute(chain('c', make(), use) as Agent<never, unknown>, [1, 2] as never, { store, runId });
      isDown = false;
      await execute(chain('c', make(), use) as Agent<never, unknown>, [1, 2] as never, { store, runId });

      expect(got).toEqual([given, given]);
      const alone = await execute(make(), [1, 2] as never, { store, runId: `${runId} alone` });
      const again = await execute(make(), [1, 2] as never, { store, runId: `${runId} alone` });
      expect([alone.output, again.output]).toEqual([given, given]);
    },
  );

  it('is plain for whoever reads the state', async () => {
    const work = chain('c', fallback('m', fails('x', day as never), plainText));
    const runId = `r${String((runs += 1))}`;
    await execute(work, 1, { store, runId });

    const state = (await store.loadRun(runId)) as Awaited<ReturnType<typeof execute>>;
    expect(state.output).toBe(text);
    expect(outputOf(state, 'm')).toEqual({ kind: 'output', output: text });
    expect(chainResults(state)[0]?.output).toBe(text);
    expect(state.steps.get('m')?.givenBy).toBe('text');
  });

  it('stays readable when codecs come, go and move between the agents', async () => {
    const x = (codec?: t.Type<never, unknown>) => fails('x', codec);
    const versions = [
      () => fallback('m', x(), plainText),
      () => fallback('m', x(day as never), plainText),
      () => fallback('m', x(t.strict({ a: t.number }) as never), plainText),
      () =>
        fallback(
          'm',
          x(),
          agent('text', (___: unknown) => text, { output: t.string }),
        ),
    ];
    for (const before of versions) {
      for (const after of versions) {
        const runId = `r${String((runs += 1))}`;
        const stop = fails('use');
        await execute(chain('c', before(), stop), 1, { store, runId });
        const use = agent('use', (value: unknown) => value);
        expect((await execute(chain('c', after(), use), 1, { store, runId })).output).toBe(text);
      }
    }
  });

  it('is read with a codec that its agent has got since', async () => {
    const runId = `r${String((runs += 1))}`;
    await execute(chain('c', firstOf('m', plainText, fails('x')), fails('use')), 1, { store, runId });
    const coded = agent('text', (___: unknown) => new Date(1), { output: day });
    const use = agent('use', (value: Date) => value.getTime());
    expect(
      (await execute(chain('c', firstOf('m', coded, fails('x')), use), 1, { store, runId })).output,
    ).toBe(0);
  });

  it('is refused by name where the agent that gave it is none of them any more', async () => {
    const runId = `r${String((runs += 1))}`;
    const make = (id: string, use: Agent<unknown, unknown>) =>
      chain(
        'c',
        branch('m', () => id, { [id]: plainText } as Record<string, Agent<unknown, unknown>>),
        use,
      );
    await execute(make('old', fails('use')), 1, { store, runId });

    const another = make(
      'new',
      agent('use', (value) => value),
    );
    await expect(execute(another, 1, { store, runId })).rejects.toMatchObject({
      name: 'DefinitionMismatchError',
      diff: { changed: ['m/old'] },
    });

    // Runs of earlier releases do not say which agents there were.
    const { unplanned: _, ...saved } = (await store.loadRun(runId)) as RunState;
    await store.deleteRun(runId);
    await store.importRun(saved);
    const state = await execute(another, 1, { store, runId });
    expect(state.error).toMatchObject({ name: 'ValidationError', message: expect.stringContaining('"old"') });
  });

  it.each<[string, (made: Agent<unknown, unknown>) => Agent<unknown, unknown>]>([
    ['a planned step', (made) => chain('c', made, approval('ask', t.string))],
    ['an item', (made) => chain('c', each('items', made) as never, approval('ask', t.string))],
    [
      'the result of a workflow',
      (made) =>
        chain(
          'c',
          workflow('w', (input: Wire<unknown>, step) => step('s', made, input)),
          approval('ask', t.string),
        ),
    ],
  ])(
    "is dropped with onMismatch: 'actual' where the agent that gave it is none of them any more, with what was made of it: %s",
    async (_, around) => {
      const runId = `r${String((runs += 1))}`;
      const make = (id: string) =>
        around(
          fallback(
            'm',
            agent(id, (_: unknown) => id),
            plainText,
          ),
        );
      const open = async () => (await store.listRuns()).find((run) => run.runId === runId)?.waiting[0];
      await execute(make('old'), ['x'], { store, runId });
      const before = await open();
      await answer(runId, before?.path ?? '', 'yes to old', { store });
      expect((await execute(make('old'), ['x'], { store, runId })).output).toBe('yes to old');

      const { status, steps } = await execute(make('new'), ['x'], { store, runId, onMismatch: 'actual' });
      const after = await open();
      expect([status, JSON.stringify(steps.get(after?.path ?? '')?.request)]).toEqual([
        'SUSPENDED',
        expect.stringContaining('new'),
      ]);
      expect(after?.asking).not.toBe(before?.asking);
    },
  );

  it('is told apart where a person answered or somebody else decided', async () => {
    const ask = () =>
      chain(
        'c',
        approval('ask', day, { timeoutMs: 0, onTimeout: plainText }),
        agent('use', (value) => typeof value),
      );
    const runId = `r${String((runs += 1))}`;
    expect((await execute(ask(), 1, { store, runId })).output).toBe('string');

    const patient = chain(
      'c',
      approval('ask', day, { timeoutMs: 60_000, onTimeout: plainText }),
      agent('use', (value) => value instanceof Date),
    );
    const other = `r${String((runs += 1))}`;
    await execute(patient, 1, { store, runId: other });
    await answer(other, 'ask', text, { store });
    expect((await execute(patient, 1, { store, runId: other })).output).toBe(true);
  });

  it.each([
    ['the answer of a person', true, text],
    ['what stands in the place of a question that was left out', false, 'nobody was asked'],
  ])('is told apart where a question may be left out: %s', async (_, isWanted, output) => {
    const ask = chain('ask', approval('ok', day));
    const w = workflow('w', (input: Wire<unknown>, step) =>
      step('ask', ask, input, { when: () => isWanted, otherwise: 'nobody was asked' }),
    );
    const outer = chain(
      'outer',
      w,
      agent('text', (value) => (value instanceof Date ? value.toISOString() : value)),
    );
    const plain = chain('plain', w);
    for (const one of [plain, withPolicy(outer, {})]) {
      const runId = `r${String((runs += 1))}`;
      const { steps } = await execute(one as Agent<unknown, unknown>, 1, { store, runId });
      const open = [...steps].find(({ status }) => status === 'SUSPENDED')?.stepId;
      if (open !== undefined) await answer(runId, open, text, { store });
      const state = await execute(one as Agent<unknown, unknown>, 1, { store, runId });
      expect([state.error, JSON.parse(JSON.stringify(state.output ?? null))]).toEqual([undefined, output]);
      expect((await store.loadRun(runId))?.output).toBe(output);
    }
  });

  it('comes out of the cache as it went in', async () => {
    const cached = () =>
      workflow('w', (input: Wire<unknown>, step) =>
        step('m', fallback('m', fails('x', day as never), plainText), input, { cache: {} }),
      );
    await execute(cached(), 'ask', { store, runId: `r${String((runs += 1))}` });
    const state = await execute(cached(), 'ask', { store, runId: `r${String((runs += 1))}` });
    expect(state.output).toBe(text);
    expect(state.steps.get('m/x')).toBeUndefined();
  });
});
