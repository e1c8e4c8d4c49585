import { setTimeout as after } from 'node:timers/promises';

import { firstValueFrom } from 'rxjs';

import type { RunState, StepContext, Wire } from '../../index';
import { agent, chain, memoryStore, run, workflow } from '../../index';
import { FLUSH_MS } from '../../adapters/restate/protocol/wireLimits';
import type { Where } from '../../lib/engine/runOptions';
import { collect } from '../support/told';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

const calls: string[] = [];
/** The leaves that fail, and the calls that hang until they are aborted, such as `a 2`. */
const down = new Set<string>();
const hanging = new Set<string>();

const leaf = (name: string) =>
  agent(name, async (word: string, { signal }) => {
    calls.push(name);
    const call = `${name} ${String(calls.filter((other) => other === name).length)}`;
    if (hanging.has(call)) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    if (down.has(name)) throw new Error(`${name} is down`);
    return `${word} ${name}`;
  });
const [a, b] = [leaf('a'), leaf('b')];

const ask = (context: StepContext, id: 'a' | 'b', word: string): Promise<string> =>
  firstValueFrom(context.step(id, id === 'a' ? a : b, word));
const inTurn = agent('in turn', async (word: string, context) =>
  ask(context, 'b', await ask(context, 'a', word)),
);
const catching = async (word: string, context: StepContext): Promise<string> => {
  const first = await ask(context, 'a', word).catch(() => 'nothing');
  return `${first}, ${await ask(context, 'b', word)}`;
};
const caught = agent('caught', catching);
const twice = agent('twice', catching, { retry: 1 });

/** A function that is stopped while it waits for its second step, because what is beside it fails then. */
const failsBeside = (name: string, pauseMs: number) => {
  const wait = agent(`${name} wait`, (word: string) => after(pauseMs, word));
  const late = chain(`${name} late`, wait, inTurn);
  const fails = agent(`${name} fails`, async (): Promise<string> => {
    await waitFor(() => calls.includes('b'), 30_000, 'the second step');
    throw new Error('fails beside it');
  });
  return workflow(name, (word: Wire<string>, step) => ({
    late: step('late', late, word),
    beside: step('beside', chain(`${name} beside`, wait, fails), word),
  }));
};
const quick = failsBeside('quick', 0);
const slow = failsBeside('slow', 2 * FLUSH_MS);

const agents = [inTurn, caught, twice, quick, slow];

describePlacements('steps that a function asks for', agents, (options, placed) => {
  describe.each<[string, () => Where]>([
    ['on Restate', () => options],
    ['with a store', withStore],
  ])('%s', (where, whereOf) => {
    let place: Where & { readonly runId: string };
    let stop: AbortController;
    beforeEach(() => {
      stop = new AbortController();
      place = { ...whereOf(), runId: `${placed} ${where} ${expect.getState().currentTestName ?? ''}` };
      calls.length = 0;
      down.clear();
      hanging.clear();
    });

    /** Carries the run on until it ends, or until this has been told and it is cancelled because of that. */
    const life = async (of: typeof inTurn, until?: string): Promise<RunState | undefined> => {
      const told = collect(run(of, 'x', { ...place, signal: stop.signal }));
      if (until !== undefined) {
        await waitFor(() => told.told.includes(until), 30_000, until);
        stop.abort();
      }
      await waitFor(() => told.ended !== 'open', 30_000, 'the end');
      calls.length = 0;
      const { state } = told.transitions.at(-1) ?? {};
      return state;
    };

    it('are not called again that had completed when their run was cancelled', async () => {
      hanging.add('b 1');
      const left = await life(inTurn, 'step.started in turn/b');
      hanging.clear();
      const again = collect(run(inTurn, 'x', place));
      await waitFor(() => again.ended !== 'open', 30_000, 'the end');

      expect(left?.status).toBe('CANCELLED');
      expect(again.transitions.at(-1)?.state).toMatchObject({ status: 'COMPLETED', output: 'x a b' });
      expect(calls).toEqual(['b']);
    });

    it('are not called again where the function had caught that they fail', async () => {
      down.add('a');
      hanging.add('b 1');
      await life(caught, 'step.started caught/b');
      down.clear();
      hanging.clear();
      const again = collect(run(caught, 'x', place));
      await waitFor(() => again.ended !== 'open', 30_000, 'the end');

      expect(again.transitions.at(-1)?.state).toMatchObject({
        status: 'COMPLETED',
        output: 'nothing, x b',
      });
      expect(calls).toEqual(['b']);
    });

    it('are called again where the function that had caught it failed all the same', async () => {
      down.add('a').add('b');
      const failed = await life(caught);
      down.clear();
      const again = collect(run(caught, 'x', place));
      await waitFor(() => again.ended !== 'open', 30_000, 'the end');

      expect(failed?.status).toBe('FAILED');
      expect(again.transitions.at(-1)?.state).toMatchObject({ status: 'COMPLETED', output: 'x a, x b' });
      expect(calls).toEqual(['a', 'b']);
    });

    it('are called again by another attempt, and none that has completed', async () => {
      down.add('a').add('b');
      const told = collect(run(twice, 'x', place));
      await waitFor(() => told.ended !== 'open', 30_000, 'the end');

      expect(calls).toEqual(['a', 'b', 'a', 'b']);
    });

    it('are called again where their run is cancelled in another attempt than the one that had caught it', async () => {
      down.add('a').add('b');
      hanging.add('a 2');
      const told = collect(run(twice, 'x', { ...place, signal: stop.signal }));
      await waitFor(() => calls.length === 3, 30_000, 'the second attempt');
      stop.abort();
      await waitFor(() => told.ended !== 'open', 30_000, 'the end');
      calls.length = 0;
      down.clear();
      hanging.clear();
      const again = collect(run(twice, 'x', place));
      await waitFor(() => again.ended !== 'open', 30_000, 'the end');

      expect(again.transitions.at(-1)?.state).toMatchObject({ status: 'COMPLETED', output: 'x a, x b' });
      expect(calls).toEqual(['a', 'b']);
    });

    it.each([
      ['short', quick],
      ['long', slow],
    ])(
      'are told of a %s life that fails as its record keeps them, where their function was stopped',
      async (_, of) => {
        hanging.add('b 1');
        const told = collect(run(of, 'x', place));
        await waitFor(() => told.ended !== 'open', 30_000, 'the end');
        const kept = await (place.store?.loadRun(place.runId) ?? options.engine.loadRun(of, place.runId));

        const { state } = told.transitions.at(-1) ?? {};
        expect(state?.status).toBe('FAILED');
        expect(rowsOf(state)).toEqual(rowsOf(kept));
        expect(rowsOf(state)).toContain('late/in turn/a COMPLETED');
      },
    );
  });
});

function rowsOf(state: RunState | undefined): readonly string[] {
  return [...(state?.steps ?? [])].map(({ stepId, status }) => `${stepId} ${status}`).sort();
}

function withStore(): Where {
  return { store: stores };
}

const stores = memoryStore();
