import fc from 'fast-check';
import { enablePatches, Immer } from 'immer';
import { firstValueFrom, toArray } from 'rxjs';

import type { EventLine } from '../../adapters/http/contract';
import { nodeStatus } from '../../inspector/page/rowList';
import { RunFold } from '../../inspector/page/runFold';
import { Immer as Shallow } from '../../inspector/page/shallowImmer';
import { reduceRun } from '../../lib/model/reduce';
import { withPatches } from '../../lib/model/shared';
import { idleState } from '../../lib/model/state';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { book, finish } from './books';

describe('RunFold', () => {
  let lines: readonly EventLine[] = [];

  beforeAll(async () => {
    // A page in the background: it folds by timers, not by frames.
    Object.assign(globalThis, { document: { hidden: true } });
    const store = memoryStore({ events: 'all' });
    await finish(book, { pages: 600, jam: 590 }, store, 'r');
    lines = await firstValueFrom(store.events('r').pipe(toArray()));
  });

  const fold = (): RunFold => {
    const made = new RunFold('r');
    made.add(lines);
    made.flush();
    return made;
  };
  const stateAfter = (count: number): unknown =>
    JSON.parse(
      JSON.stringify(
        lines.slice(0, count).reduce((state, { event }) => reduceRun(state, event), idleState('r', '', [])),
      ),
    );

  it('gives at any moment the state that the reducer makes of the events so far', () => {
    const made = fold();

    fc.assert(
      fc.property(fc.integer({ min: 0, max: lines.length }), (at) => {
        expect(JSON.parse(JSON.stringify(made.stateAt(at)))).toEqual(stateAfter(at));
      }),
      { numRuns: 50 },
    );
  });

  it('shows each step at any moment as the state of that moment has it', () => {
    const made = fold();

    for (const at of [1, 2, 57, 1_000, 1_001, 5, 700, 1_150]) {
      made.show(at);
      for (const row of made.state.steps)
        expect([row.stepId, made.node(row.stepId)?.status]).toEqual([row.stepId, row.status]);
      const counted = Object.values(made.root.below).reduce((sum, count) => sum + count, 0);
      expect(counted).toBe(made.state.steps.size);
    }
    made.show(undefined);
    expect(made.state).toBe(made.head);
  });

  it('shows a moment that was asked for before its events had come', () => {
    const made = new RunFold('r');
    made.show(300);
    made.add(lines);
    made.flush();

    expect(JSON.parse(JSON.stringify(made.state))).toEqual(stateAfter(300));
    expect(made.at).toBe(300);
  });

  it('takes no line twice, however often it is told after a reconnect', () => {
    const made = new RunFold('r');
    made.add(lines.slice(0, 500));
    made.add(lines.slice(400, 900));
    made.flush();
    made.add(lines);
    made.flush();

    expect(made.size).toBe(lines.length);
    expect(JSON.parse(JSON.stringify(made.head))).toEqual(stateAfter(lines.length));
  });

  it('knows how a place stands that is no step of its own by those below it', () => {
    const made = fold();

    expect(nodeStatus(made.node('pages[590]')!)).toBe('FAILED');
    expect(nodeStatus(made.node('pages[3]')!)).toBe('COMPLETED');
  });

  it('comes in the page without Immer: a shallow copy is what the reducer asks of it', () => {
    const base = { status: 'RUNNING', input: { deep: 1 } };
    const changed = new Shallow().produce(base, (draft) => {
      draft.status = 'FAILED';
    });

    expect(changed).toEqual({ status: 'FAILED', input: { deep: 1 } });
    expect(base.status).toBe('RUNNING');
    expect(changed.input).toBe(base.input);
  });

  it('makes the changes of a shared state without Immer as that does', () => {
    enablePatches();
    const immer = new Immer();
    const json = fc.oneof(fc.integer(), fc.string(), fc.array(fc.integer(), { maxLength: 4 }));
    const state = fc.record({
      list: fc.array(json, { maxLength: 6 }),
      // No value that is kept has a key of that name.
      by: fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        json,
        { maxKeys: 4 },
      ),
      n: fc.integer(),
    });

    fc.assert(
      fc.property(state, state, fc.nat(6), (before, after, at) => {
        const [changed, patches] = immer.produceWithPatches(before, (draft) => {
          draft.n = after.n;
          draft.list.splice(at, 2, ...after.list);
          Object.assign(draft.by, after.by);
          for (const key of Object.keys(before.by).slice(0, 1)) Reflect.deleteProperty(draft.by, key);
        });
        expect(withPatches(before, patches)).toEqual(changed);
      }),
      { numRuns: 1_000 },
    );
  });
});
