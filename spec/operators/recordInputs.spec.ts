import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { filter, firstValueFrom, from, lastValueFrom, of, toArray } from 'rxjs';

import type { RunState, Store, Wire } from '../../index';
import {
  agent,
  chain,
  each,
  execute,
  lowdbStore,
  memoryStore,
  pick,
  run,
  runEach,
  serve,
  submit,
  workflow,
} from '../../index';
import type { RunEngine } from '../../lib/engine/engine';
import { reduceRunAll } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';

const seen = (name: string) => agent(name, (value: unknown) => value);

const made = workflow('made', (input: Wire<number>, step) => ({
  plain: step('plain', seen('plain'), input),
  picked: step(
    'picked',
    seen('picked'),
    pick(input, (value) => value + 1),
  ),
  record: step('record', seen('record'), { k: input }),
  list: step('list', seen('list'), [input, pick(input, (value) => value * 2)]),
}));

const inputsOf = ({ steps }: RunState) =>
  Object.fromEntries([...steps].map(({ stepId, input }) => [stepId, input]));

describe('recorded inputs', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const given = { plain: 1, picked: 2, record: { k: 1 }, list: [1, 2] };

  it('say what each step was given, and not without recordInputs', async () => {
    const store = memoryStore();

    expect(inputsOf(await execute(made, 1, { store, recordInputs: true }))).toEqual(given);
    expect(inputsOf(await execute(made, 1, { store }))).toEqual({});
  });

  it('are read by another process, in the state and in the events, which fold to it', async () => {
    const store = lowdbStore(folder);
    await execute(made, 1, { store, runId: 'r', recordInputs: true });
    await store.close();

    const other = lowdbStore(folder);
    const state = await other.loadRun('r');
    const kept = await lastValueFrom(other.events('r').pipe(toArray()));
    expect(inputsOf(state!)).toEqual(given);
    const events = kept.map(({ event }) => event);
    expect(events.flatMap((event) => (event.type === 'step.started' ? [event.input] : []))).toHaveLength(4);
    expect(reduceRunAll(idleState('r', '', []), events).steps.toJSON()).toEqual(state!.steps.toJSON());
    await other.close();
  });

  it('are those of items and of the steps of functions too', async () => {
    const inner = agent('inner', (value: number, { step }) =>
      firstValueFrom(step('own', seen('own'), { value })),
    );
    const state = await execute(chain('c', each('all', inner)), [5], { recordInputs: true });

    expect(inputsOf(state)).toMatchObject({ all: [5], 'all[0]/inner': 5, 'all[0]/inner/own': { value: 5 } });
  });

  it('hold no secrets, are JSON and bounded, whatever was given', async () => {
    const odd = {
      password: 'hunter2hunter2',
      at: new Date(0),
      big: 'x'.repeat(100_000),
      call: () => 1,
      many: new Map([[1, 2]]),
    };
    const state = await execute(
      chain(
        'c',
        agent('odd', (_: object) => 1),
      ),
      odd,
      { recordInputs: true },
    );
    const { input } = state.steps.get('odd')!;

    const text = JSON.stringify(input);
    expect(text).not.toContain('hunter2');
    expect(text.length).toBeLessThan(40_000);
    expect(input).toEqual(JSON.parse(text));
  });

  it('stay through attempts, and are gone with a life that does not record them', async () => {
    let calls = 0;
    const flaky = agent(
      'flaky',
      (value: number) => {
        calls += 1;
        if (calls < 4) throw new Error('down');
        return value;
      },
      { retry: 1 },
    );
    const store: Store = memoryStore();
    const first = await execute(chain('c', flaky), 3, { store, runId: 'r', recordInputs: true });
    expect([first.status, inputsOf(first)]).toEqual(['FAILED', { flaky: 3 }]);

    const second = await execute(chain('c', flaky), 3, { store, runId: 'r' });
    expect([second.status, inputsOf(second)]).toEqual(['COMPLETED', {}]);
  });

  it('are recorded by runEach and by serve', async () => {
    const work = chain('c', seen('plain'));
    const all = await lastValueFrom(from([1, 2]).pipe(runEach(work, { recordInputs: true }), toArray()));
    const told = all.flatMap(({ event }) => (event.type === 'step.started' ? [event.input] : []));
    expect(told.sort()).toEqual([1, 2]);

    const store = memoryStore();
    await submit(work, 9, { store, runId: 'r' });
    const { state } = await firstValueFrom(
      serve([work], { store, recordInputs: true }).pipe(
        filter(({ event }) => event.type === 'run.completed'),
      ),
    );
    expect(inputsOf(state)).toEqual({ plain: 9 });
  });

  it('are refused by name on an engine', () => {
    const engine = { run: () => of() } as unknown as RunEngine;

    expect(() => run(made, 1, { engine, recordInputs: true })).toThrow(/recordInputs/);
  });
});

describe('the sources of a plan', () => {
  it('tell a value, a picked one and those in records and lists apart', async () => {
    const { plan } = await execute(made, 1);

    expect(plan.map(({ path, sources, reads }) => [path, sources, reads])).toEqual([
      ['plain', ['input'], undefined],
      ['picked', ['input'], 'pick(input)'],
      ['record', ['input'], '{ k: input }'],
      ['list', ['input'], '[input, pick(input)]'],
    ]);
  });

  it('leave a run alone that was saved without them', async () => {
    const store = memoryStore();
    const state = await execute(made, 1, { store, runId: 'r' });
    const plan = state.plan.map(({ reads: _, ...step }) => step);
    await store.deleteRun('r');
    await store.importRun({ ...state, status: 'CANCELLED', plan });

    expect(await execute(made, 1, { store, runId: 'r' })).toMatchObject({ status: 'COMPLETED', life: 2 });
  });

  it('record what gives nothing as JSON as null, and fail no run because of it', async () => {
    const odd = [
      { toJSON: () => undefined },
      { toJSON: () => () => 1 },
      [{ toJSON: () => undefined }],
      () => 1,
      Symbol('s'),
      1n,
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
    ];
    for (const input of odd) {
      for (const store of [undefined, memoryStore()]) {
        const given = chain(
          'c',
          agent('begin', (_: number) => 0),
          workflow('w', (n: Wire<number>, step) =>
            step(
              'x',
              agent('x', () => 'done'),
              pick(n, () => input as never),
            ),
          ),
        );
        const state = await execute(given, 1, { recordInputs: true, ...(store && { store }) });
        expect([state.status, state.output]).toEqual(['COMPLETED', 'done']);
      }
    }
    const one = await execute(
      workflow('w', (n: Wire<number>, step) =>
        step(
          'x',
          agent('x', () => 'done'),
          pick(n, () => odd[0] as never),
        ),
      ),
      1,
      { recordInputs: true },
    );
    expect(inputsOf(one)).toEqual({ x: null });
  });
});
