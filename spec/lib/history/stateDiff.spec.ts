import fc from 'fast-check';

import type { RunState, StepResult } from '../../../index';
import type { StateDiff, ValueChange } from '../../../history';
import { stateDiff } from '../../../history';
import { idleState } from '../../../lib/model/state';
import { StepTable } from '../../../lib/model/stepTable';
import { amount } from '../../support/torture';

type Leaves = Readonly<Record<string, unknown>>;

/** Every place of a value that has nothing below it, by its path as JSON. */
function leaves(value: unknown, at: readonly (string | number)[] = []): [string, unknown][] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null) return [[JSON.stringify(at), value]];
  const parts = Array.isArray(value)
    ? value.map((part: unknown, index) => [index, part] as const)
    : Object.entries(value);
  const kind = Array.isArray(value) ? '[]' : '{}';
  return [[`${JSON.stringify(at)} is`, kind], ...parts.flatMap(([key, part]) => leaves(part, [...at, key]))];
}

/** The slow obvious one: all places of both, one by one. */
function naive(a: unknown, b: unknown): Leaves {
  const before = new Map(leaves(a));
  const after = new Map(leaves(b));
  return Object.fromEntries(
    [...new Set([...before.keys(), ...after.keys()])]
      .filter((at) => !Object.is(before.get(at), after.get(at)) || before.has(at) !== after.has(at))
      .map((at) => [at, [before.get(at), after.get(at)]]),
  );
}

/** The same places, from changes. */
function placesOf(changes: readonly ValueChange[]): Leaves {
  const places = changes.flatMap(({ at, before, after }) => {
    const was = new Map(leaves(before, at));
    const is = new Map(leaves(after, at));
    return [...new Set([...was.keys(), ...is.keys()])]
      .filter((place) => !Object.is(was.get(place), is.get(place)))
      .map((place) => [place, [was.get(place), is.get(place)]] as const);
  });
  return Object.fromEntries(places);
}

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.record({ list: fc.array(fc.nat(3)), text: fc.constantFrom('a', 'b') }),
);

const row = fc.record({
  stepId: fc.constantFrom('a', 'b', 'c', 'd', 'pages[1]/read', 'pages[2]/read'),
  agent: fc.constantFrom('x', 'y'),
  status: fc.constantFrom<StepResult['status']>('PENDING', 'RUNNING', 'COMPLETED'),
  output: value,
  duration: fc.nat(3),
  error: fc.constant(null),
  timestamp: fc.constant(null),
  attempts: fc.nat(2),
  shared: value,
});

const state = fc
  .record({
    input: value,
    status: fc.constantFrom<RunState['status']>('RUNNING', 'FAILED'),
    rows: fc.array(row),
    shared: value,
  })
  .map(({ input, status, rows, shared }): RunState => {
    const steps = StepTable.of(rows.map((one) => Object.freeze(one)));
    return { ...idleState('r', 'w', []), input, status, steps, shared };
  });

function flat({ run, steps }: StateDiff): object {
  const bySteps = steps.map(({ path, changes }) => [path, placesOf(changes)] as const);
  return { run: placesOf(run), steps: Object.fromEntries(bySteps) };
}

describe('the difference of two states', () => {
  it('is what a comparison of all places one by one finds', () => {
    fc.assert(
      fc.property(state, state, (a, b) => {
        const { steps: before, ...runBefore } = a;
        const { steps: after, ...runAfter } = b;
        const paths = new Set([...before, ...after].map(({ stepId }) => stepId));
        const steps = [...paths]
          .map((path) => [path, naive(before.get(path), after.get(path))] as const)
          .filter(([, places]) => Object.keys(places).length > 0);

        expect(flat(stateDiff(a, b))).toEqual({
          run: naive(runBefore, runAfter),
          steps: Object.fromEntries(steps),
        });
      }),
      { numRuns: amount(300, 20_000) },
    );
  });

  it('is empty for the same state, and for an equal one', () => {
    fc.assert(
      fc.property(state, (a) => {
        const equal = { ...a, input: structuredClone(a.input) };

        expect(stateDiff(a, a)).toEqual({ run: [], steps: [] });
        expect(stateDiff(a, equal)).toEqual({ run: [], steps: [] });
      }),
      { numRuns: amount(50, 1_000) },
    );
  });

  it('says of each step whether it came, went or changed, and where', () => {
    const step = (stepId: string, output: unknown): StepResult => ({
      stepId,
      agent: 'x',
      status: 'COMPLETED',
      output,
      duration: 0,
      error: null,
      timestamp: null,
      attempts: 1,
    });
    const with_ = (...rows: StepResult[]): RunState => ({
      ...idleState('r', 'w', []),
      steps: StepTable.of(rows),
    });
    const [kept, gone, come] = [step('kept', { list: [1, 2] }), step('gone', 1), step('come', 2)];

    const { steps } = stateDiff(with_(kept, gone), with_(come, step('kept', { list: [1, 3, 4] })));

    expect(steps.map(({ path, kind }) => [path, kind])).toEqual([
      ['come', 'added'],
      ['kept', 'changed'],
      ['gone', 'removed'],
    ]);
    expect(steps[1]?.changes).toEqual([
      { at: ['output', 'list', 1], kind: 'changed', before: 2, after: 3 },
      { at: ['output', 'list', 2], kind: 'added', after: 4 },
    ]);
  });

  it('takes an array of more than 1,000 items as a whole', () => {
    const long = Array.from({ length: 1_001 }, (_, index) => ({ index }));
    const base = idleState('r', 'w', []);
    const other = long.map(({ index }) => ({ index: index === 500 ? -1 : index }));

    expect(stateDiff({ ...base, input: long }, { ...base, input: structuredClone(long) }).run).toEqual([]);
    expect(stateDiff({ ...base, input: long }, { ...base, input: other }).run).toEqual([
      { at: ['input'], kind: 'changed', before: long, after: other },
    ]);
  });
});
