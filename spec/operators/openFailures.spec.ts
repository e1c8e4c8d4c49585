import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import {
  catchError,
  firstValueFrom,
  forkJoin,
  from,
  lastValueFrom,
  of,
  retry,
  switchMap,
  take,
  tap,
  toArray,
} from 'rxjs';

import type { Agent, Failure, RunEvent, RunState, Transition, Wire, RunError } from '../../index';
import {
  agent,
  answer,
  approval,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  fork,
  loop,
  lowdbStore,
  memoryStore,
  outputs,
  quorum,
  resume,
  run,
  runEach,
  settled,
  workflow,
  withPolicy,
} from '../../index';
import { forkedState } from '../../lib/engine/invalidate';
import { crashPoints, recordingStore } from '../../testing';

/** Agents that fail while their names are in `down`, and count their calls. */
function world(...down: string[]) {
  const failing = new Set(down);
  const calls: string[] = [];
  const part = (name: string): Agent<unknown, string> =>
    agent(name, (_: unknown) => {
      calls.push(name);
      if (failing.has(name)) throw new Error(`${name} is down`);
      return name;
    });
  return {
    part,
    calls,
    mend() {
      failing.clear();
      calls.length = 0;
    },
  };
}

const two = (name: string, a: Agent<unknown, unknown>, b: Agent<unknown, unknown>) =>
  workflow(name, (input: Wire<unknown>, step) => ({ a: step('a', a, input), b: step('b', b, input) }));

const structures: Record<
  string,
  (part: (name: string) => Agent<unknown, string>) => Agent<unknown, unknown>
> = {
  'a workflow': (part) => two('w', part('x'), part('y')),
  'chains in a workflow': (part) => two('w', chain('c', part('x')), chain('d', part('y'))),
  'workflows in chains in a workflow': (part) =>
    two('w', chain('c', two('i', part('x'), part('y'))), chain('d', two('j', part('x2'), part('y2')))),
  firstOf: (part) => firstOf('f', part('x'), chain('c', part('y'))),
  'firstOf in a loop in a workflow': (part) =>
    two(
      'w',
      loop('l', firstOf('f', part('x'), part('y')) as never, { until: () => true, max: 2 }),
      part('z'),
    ),
  'a quorum that cannot be reached': (part) =>
    workflow('w', (input: Wire<unknown>, step) =>
      quorum(2, [step('x', part('x'), input), step('y', part('y'), input), step('z', part('z'), input)]),
    ),
  'steps of a function': (part) =>
    agent('f', (_: unknown, { step }) =>
      firstValueFrom(forkJoin([step('a', chain('c', part('x')), 1), step('b', part('y'), 2)])),
    ),
};

describe('resuming a run in which several steps failed', () => {
  it.each(Object.entries(structures))('tries all of them again in one life: %s', async (_, make) => {
    const { part, mend } = world('x', 'y', 'x2', 'y2');
    const store = memoryStore();
    expect((await execute(make(part), 1, { store, runId: 'r' })).status).toBe('FAILED');

    mend();
    const state = await execute(make(part), 1, { store, runId: 'r' });

    expect(state).toMatchObject({ status: 'COMPLETED', life: 2 });
    expect(state.output).toEqual((await execute(make(part), 1)).output);
  });

  it.each(Object.entries(structures))(
    'tries all of them again after a crash at any moment: %s',
    async (_, make) => {
      const { part, mend } = world('x', 'y', 'x2', 'y2');
      const store = recordingStore(memoryStore());
      await execute(make(part), 1, { store, runId: 'r' });

      mend();
      for (const { after, store: left } of crashPoints(store, 'r')) {
        const state = await execute(make(part), 1, { store: left, runId: 'r' });
        expect([after.type, state.status]).toEqual([after.type, 'COMPLETED']);
      }
    },
  );

  it.each(Object.entries(structures))('tries all of them again in a fork: %s', async (_, make) => {
    const { part, mend } = world('x', 'y', 'x2', 'y2');
    const store = memoryStore();
    const failed = await execute(make(part), 1, { store, runId: 'r' });

    mend();
    await store.importRun(forkedState(failed, { runId: 'fork' }));

    expect((await execute(make(part), 1, { store, runId: 'fork' })).status).toBe('COMPLETED');
  });

  it('tries them again where the life that failed was resumed and cancelled', async () => {
    const { part, mend } = world('x', 'y');
    const store = memoryStore();
    const work = two('w', chain('c', part('x')), part('y'));
    await execute(work, 1, { store, runId: 'r' });
    await lastValueFrom(run(work, 1, { store, runId: 'r' }).pipe(take(1)));
    const abort = new AbortController();
    abort.abort();
    await execute(work, 1, { store, runId: 'r', signal: abort.signal });

    mend();
    expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('COMPLETED');
  });

  it('needs one retry() on disk in 50 rounds of 50, whenever each of six pages fails, and calls each twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    const store = lowdbStore(folder, { durability: 'disk' });
    const round = async (index: number): Promise<readonly unknown[]> => {
      let isDown = true;
      let calls = 0;
      const fetchPage = agent('fetch', async (url: string) => {
        calls += 1;
        await new Promise((resolve) => setTimeout(resolve, (index * calls) % 7));
        if (isDown) throw new Error(`503 ${url}`);
        return url;
      });
      const digest = workflow('digest', (topic: Wire<string>, step) =>
        step(
          'report',
          (all: readonly string[]) => all.length,
          ['a', 'b', 'c', 'd', 'e', 'f'].map((page) => step(`fetch ${page}`, fetchPage, topic)),
        ),
      );
      const output = await lastValueFrom(
        run(digest, 'rivers', { store, runId: `r${String(index)}` }).pipe(
          tap(({ event }) => {
            if (event.type === 'run.failed') isDown = false;
          }),
          retry(1),
          outputs(),
        ),
      );
      return [output, calls];
    };

    const rounds = Array.from({ length: 50 }, (_, index) => index);
    expect(await Promise.all(rounds.map(round))).toEqual(rounds.map(() => [6, 12]));

    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('needs one retry() in a folder, and calls each of six pages twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    const store = lowdbStore(folder);
    let isDown = true;
    let calls = 0;
    const fetchPage = agent('fetch', async (url: string) => {
      calls += 1;
      await new Promise((resolve) => setTimeout(resolve, 3));
      if (isDown) throw new Error(`503 ${url}`);
      return url;
    });
    const digest = workflow('digest', (topic: Wire<string>, step) =>
      step(
        'report',
        (all: readonly string[]) => all.length,
        ['a', 'b', 'c', 'd', 'e', 'f'].map((page) => step(`fetch ${page}`, fetchPage, topic)),
      ),
    );

    const mending = tap(({ event }: Transition<number>) => {
      if (event.type === 'run.failed') isDown = false;
    });
    const output = await lastValueFrom(
      run(digest, 'rivers', { store, runId: 'r' }).pipe(mending, retry(1), outputs()),
    );
    expect([output, calls]).toEqual([6, 12]);

    isDown = true;
    calls = 0;
    const again = await lastValueFrom(
      of('lakes').pipe(runEach(digest, { store, retry: 1 }), mending, outputs()),
    );
    expect([again, calls]).toEqual([6, 12]);
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('tells the first failure and the paths of the others where the run fails', async () => {
    const { part } = world('x', 'y', 'z');
    const work = two('w', chain('c', part('x')), two('v', part('y'), part('z')));
    const events: RunEvent[] = [];
    run(work, 1).subscribe({ next: ({ event }) => events.push(event), error: () => undefined });

    expect(events.at(-1)).toMatchObject({
      type: 'run.failed',
      error: { message: 'x is down', path: 'a/x' },
      others: ['b/a', 'b/b'],
    });
  });
});

describe('a failure that is contained', () => {
  const contained: Record<
    string,
    (part: (name: string) => Agent<unknown, string>) => Agent<unknown, unknown>
  > = {
    'by settled': (part) =>
      workflow('w', (input: Wire<unknown>, step) => {
        const x = step('x', part('x'), input);
        return step('y', part('y'), settled([x]));
      }),
    'by fallback': (part) => chain('c', fallback('f', part('x'), part('other')), part('y')),
    'by a fallback whose other agent failed': (part) => fallback('f', part('x'), part('y')),
    'by collect': (part) => chain('c', each('e', part('x'), { onError: 'collect' }) as never, part('y')),
    'by firstOf': (part) => chain('c', firstOf('f', part('x'), part('other')) as never, part('y')),
    'by a function': (part) =>
      agent('f', async (_: unknown, { step }) => {
        await firstValueFrom(step('x', part('x'), 1)).catch(() => undefined);
        await firstValueFrom(step('other', part('other'), 1));
        return firstValueFrom(step('y', part('y'), 1));
      }),
  };
  const nested = Object.entries(contained).flatMap(([name, make]) => [
    [name, make] as const,
    [
      `${name}, three levels down`,
      (part: (name: string) => Agent<unknown, string>) =>
        chain('top', two('mid', chain('low', make(part)), part('z'))),
    ] as const,
  ]);

  it.each(nested.filter(([name]) => !name.startsWith('by a function')))(
    'stays a fact when the run is resumed: %s',
    async (_, make) => {
      const { part, calls, mend } = world('x', 'y');
      const store = memoryStore();
      const failed = await execute(make(part), [1], { store, runId: 'r' });
      expect(failed.error?.message).toBe('y is down');

      mend();
      const state = await execute(make(part), [1], { store, runId: 'r' });

      expect(state.status).toBe('COMPLETED');
      expect(calls).not.toContain('x');
      expect(calls).toContain('y');
      expect([...state.steps].find(({ agent: name }) => name === 'x')).toMatchObject({
        status: 'FAILED',
        contained: true,
      });
    },
  );

  it.each(nested)('stays a fact after a crash later on: %s', async (_, make) => {
    const { part, calls, mend } = world('x');
    const store = recordingStore(memoryStore());
    await execute(make(part), [1], { store, runId: 'r' });

    mend();
    let isPast = false;
    for (const { after, store: left } of crashPoints(store, 'r')) {
      isPast ||= after.type === 'step.started' && (after.agent === 'other' || after.agent === 'y');
      if (!isPast) continue;
      const state = await execute(make(part), [1], { store: left, runId: 'r' });
      expect([after.type, state.status]).toEqual([after.type, 'COMPLETED']);
    }
    expect(calls).not.toContain('x');
  });

  it('is tried again where the function that had caught it has failed itself', async () => {
    const { part, calls, mend } = world('x', 'y');
    const work = contained['by a function']?.(part) as Agent<unknown, unknown>;
    const store = memoryStore();
    await execute(work, 1, { store, runId: 'r' });

    mend();
    expect((await execute(work, 1, { store, runId: 'r' })).output).toBe('y');
    expect(calls).toEqual(['x', 'y']);
  });

  it('stays a fact where the function that caught it waits for somebody', async () => {
    const { part, calls, mend } = world('x');
    const work = agent('f', async (_: unknown, { step }) => {
      const caught = await firstValueFrom(step('x', part('x'), 1)).catch(() => 'caught');
      return `${caught} ${await firstValueFrom(step('ask', approval('ask', t.string), 1))}`;
    });
    const store = memoryStore();
    expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('SUSPENDED');

    mend();
    expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('SUSPENDED');
    expect(calls).toEqual([]);
  });
});

describe('what failed deep in a composite before the run rested', () => {
  const ask = approval('ask', t.string);
  const composites: Record<
    string,
    (part: (name: string) => Agent<unknown, string>) => Agent<unknown, unknown>
  > = {
    'in a candidate of a race, of which the last one fails later': (part) =>
      firstOf('f', chain('one', chain('inner', part('x'))), chain('other', ask, part('z'))),
    'in a member without which a quorum is lost later': (part) =>
      workflow('w', (input: Wire<unknown>, step) =>
        quorum(2, [
          step('one', chain('one', chain('inner', part('x'))), input),
          step('two', part('y'), input),
          step('other', chain('other', ask, part('z')), input),
        ]),
      ),
    'in a step whose failure a function has caught, which fails later': (part) =>
      agent('f', async (input: unknown, { call }) => {
        const first = await call('one', chain('one', chain('inner', part('x'))), input).catch(() => 'caught');
        const said = await call('ask', ask, input);
        if (first === 'caught') throw new Error(said);
        return first;
      }),
  };

  it.each(Object.entries(composites))('is tried again by one resume: %s', async (how, make) => {
    const { part, calls, mend } = world('x', 'z');
    const work = chain('c', make(part));
    const store = memoryStore();
    const rests = await execute(work, 1, { store, runId: 'r' });
    expect([how, rests.status]).toEqual([how, 'SUSPENDED']);
    const [question] = [...rests.steps].filter(({ status }) => status === 'SUSPENDED');
    await answer('r', question?.stepId as string, 'go on', { store });
    expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('FAILED');

    mend();
    expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('COMPLETED');
    expect(calls).toContain('x');
  });
});

describe('a function that has asked for more before it could hear of a failure', () => {
  type Asks = (step: (id: string) => Promise<unknown>) => Promise<unknown>;
  const asks: Record<string, Asks> = {
    'two at once': (step) => Promise.all([step('x'), step('y')]),
    'three at once, two of which fail': (step) => Promise.all([step('x'), step('y'), step('z')]),
    'two, and waits for them one after the other': async (step) => {
      const both = [step('x'), step('y')] as const;
      both[1].catch(() => undefined);
      return [await both[0], await both[1]];
    },
    'two when another one has ended': async (step) => {
      await step('z');
      return Promise.all([step('x'), step('y')]);
    },
  };

  it.each(Object.keys(asks))(
    'has not gone on without it: one resume is enough at every event, %s',
    async (name) => {
      const { part, calls, mend } = world('x', ...(name.startsWith('three') ? ['z'] : []));
      const work = agent('f', async (_: unknown, { step }) => {
        // What is asked for while nothing else is done begins, and fails, at once.
        await Promise.resolve();
        await asks[name]?.((id) => firstValueFrom(step(id, part(id), 1)));
        return 'ended';
      });
      for (const self of [
        work,
        chain('c', work),
        workflow('w', (input: Wire<unknown>, ask) => ask('f', work, input)),
      ]) {
        const store = recordingStore(memoryStore());
        await execute(self, 1, { store, runId: 'r' });
        mend();
        for (const { after, finished, store: left } of crashPoints(store, 'r')) {
          calls.length = 0;
          const state = await execute(self, 1, { store: left, runId: 'r' });
          expect([after.type, after.seq, state.status]).toEqual([after.type, after.seq, 'COMPLETED']);
          const done = finished.map((path) => path.slice(path.lastIndexOf('/') + 1));
          expect(calls.filter((called) => done.includes(called))).toEqual([]);
        }
      }
    },
  );

  it('has not gone on without it where the other one begins later, because it looks for a cached answer first', async () => {
    const { part, calls, mend } = world('x');
    const [x, y] = [part('x'), withPolicy(part('y'), { cache: {} })];
    const both = agent('f', (_: unknown, { step }) =>
      Promise.all([firstValueFrom(step('x', x, 1)), firstValueFrom(step('y', y, 1))]),
    );
    const slow = chain('c', both);
    const store = recordingStore(memoryStore());
    await execute(slow, 1, { store, runId: 'r' });
    mend();

    for (const { after, store: left } of crashPoints(store, 'r')) {
      calls.length = 0;
      const state = await execute(slow, 1, { store: left, runId: 'r' });
      expect([after.type, after.seq, state.status]).toEqual([after.type, after.seq, 'COMPLETED']);
    }
  });

  it('has gone on where it hears of it in the same turn', async () => {
    const { part, calls, mend } = world('x');
    const work = agent('f', (_: unknown, { step }) =>
      from(Promise.resolve()).pipe(
        switchMap(() => step('x', part('x'), 1).pipe(catchError(() => step('y', part('y'), 1)))),
      ),
    );
    const store = recordingStore(memoryStore());
    await execute(chain('c', work, part('z')), 1, { store, runId: 'r' });

    mend();
    for (const { after, store: left, state } of crashPoints(store, 'r')) {
      if (!('path' in after) || !after.path.endsWith('y') || state.status !== 'RUNNING') continue;
      calls.length = 0;
      await execute(chain('c', work, part('z')), 1, { store: left, runId: 'r' });
      expect(calls).not.toContain('x');
    }
  });
});

describe('a question that nobody answered in time', () => {
  const outcomeOf = async (work: Agent<unknown, unknown>, store = memoryStore()): Promise<RunState> =>
    execute(work, 1, { store, runId: 'r' });
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  it.each([
    ['of a chain', (): Agent<unknown, unknown> => chain('c', approval('ask', t.string, { timeoutMs: 20 }))],
    ['that is the run itself', (): Agent<unknown, unknown> => approval('ask', t.string, { timeoutMs: 20 })],
  ])('is asked again, with a new deadline, when the run is resumed: %s', async (_, make) => {
    const store = memoryStore();
    expect((await outcomeOf(make(), store)).status).toBe('SUSPENDED');
    await pause(30);
    expect((await outcomeOf(make(), store)).error?.name).toBe('ApprovalTimeoutError');

    const askedAt = Date.now();
    const state = await outcomeOf(make(), store);

    expect(state.status).toBe('SUSPENDED');
    expect(state.steps.get('ask')?.deadline).toBeGreaterThanOrEqual(askedAt + 20);
  });

  it('is not asked again where the agent that decides instead has failed: that one is tried again', async () => {
    const { part, mend } = world('boss');
    const make = () => chain('c', approval('ask', t.string, { timeoutMs: 20, onTimeout: part('boss') }));
    const store = memoryStore();
    await outcomeOf(make(), store);
    await pause(30);
    expect((await outcomeOf(make(), store)).status).toBe('FAILED');

    mend();
    expect((await outcomeOf(make(), store)).output).toBe('boss');
  });

  it('is asked again where the time limit of its step was over', async () => {
    const asking = workflow('w', (input: Wire<unknown>, step) =>
      step('ask', approval('ask', t.string), input, { timeoutMs: 20 }),
    );
    const busy = two(
      't',
      asking,
      agent('busy', () => new Promise(() => undefined)),
    );
    const store = memoryStore();
    expect((await outcomeOf(busy, store)).error?.name).toBe('StepTimeoutError');
    expect((await outcomeOf(chain('other', busy), memoryStore())).status).toBe('FAILED');

    const state = await lastValueFrom(resume(busy, 'r', { store })).then(
      (last) => last.state as RunState,
      (error: unknown) => (error as RunError).state,
    );
    expect(state.steps.get('a/ask')?.attempts).toBe(2);
  });
});

describe('a run within an agent that fails', () => {
  const deep = agent('deep', (_: unknown): string => {
    throw new Error('inner boom', { cause: new Error('no disk') });
  });
  const inner = chain('inner', deep);
  const asking = chain(
    'asking',
    agent('asks', async (_: unknown, { call }) => call('deep', deep, 1)),
  );
  const runs: Record<string, () => Promise<unknown>> = {
    'as run()': () => lastValueFrom(run(inner, 1).pipe(outputs())),
    'as run() that asks for a step': () => lastValueFrom(run(asking, 1).pipe(outputs())),
    'as an operator': () => lastValueFrom(of(1).pipe(inner)),
    'as an operator that asks for a step': () => lastValueFrom(of(1).pipe(asking)),
  };

  it.each(Object.keys(runs))('fails the step that began it, under the path of that step: %s', async (how) => {
    for (const store of [memoryStore(), lowdbStore(mkdtempSync(join(tmpdir(), 'millrace-within-')))]) {
      let isBroken = true;
      const begins = agent('begins', async (_: unknown) => (isBroken ? runs[how]?.() : 'done'));
      const outer = chain('outer', begins);
      const { error } = await execute(outer, 1, { store, runId: 'r' });

      expect(error?.path).toBe('begins');
      expect((await store.listRuns({ failedStep: 'begins' })).map(({ runId }) => runId)).toEqual(['r']);
      expect(JSON.stringify(error)).toContain('no disk');
      const kept = await lastValueFrom(store.events('r').pipe(toArray()));
      const failed = kept.map(({ event }) => event).find(({ type }) => type === 'step.failed');
      expect((failed as { readonly error: Failure }).error.stack).toMatch(/ at /);
      isBroken = false;
      const forkId = await fork('r', { store, from: 'begins' });
      expect((await execute(outer, 1, { store, runId: forkId })).output).toBe('done');
      await store.close();
    }
  });

  it('says in its cause which step of that run it was', async () => {
    const outer = chain(
      'outer',
      agent('begins', () =>
        lastValueFrom(run(inner, 1, { store: memoryStore(), runId: 'in' }).pipe(outputs())),
      ),
    );
    const { error } = await execute(outer, undefined);

    expect(error).toMatchObject({
      name: 'RunError',
      code: 'RUN_FAILED',
      message: 'Run "in" of "inner" failed at step "deep": inner boom',
      path: 'begins',
      cause: { name: 'Error', message: 'inner boom', path: 'deep', cause: { message: 'no disk' } },
    });
  });

  it('keeps its place however deep: a run of a run, below a step that a function asked for', async () => {
    const middle = chain(
      'middle',
      agent('runs', (_: unknown) => lastValueFrom(run(inner, 1).pipe(outputs()))),
    );
    const runsMiddle = agent('most', (_: unknown) => lastValueFrom(run(middle, 1).pipe(outputs())));
    const outer = chain(
      'outer',
      agent('asks', async (_: unknown, { call }) => call('nested', runsMiddle, 1)),
    );
    const { error } = await execute(outer, undefined);

    expect(error?.path).toBe('asks/nested');
    expect(error?.cause).toMatchObject({ name: 'RunError', path: 'runs' });
    expect(error?.cause?.cause).toMatchObject({ message: 'inner boom', path: 'deep' });
  });

  it('is one of several open failures, and is told among the others', async () => {
    const thrown: unknown = await lastValueFrom(run(inner, 1)).catch((error: unknown) => error);
    const begins = (name: string) =>
      agent(name, (_: unknown): unknown => {
        throw thrown;
      });
    const both = workflow('both', (input: Wire<number>, step) => [
      step('a', begins('a'), input),
      step('b', begins('b'), input),
    ]);
    const all: Transition[] = [];
    run(both, 1).subscribe({ next: (told) => all.push(told), error: () => undefined });
    const end = all.map(({ event }) => event).find(({ type }) => type === 'run.failed');

    expect(end).toMatchObject({ error: { path: 'a' } });
    expect(end?.type === 'run.failed' && end.others).toEqual(['b']);
  });
});
