import { expectTypeOf } from 'expect-type';
import type { Observable } from 'rxjs';

import type { Agent, AnswerReceipt, RunState, Transition } from '../../index';
import type { CancelReceipt } from '../../operators/runs/cancel';
import {
  agent,
  answer,
  cancel,
  everyStep,
  execute,
  fork,
  memoryStore,
  restore,
  resume,
  run,
  runEach,
  saveTo,
} from '../../index';
import type { RunEngine } from '../../lib/engine/engine';

const work = agent('work', (text: string) => text.length);
const store = memoryStore();
declare const engine: RunEngine;

/** Only the compiler reads what is in here. */
function neverCalled(_read: () => void): void {
  // Nothing of it is run.
}

describe('where a run rests', () => {
  it('is said last, with a store or with an engine', () => {
    neverCalled(() => {
      expectTypeOf(run(work, 'a', { store })).toEqualTypeOf<Observable<Transition<number>>>();
      expectTypeOf(run(work, 'a', { engine })).toEqualTypeOf<Observable<Transition<number>>>();
      expectTypeOf(resume(work, 'r', { store })).toEqualTypeOf<Observable<Transition<number>>>();
      expectTypeOf(resume(work, 'r', { engine })).toEqualTypeOf<Observable<Transition<number>>>();
      expectTypeOf(execute(work, 'a', { store })).toEqualTypeOf<Promise<RunState<number>>>();
      expectTypeOf(execute(work, 'a', { engine })).toEqualTypeOf<Promise<RunState<number>>>();
      expectTypeOf(answer('r', 'sign', true, { store })).toEqualTypeOf<Promise<AnswerReceipt>>();
      expectTypeOf(answer('r', 'sign', true, { engine, asking: '1' })).toEqualTypeOf<
        Promise<AnswerReceipt>
      >();
      expectTypeOf(cancel('r', { store, reason: 'late' })).toEqualTypeOf<Promise<CancelReceipt>>();
      expectTypeOf(cancel('r', { engine, agent: work })).toEqualTypeOf<Promise<CancelReceipt>>();
      expectTypeOf(fork('r', { store })).toEqualTypeOf<Promise<string>>();
      expectTypeOf(fork('r', { engine, from: 'a', input: 1, runId: 'f' })).toEqualTypeOf<Promise<string>>();
      expectTypeOf(restore('snapshot', { store })).toEqualTypeOf<Promise<string>>();
      expectTypeOf(restore('snapshot', { store, engine, agent: work })).toEqualTypeOf<Promise<string>>();
      expectTypeOf(runEach(work, { engine, concurrency: 2 })).toBeFunction();
      expectTypeOf(saveTo(everyStep(), { store })).toBeFunction();
      expectTypeOf(work).toEqualTypeOf<Agent<string, number>>();
    });
  });

  it('is never both a store and an engine', () => {
    neverCalled(() => {
      // @ts-expect-error one of the two
      run(work, 'a', { store, engine });
      // @ts-expect-error one of the two
      resume(work, 'r', { store, engine });
      // @ts-expect-error one of the two
      void execute(work, 'a', { store, engine });
      // @ts-expect-error one of the two
      void answer('r', 'sign', true, { store, engine });
      // @ts-expect-error one of the two
      void cancel('r', { store, engine });
      // @ts-expect-error one of the two
      void fork('r', { store, engine });
      // @ts-expect-error one of the two
      runEach(work, { store, engine });
    });
  });

  it('cannot be left out where a run is named, and is no engine for snapshots', () => {
    neverCalled(() => {
      // @ts-expect-error neither is given
      resume(work, 'r', {});
      // @ts-expect-error neither is given
      void answer('r', 'sign', true, {});
      // @ts-expect-error neither is given
      void cancel('r', { reason: 'late' });
      // @ts-expect-error neither is given
      void fork('r', { from: 'a' });
      // @ts-expect-error engines keep no snapshots
      void restore('snapshot', { engine });
      // @ts-expect-error engines keep no snapshots
      saveTo(everyStep(), { engine });
    });
  });

  const plain = { answer, cancel, fork, restore, resume, saveTo, run } as unknown as Record<
    string,
    (...given: unknown[]) => unknown
  >;
  const nobody = { run: () => undefined };
  const refusal = async (name: string, ...given: unknown[]): Promise<unknown> => {
    try {
      await plain[name]?.(...given);
    } catch (error) {
      return error;
    }
    return undefined;
  };

  it.each([
    ['answer', ['r', 'sign', true], 'Cannot answer run "r": neither a store nor an engine is given'],
    ['cancel', ['r'], 'Cannot cancel run "r": neither a store nor an engine is given'],
    ['fork', ['r'], 'Cannot fork run "r": neither a store nor an engine is given'],
    ['resume', [work, 'r'], 'Cannot resume run "r": neither a store nor an engine is given'],
    ['restore', ['s'], 'Cannot restore snapshot "s": neither a store nor an engine is given'],
  ])(
    '%s() refuses by name what plain JavaScript leaves out, or gives twice',
    async (name, given, message) => {
      expect(await refusal(name, ...given)).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(await refusal(name, ...given)).toMatchObject({ message: expect.stringContaining(message) });
      expect(await refusal(name, ...given, { store, engine: nobody })).toMatchObject({
        message: expect.stringContaining(
          name === 'restore' ? 'it cannot begin with a state' : 'with both an engine and a store',
        ),
      });
      expect(await refusal(name, ...given, { store: 7 })).toMatchObject({
        message: expect.stringContaining('a store is needed, got number'),
      });
      expect(await refusal(name, ...given, { engine: 'far' })).toMatchObject({
        message: expect.stringContaining('an engine is needed, got string'),
      });
    },
  );

  it('the order of earlier releases is refused by name', async () => {
    expect(await refusal('answer', store, 'r', 'sign', true)).toMatchObject({ code: 'INVALID_RUN_ID' });
    expect(await refusal('cancel', store, 'r')).toMatchObject({ code: 'INVALID_RUN_ID' });
    expect(await refusal('fork', store, 'r', { from: 'a' })).toMatchObject({ code: 'INVALID_RUN_ID' });
    expect(await refusal('saveTo', store, everyStep())).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await refusal('run', work, 'a', { store: 'runs' })).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
