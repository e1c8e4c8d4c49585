import * as t from 'io-ts';
import { delay, filter, first, lastValueFrom, map, of, Subject, tap } from 'rxjs';

import type { StepResult, Wire } from '../../index';
import {
  agent,
  approval,
  chain,
  chainResults,
  currentSteps,
  execute,
  memoryStore,
  outputOf,
  outputs,
  pick,
  reduceRun,
  run,
  runSummary,
  workflow,
} from '../../index';
import { initialState } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';

const load = agent('load', (path: string) => `text of ${path}`);
const normalize = agent('normalize', (text: string) => text.toUpperCase());
const analyze = agent('analyze', (text: string) => ({ words: text.split(' ').length }));
const breaks = agent('breaks', (_: unknown): never => {
  throw new RangeError('out of range');
});

const three = workflow('three', (path: Wire<string>, step) =>
  step('analyze', analyze, step('normalize', normalize, step('load', load, path))),
);
const failing = workflow('failing', (path: Wire<string>, step) =>
  step('analyze', analyze, step('broken', breaks, step('load', load, path))),
);

describe('S1 Workflow(name), add_step(step_id, agent)', () => {
  it('keeps the order of declaration', () => {
    expect(planOf(definitionOf(three)!).map(({ path }) => path)).toEqual(['load', 'normalize', 'analyze']);
  });

  it('refuses a duplicate id, an empty id and a wire of another workflow when it is defined', () => {
    let stranger: Wire<string> | undefined;
    workflow('other', (path: Wire<string>, step) => (stranger = step('load', load, path)));
    const define = (build: () => unknown) =>
      expect(build).toThrow(expect.objectContaining({ name: 'DefinitionError' }));

    define(() => workflow('w', (path: Wire<string>, step) => [step('a', load, path), step('a', load, path)]));
    define(() => workflow('w', (path: Wire<string>, step) => step('', load, path)));
    define(() => workflow('w', (path: Wire<string>, step) => step('a/b', load, path)));
    define(() => workflow('w', (_: Wire<string>, step) => step('a', load, stranger!)));
    define(() => workflow('', (path: Wire<string>) => path));
    define(() => workflow('w', () => 5 as never));
    expect(() => workflow('w', (_: Wire<string>, step) => step('a', load, stranger!))).toThrow(
      'Cannot define "w": step "a" reads step "load" of workflow "other"; wire only its own steps',
    );
  });
});

describe('S2 Workflow.execute(initial_input)', () => {
  it('resolves with the final state for success and failure alike', async () => {
    expect(await execute(three, 'a', { runId: 'r' })).toMatchObject({
      runId: 'r',
      status: 'COMPLETED',
      output: { words: 3 },
    });
    const failed = await execute(failing, 'a');
    expect(failed).toMatchObject({
      status: 'FAILED',
      error: { name: 'RangeError', message: 'out of range', path: 'broken' },
    });
    expect(failed.steps.size).toBe(3);
  });

  it('gives a cold stream, and another run each time it is asked for', () => {
    expect(collect(run(three, 'a')).events[0]?.runId).not.toBe(collect(run(three, 'a')).events[0]?.runId);
  });
});

describe('S3 print_summary()', () => {
  it('tells name, state and every step before the run, after success and after failure', async () => {
    const before = runSummary(initialState(three));
    expect(before).toMatch(/three: IDLE/);
    expect(before.match(/PENDING/g)).toHaveLength(3);

    expect(runSummary(await execute(three, 'a')).match(/COMPLETED {2}\d/g)).toHaveLength(3);

    const after = runSummary(await execute(failing, 'a'));
    expect(after).toMatch(/failing: FAILED/);
    expect(after).toMatch(/load +COMPLETED/);
    expect(after).toMatch(/broken +FAILED.*out of range/);
    expect(after).toMatch(/analyze +PENDING/);
  });
});

describe('S4 WorkflowStep', () => {
  it('reads the input, one wire, a record or a tuple', async () => {
    const w = workflow('w', (path: Wire<string>, step) => {
      const text = step('text', load, path);
      const record = step('record', ({ p, t }) => `${p} ${t}`, { p: path, t: text });
      return step('tuple', ([r, length]) => `${r} ${String(length)}`, [record, pick(text, (t) => t.length)]);
    });
    expect((await execute(w, 'a')).output).toBe('a text of a 9');
  });

  it('keeps a failure as a result with its error', async () => {
    const { steps } = await execute(failing, 'a');
    expect(steps.get('broken')).toMatchObject({ status: 'FAILED', error: { message: 'out of range' } });
  });

  it('can be run alone', async () => {
    expect((await execute(analyze, 'two words')).output).toEqual({ words: 2 });
    expect(await lastValueFrom(of('two words').pipe(analyze))).toEqual({ words: 2 });
  });
});

describe('S5 WorkflowContext', () => {
  it('is made by the reducer alone and cannot be changed', () => {
    const { transitions, events } = collect(run(three, 'a', { runId: 'r' }));
    let state = initialState(three, 'r');
    for (const [index, event] of events.entries()) {
      state = reduceRun(state, event);
      expect(transitions[index]?.state).toEqual(state);
    }
    expect(() => Object.assign(state, { status: 'IDLE' })).toThrow(TypeError);
  });

  it('tells not run, skipped, failed and an undefined output apart', async () => {
    const w = workflow('w', (path: Wire<string>, step) => {
      const nothing = step('nothing', () => undefined, path);
      const skipped = step('skipped', normalize, path, { when: () => false, otherwise: 'else' });
      const bad = step('bad', breaks, { nothing, skipped });
      return step('after', normalize, bad);
    });
    const state = await execute(w, 'a');
    expect(['nothing', 'skipped', 'bad', 'after', 'unheard'].map((path) => outputOf(state, path))).toEqual([
      { kind: 'output', output: undefined },
      { kind: 'skipped', output: 'else' },
      { kind: 'failed', error: expect.objectContaining({ name: 'RangeError' }) },
      { kind: 'not run' },
      { kind: 'unknown step' },
    ]);
  });

  it('knows the steps that run right now, as a set', () => {
    const slow = agent('slow', (_: string) => of(1).pipe(delay(5)));
    const w = workflow('w', (path: Wire<string>, step) => [step('a', slow, path), step('b', slow, path)]);
    const { transitions, leave } = collect(run(w, 'x'));
    expect(currentSteps(transitions.at(-1)!.state)).toEqual(new Set(['a', 'b']));
    leave?.();
  });
});

describe('S6 the six phases', () => {
  it('are these events for three steps', () => {
    expect(collect(run(three, 'a')).told).toEqual([
      'run.started',
      'step.started load',
      'step.completed load',
      'step.started normalize',
      'step.completed normalize',
      'step.started analyze',
      'step.completed analyze',
      'run.completed',
    ]);
  });

  it('are these events when the second fails', () => {
    expect(collect(run(failing, 'a')).told).toEqual([
      'run.started',
      'step.started load',
      'step.completed load',
      'step.started broken',
      'step.failed broken',
      'run.failed',
    ]);
  });
});

describe('S7 StepResult', () => {
  it('has all its fields in the JSON', async () => {
    const state = await execute(three, 'a');
    expect(JSON.parse(JSON.stringify(state.steps.get('analyze')))).toEqual({
      stepId: 'analyze',
      agent: 'analyze',
      status: 'COMPLETED',
      output: { words: 3 },
      duration: expect.any(Number),
      error: null,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      attempts: 1,
      seq: expect.any(Number),
    });
  });

  it('has all six fields of the founding document in the JSON of a state, whatever has become of the step', async () => {
    const pauses = chain(
      'pauses',
      agent('nothing', () => undefined),
      approval('ok', t.boolean),
      agent('never', (said: boolean) => said),
    );
    const states = [await execute(failing, 'a'), await execute(pauses, 1, { store: memoryStore() })];
    const rows = states.flatMap((state) => {
      const { steps } = JSON.parse(JSON.stringify(state)) as { readonly steps: readonly object[] };
      return steps;
    });

    expect(rows.map((row) => [(row as StepResult).status, (row as StepResult).output])).toEqual([
      ['COMPLETED', expect.anything()],
      ['FAILED', null],
      ['PENDING', null],
      ['COMPLETED', null],
      ['SUSPENDED', null],
      ['PENDING', null],
    ]);
    for (const row of rows)
      expect(Object.keys(row)).toEqual(
        expect.arrayContaining(['stepId', 'status', 'output', 'duration', 'error', 'timestamp']),
      );
  });

  it('is PENDING for every declared step from the start', () => {
    const { transitions } = collect(run(three, 'a'));
    expect([...transitions[0]!.state.steps].map(({ status }) => status)).toEqual([
      'PENDING',
      'PENDING',
      'PENDING',
    ]);
  });
});

describe('S8 DAG', () => {
  it(
    'A -> (B 500 ms | C 200 -> D 200) -> E ends after 500 ms',
    marbles(({ expectObservable, scheduler }) => {
      const slow = (ms: number) => agent('slow', (_: unknown) => of('x').pipe(delay(ms)));
      const w = workflow('w', (input: Wire<string>, step) => {
        const a = step('A', normalize, input);
        const b = step('B', slow(500), a);
        const d = step('D', slow(200), step('C', slow(200), a));
        return step('E', ({ b: x, d: y }) => x + y, { b, d });
      });
      expectObservable(run(w, 'a', { scheduler }).pipe(outputs())).toBe('500ms (a|)', { a: 'xx' });
      const starts = run(w, 'a', { scheduler }).pipe(
        filter(({ event }) => event.type === 'step.started'),
        map(({ event }) => (event as { readonly path: string }).path),
      );
      expectObservable(starts).toBe('(ABC) 195ms D 299ms (E|)');
    }),
  );

  it('lets D end while B is under way in real time too', async () => {
    const slow = (_: unknown) => of('x').pipe(delay(5));
    const done = new Subject<string>();
    const w = workflow('w', (input: Wire<string>, step) => {
      const a = step('A', normalize, input);
      const b = step('B', () => done.pipe(first(), delay(5)), a);
      const d = step('D', slow, step('C', slow, a));
      return step('E', ({ b: x, d: y }) => x + y, { b, d });
    });
    const ends: string[] = [];
    const heard = run(w, 'a').pipe(
      tap(({ event }) => {
        if (event.type !== 'step.completed') return;
        ends.push(event.path);
        // Were B waited for, nothing would ever happen again.
        if (event.path === 'D') done.next('x');
      }),
    );
    const { state } = await lastValueFrom(heard);
    expect(ends).toEqual(['A', 'C', 'D', 'B', 'E']);
    expect(state.output).toBe('xx');
  });
});

describe('S9 chain against workflow', () => {
  it('makes a chain a step, and a workflow a link of a chain', async () => {
    const cleaned = chain('cleaned', load, normalize);
    const w = workflow('w', (path: Wire<string>, step) =>
      step('analyze', analyze, step('cleaned', cleaned, path)),
    );
    const c = chain(
      'c',
      agent('path', (n: number) => `p ${String(n)}`),
      w,
    );
    const state = await execute(c, 1);
    expect(state.output).toEqual({ words: 4 });
    expect([...state.steps].map(({ stepId }) => stepId)).toEqual([
      'path',
      'w',
      'w/cleaned',
      'w/cleaned/load',
      'w/cleaned/normalize',
      'w/analyze',
    ]);
  });
});

describe('S10 AgentChain', () => {
  it('hands each output on, takes operators without a name, and prints its summary', async () => {
    const c = chain(
      'c',
      load,
      map((text: string) => text.length),
    );
    const state = await execute(c, 'a');
    expect(state.output).toBe(9);
    expect(runSummary(state)).toMatch(/c: COMPLETED[\s\S]*load +COMPLETED[\s\S]*op\[1\] +COMPLETED/);
  });
});

describe('S11 ChainResult', () => {
  it('lists the links up to the first failure', async () => {
    const good = await execute(chain('c', load, normalize), 'a');
    expect(chainResults(good)).toEqual([
      {
        agentName: 'load',
        status: 'completed',
        output: 'text of a',
        duration: expect.any(Number),
        error: null,
      },
      {
        agentName: 'normalize',
        status: 'completed',
        output: 'TEXT OF A',
        duration: expect.any(Number),
        error: null,
      },
    ]);
    const bad = await execute(chain('c', load, breaks, normalize), 'a');
    expect(chainResults(bad).map(({ agentName, status, error }) => [agentName, status, error])).toEqual([
      ['load', 'completed', null],
      ['breaks', 'failed', 'out of range'],
    ]);
  });

  it('has all five fields in the JSON, whatever has become of the link', async () => {
    const nothing = agent('nothing', () => undefined);
    const state = await execute(chain('c', nothing, breaks), 'a');
    expect(JSON.parse(JSON.stringify(chainResults(state)))).toEqual([
      { agentName: 'nothing', status: 'completed', output: null, duration: expect.any(Number), error: null },
      {
        agentName: 'breaks',
        status: 'failed',
        output: null,
        duration: expect.any(Number),
        error: 'out of range',
      },
    ]);
  });
});
