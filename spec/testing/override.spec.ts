import * as t from 'io-ts';
import { lastValueFrom, of } from 'rxjs';

import type { Agent, Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  branch,
  chain,
  each,
  execute,
  loop,
  memoryStore,
  resume,
  run,
  saga,
  workflow,
} from '../../index';
import { crashPoints, fakeAgent, override, recordingStore, UnknownPathError } from '../../testing';

const never = (what: string) => (): never => {
  throw new Error(`the real ${what} was called`);
};
const ocr = agent('ocr', (page: string): string => never(`ocr of ${page}`)());
const trim = agent('trim', (text: string) => text.trim());
const report = workflow('report', (pages: Wire<string[]>, step) => {
  const texts = step('pages', each('pages', chain('page', ocr, trim)), pages);
  return step(
    'sum',
    agent('sum', (all: readonly string[]): number => never(`sum of ${String(all.length)}`)()),
    texts,
  );
});

describe('override()', () => {
  const tested = override(report, {
    'pages/page/ocr': (page: string) => ` text of ${page} `,
    sum: fakeAgent('whatever', [{ value: 2 }]),
  });

  it('is the same definition with other agents at these paths', async () => {
    const store = memoryStore();
    const { output, plan, steps } = await execute(tested, ['a', 'b'], { store, runId: 'r' });

    expect(output).toBe(2);
    expect(steps.get('pages[1]/page/ocr')).toMatchObject({ agent: 'ocr', output: ' text of b ' });
    expect(steps.get('pages[1]')).toBeUndefined();
    expect(plan.map(({ path, agent: name }) => [path, name])).toEqual([
      ['pages', 'pages'],
      ['sum', 'sum'],
    ]);
    // The code without them goes on with the run: it is the same plan.
    expect((await execute(report, ['a', 'b'], { store, runId: 'r' })).output).toBe(2);
    expect((await execute(report, ['a'])).error?.message).toContain('the real ocr of a was called');
  });

  it('keeps the retries, the codecs and the answers of the place', async () => {
    let calls = 0;
    const dated = agent('dated', (_: number): Date => never('date')(), {
      retry: 1,
      output: new t.Type<Date, string>(
        'date',
        (d): d is Date => d instanceof Date,
        (d) => t.success(new Date(d as string)),
        (d) => d.toISOString(),
      ),
    });
    const flow = chain(
      'flow',
      dated,
      agent('year', (date: Date) => date.getUTCFullYear()),
    );
    const fake = override(flow, {
      dated: () => {
        calls += 1;
        if (calls === 1) throw new Error('once');
        return new Date(Date.UTC(1969, 1, 1));
      },
    });
    const { output, steps } = await execute(fake, 1, { store: memoryStore() });

    expect(output).toBe(1969);
    expect(steps.get('dated')).toMatchObject({ attempts: 2, output: '1969-02-01T00:00:00.000Z' });
  });

  it('reaches cases, rounds, links of one name and steps that a function asks for', async () => {
    const one = agent('one', (n: number): number => never(`one of ${String(n)}`)());
    const asks = agent(
      'asks',
      async (n: number, context) => (await context.call('inner', chain('inner', one), n)) + 1,
    );
    const flow = chain(
      'flow',
      branch('choose', () => 'a', { a: one }),
      loop('rounds', one, { until: (n) => n > 4, max: 9 }),
      one,
      one,
      asks,
    );
    const add = (by: number) => (n: number) => n + by;
    const fake = override(flow, {
      'choose/a': add(1),
      'rounds/one': add(2),
      one: add(10),
      'one[1]': add(100),
      'asks/inner/one': add(1000),
    });

    expect((await execute(fake, 0)).output).toBe(1116);
    expect(await lastValueFrom(of(0).pipe(fake))).toBe(1116);
  });

  it('takes a place in a saga, and what it did is undone by its own compensation or by none, never by the real one', async () => {
    const undone: unknown[] = [];
    const booked = (name: string) =>
      agent(name, (_: number): number => never(name)(), {
        compensate: () => never(`undoing of ${name}`)(),
      });
    const charge = agent('charge', (n: number) => n);
    const order = chain(
      'order',
      saga('all', chain('steps', booked('seat'), booked('meal'), charge)),
      trim as never,
    );
    const fake = override(order, {
      'all/steps/seat': agent('any', (n: number) => n + 1, { compensate: (output) => undone.push(output) }),
      'all/steps/meal': (n: number) => n + 1,
      'all/steps/charge': () => {
        throw new Error('no money');
      },
    });
    const { error, steps } = await execute(fake, 1, { store: memoryStore() });

    expect(error?.message).toBe('no money');
    expect(undone).toEqual([2]);
    expect([...steps].filter(({ stepId }) => stepId.includes('undo[')).map(({ status }) => status)).toEqual([
      'COMPLETED',
      'COMPLETED',
    ]);
  });

  it('refuses a path that there is not, and names those that are near', () => {
    expect(() => override(report, { 'pages/page/orc': trim })).toThrow(
      'Cannot replace "pages/page/orc" in "report": no run has such a step; near it: pages/page/ocr',
    );
    expect(() => override(report, { nothing: trim })).toThrow(
      'there are pages, sum, pages/page, pages/page/ocr',
    );
    expect(() => override(ocr, { ocr: trim })).not.toThrow();
    expect(() => override((() => 1) as never, { a: trim })).toThrow(UnknownPathError);
  });

  it('waits, is killed and resumed as the definition is', async () => {
    const flow = override(chain('flow', ocr, approval('sure', t.string), trim), {
      ocr: (page: string) => page,
    });
    const store = recordingStore(memoryStore());
    await execute(flow, 'a', { store, runId: 'r' });
    await answer('r', 'sure', ' b ', { store });
    await lastValueFrom(run(flow, 'a', { store, runId: 'r' }));

    for (const { state, store: left } of crashPoints(store, 'r')) {
      const { status, answer: given } = state.steps.get('sure') ?? {};
      if (status !== 'COMPLETED' && given === undefined) continue;
      expect((await lastValueFrom(resume(flow, 'r', { store: left }))).state.output).toBe('b');
    }
    const same: Agent<string, string> = flow;
    expect(same.name).toBe('flow');
  });
});
