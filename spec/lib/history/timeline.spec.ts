import fc from 'fast-check';
import * as t from 'io-ts';
import { lastValueFrom, map, timer, toArray, VirtualTimeScheduler } from 'rxjs';

import type { Agent, RunEvent, Wire } from '../../../index';
import { agent, approval, chain, each, loop, run, workflow } from '../../../index';
import type { Plan } from '../../../lib/model/plan';
import type { Span } from '../../../lib/history/timeline';
import { criticalPath, timeline } from '../../../lib/history/timeline';
import { quickest } from '../../support/quickest';

/** Runs in virtual time and gives the events. */
async function eventsOf<I, O>(of: Agent<I, O>, input: I, clock: VirtualTimeScheduler) {
  const events = lastValueFrom(
    run(of as Agent<unknown, O>, input, { scheduler: clock }).pipe(
      map(({ event }) => event),
      toArray(),
    ),
  );
  clock.flush();
  return events;
}

const took =
  (clock: VirtualTimeScheduler, ms: number) =>
  <T>(value: T) =>
    timer(ms, clock).pipe(map(() => value));

const shown = (spans: readonly Span[], path: string) =>
  spans
    .filter((span) => span.path === path)
    .map(({ kind, from, to }) => `${kind} ${String(from)} to ${String(to)}`);

describe('timeline()', () => {
  it('tells attempts, the pauses between them, and nothing where a step begins at once', async () => {
    const clock = new VirtualTimeScheduler();
    let failures = 2;
    const flaky = agent(
      'flaky',
      (text: string) =>
        timer(50, clock).pipe(
          map(() => {
            if ((failures -= 1) >= 0) throw new Error('down');
            return text;
          }),
        ),
      { retry: { count: 2, delayMs: 100 } },
    );
    const work = workflow('work', (text: Wire<string>, step) => {
      const slow = step('slow', agent('slow', took(clock, 200)), text);
      return step('flaky', flaky, slow as Wire<string>);
    });

    const spans = timeline(await eventsOf(work, 'a', clock));

    expect(shown(spans, 'slow')).toEqual(['ran 0 to 200']);
    expect(shown(spans, 'flaky')).toEqual([
      'ran 200 to 250',
      'gap 250 to 350',
      'ran 350 to 400',
      'gap 400 to 500',
      'ran 500 to 550',
    ]);
  });

  it('tells how long a step waited for its turn', async () => {
    const clock = new VirtualTimeScheduler();
    const one = agent('one', took(clock, 100), { limit: { concurrency: 1 } });

    const spans = timeline(await eventsOf(each('all', one), ['a', 'b'], clock));

    expect(shown(spans, '[1]/one')).toEqual(['waited 0 to 100', 'ran 100 to 200']);
  });

  it('tells no waiting where a step begins at once after what is before it, in an item, a round or the second of a name', async () => {
    const clock = new VirtualTimeScheduler();
    const [one, other] = [agent('one', took(clock, 100)), agent('other', took(clock, 10))];
    const both = chain('both', one, other);
    const round = loop('round', both, { until: (_, count) => count === 1, max: 2 });
    const item = each('all', both) as unknown as Agent<unknown, unknown>;
    const list = agent('list', () => [1, 2]) as Agent<unknown, unknown>;

    const spans = timeline(await eventsOf(chain('c', both, round, both, list, item), 1, clock));

    expect(spans.filter(({ kind }) => kind !== 'ran')).toEqual([]);
    expect(shown(spans, 'both[1]/other')).toEqual(['ran 430 to 440']);
  });

  it('tells how long a question was open, also over the rest of the run', () => {
    const common = { runId: 'r', seq: 1 };
    const events: readonly RunEvent[] = [
      { ...common, type: 'run.started', name: 'work', input: 1, plan: [], at: 0 },
      { ...common, type: 'step.started', path: 'ask', agent: 'ask', attempt: 1, at: 0 },
      { ...common, type: 'step.suspended', path: 'ask', agent: 'ask', attempt: 1, request: 1, at: 10 },
      { ...common, type: 'run.suspended', waiting: ['ask'], duration: 0, at: 11 },
      { ...common, type: 'run.resumed', life: 2, reused: 0, at: 300 },
      { ...common, type: 'step.answered', path: 'ask', by: 'answer', value: true, at: 310 },
      {
        ...common,
        type: 'step.completed',
        path: 'ask',
        agent: 'ask',
        attempt: 1,
        output: 1,
        duration: 0,
        at: 311,
      },
    ];

    expect(shown(timeline(events), 'ask')).toEqual(['ran 0 to 10', 'asked 10 to 310', 'ran 310 to 311']);
  });

  it('tells all that one step went through: it waited, failed twice, and was answered', () => {
    const common = { runId: 'r', seq: 1, path: 'sign', agent: 'sign' };
    const failed = { name: 'Error', message: 'down', retryable: true };
    const events: readonly RunEvent[] = [
      { runId: 'r', seq: 1, type: 'run.started', name: 'work', input: 1, plan: [], at: 0 },
      { ...common, type: 'step.started', attempt: 1, at: 200 },
      { ...common, type: 'step.retrying', attempt: 1, error: failed, delayMs: 100, at: 250 },
      { ...common, type: 'step.started', attempt: 2, at: 350 },
      { ...common, type: 'step.retrying', attempt: 2, error: failed, delayMs: 100, at: 400 },
      { ...common, type: 'step.started', attempt: 3, at: 500 },
      { ...common, type: 'step.suspended', attempt: 3, request: 1, at: 550 },
      { ...common, type: 'step.answered', by: 'answer', value: true, at: 850 },
      { ...common, type: 'step.completed', attempt: 3, output: true, duration: 650, at: 850 },
    ];

    expect(shown(timeline(events), 'sign')).toEqual([
      'waited 0 to 200',
      'ran 200 to 250',
      'gap 250 to 350',
      'ran 350 to 400',
      'gap 400 to 500',
      'ran 500 to 550',
      'asked 550 to 850',
      'ran 850 to 850',
    ]);
  });

  it('ends what still ran when a life ends', async () => {
    const clock = new VirtualTimeScheduler();
    const work = workflow('work', (text: Wire<string>, step) => ({
      ask: step('ask', approval('ask', t.boolean), text),
      fast: step('fast', agent('fast', took(clock, 5)), text),
    }));

    const spans = timeline(await eventsOf(work, 'a', clock));

    expect(spans.filter(({ to }) => to === undefined).map(({ kind }) => kind)).toEqual(['asked']);
  });
});

interface Task {
  readonly ms: number;
  readonly reads: readonly number[];
}

const dag: fc.Arbitrary<readonly Task[]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat({ max: 30 }), { maxLength: 3 })), {
    minLength: 1,
    maxLength: 12,
  })
  .map((all) =>
    all.map(([ms, reads], index) => ({ ms, reads: [...new Set(reads.filter((read) => read < index))] })),
  );

/** The longest way through, by trying every one. */
function longest(tasks: readonly Task[], index: number): number {
  const { ms, reads } = tasks[index]!;
  return ms + Math.max(0, ...reads.map((read) => longest(tasks, read)));
}

describe('criticalPath()', () => {
  it('is as long as the longest way through any workflow', () => {
    fc.assert(
      fc.property(dag, (tasks) => {
        const plan: Plan = tasks.map(({ reads }, index) => ({
          path: `s${String(index)}`,
          kind: 'function',
          agent: 'a',
          sources: reads.length === 0 ? ['input'] : reads.map((read) => `s${String(read)}`),
        }));
        const spans = tasks.map(({ ms }, index): Span => {
          const to = longest(tasks, index);
          return { path: `s${String(index)}`, kind: 'ran', attempt: 1, life: 1, from: to - ms, to };
        });

        const way = criticalPath(plan, spans);

        const length = way.reduce((sum, path) => sum + tasks[Number(path.slice(1))]!.ms, 0);
        expect(length).toBe(Math.max(...tasks.map((_, index) => longest(tasks, index))));
      }),
    );
  });

  it('goes down into groups, and follows who freed the place', async () => {
    const clock = new VirtualTimeScheduler();
    const read = agent('read', (ms: number) => timer(ms, clock).pipe(map(() => ms)));
    const work = workflow('work', (times: Wire<number[]>, step) => {
      const pages = step('pages', each('pages', read, { concurrency: 2 }), times);
      return step('write', agent('write', took(clock, 10)), pages);
    });

    const events = await eventsOf(work, [30, 10, 10, 50], clock);
    const started = events.find((event) => event.type === 'run.started');

    expect(criticalPath(started!.plan, timeline(events))).toEqual([
      'pages',
      'pages[1]/read',
      'pages[2]/read',
      'pages[3]/read',
      'write',
    ]);
  });

  it('goes from one agent of a name to the next as through any others', async () => {
    const clock = new VirtualTimeScheduler();
    const again = agent('again', took(clock, 10));
    const group = chain('group', again);
    const work = chain('work', group, agent('between', took(clock, 10)), group);

    const events = await eventsOf(work as unknown as Agent<number, number>, 1, clock);
    const started = events.find((event) => event.type === 'run.started');

    expect(criticalPath(started!.plan, timeline(events))).toEqual([
      'group',
      'group/again',
      'between',
      'group[1]',
      'group[1]/again',
    ]);
  });

  it('takes a source behind an adaptor for read', () => {
    const plan: Plan = [
      { path: 'a', kind: 'function', agent: 'a', sources: ['input'] },
      { path: 'b', kind: 'function', agent: 'b', sources: ['input'] },
      { path: 'c', kind: 'function', agent: 'c', sources: ['settled(a, pick(b))'] },
    ];
    const span = (path: string, from: number, to: number): Span => ({
      path,
      kind: 'ran',
      attempt: 1,
      life: 1,
      from,
      to,
    });

    expect(criticalPath(plan, [span('a', 0, 5), span('b', 0, 9), span('c', 9, 10)])).toEqual(['b', 'c']);
  });

  it('takes less than 50 ms for 10,000 steps', async () => {
    const count = 10_000;
    const plan: Plan = Array.from({ length: count }, (_, n) => ({
      path: `s${n}`,
      kind: 'function',
      agent: 'a',
      sources: n === 0 ? ['input'] : [`s${n - 1}`, `s${Math.floor(n / 2)}`],
    }));
    const spans = plan.map(({ path }, n): Span => ({
      path,
      kind: 'ran',
      attempt: 1,
      life: 1,
      from: n,
      to: n + 1,
    }));
    criticalPath(plan, spans);
    const took = await quickest(500, () => {
      expect(criticalPath(plan, spans)).toHaveLength(count);
    });

    // Far more than it takes alone, for machines that are busy.
    expect(took).toBeLessThan(500);
  });
});
