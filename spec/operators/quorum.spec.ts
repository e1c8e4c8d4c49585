import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { delay, finalize, lastValueFrom, map, NEVER, of, ReplaySubject, take } from 'rxjs';

import {
  agent,
  answer,
  approval,
  chain,
  execute,
  fork,
  lowdbStore,
  memoryStore,
  pick,
  quorum,
  resume,
  saga,
  workflow,
} from '../../index';
import type { AgentOptions, RunState, Store, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';

const rows = ({ steps }: RunState): string[] => [...steps].map(({ stepId, status }) => `${stepId} ${status}`);
const publish = agent('publish', (votes: readonly unknown[]) => `published by ${JSON.stringify(votes)}`);
const ask = (name: string) => approval(name, t.boolean);
const slow = (name: string, ms: number) => agent(name, (_: unknown) => of(name).pipe(delay(ms)));
const hanging = agent('hanging', (_: unknown) => NEVER);
const broken = agent('broken', (_: unknown): string => {
  throw new Error('broken');
});
const never = { when: () => false };

/** An agent that answers first, and agents that answer when that answer has been taken in. */
function race() {
  const isIn$ = new ReplaySubject<void>(1);
  const open = () => {
    isIn$.next();
  };
  const answers = (name: string) =>
    of(name).pipe(
      delay(1),
      finalize(() => setTimeout(open)),
    );
  return {
    first: (name: string) => agent(name, (_: unknown) => answers(name)),
    later: (name: string, options: AgentOptions<unknown, string> = {}) =>
      agent(
        name,
        (_: unknown) =>
          isIn$.pipe(
            take(1),
            map(() => name),
          ),
        options,
      ),
  };
}

const twoOfThree = workflow('flow', (n: Wire<number>, step) => {
  const votes = [step('ann', ask('ann'), n), step('bob', ask('bob'), n), step('cy', ask('cy'), n)];
  return step('publish', publish, quorum(2, votes));
});

describe('quorum()', () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  const stores: Readonly<Record<string, () => Store>> = {
    memory: () => memoryStore(),
    folder: () => {
      folders.push(mkdtempSync(join(tmpdir(), 'quorum-')));
      return lowdbStore(folders.at(-1) as string);
    },
  };

  for (const [kind, open] of Object.entries(stores)) {
    it(`does not wait for the third of two approvers (${kind})`, async () => {
      const store = open();
      await execute(twoOfThree, 1, { store, runId: 'r' });
      await answer('r', 'ann', true, { store });
      await answer('r', 'cy', false, { store });
      const state = await execute(twoOfThree, 1, { store, runId: 'r' });

      expect(state).toMatchObject({ status: 'COMPLETED', output: 'published by [true,false]' });
      expect(rows(state)).toEqual(['ann COMPLETED', 'bob SKIPPED', 'cy COMPLETED', 'publish COMPLETED']);
      expect(state.steps.get('bob')).toMatchObject({ abandoned: true });
      expect(state.steps.get('bob')).not.toHaveProperty('asking');
      await store.close();
    });

    it(`is made by those that answered first, however late the run hears it (${kind})`, async () => {
      const store = open();
      await execute(twoOfThree, 1, { store, runId: 'r' });
      await answer('r', 'cy', false, { store });
      expect((await execute(twoOfThree, 1, { store, runId: 'r' })).status).toBe('SUSPENDED');
      await answer('r', 'bob', true, { store });
      await answer('r', 'ann', true, { store });
      const state = await execute(twoOfThree, 1, { store, runId: 'r' });

      expect(state).toMatchObject({ status: 'COMPLETED' });
      expect(state.steps.get('cy')).toMatchObject({ status: 'COMPLETED' });
      await store.close();
    });
  }

  it('asks those again that were withdrawn, when a fork drops one of its members', async () => {
    const store = memoryStore();
    await execute(twoOfThree, 1, { store, runId: 'r' });
    await answer('r', 'ann', true, { store });
    await answer('r', 'bob', true, { store });
    await execute(twoOfThree, 1, { store, runId: 'r' });
    const again = await fork('r', { store, from: 'bob' });
    const waiting = await execute(twoOfThree, 1, { store, runId: again });
    expect(rows(waiting)).toEqual(['ann COMPLETED', 'bob SUSPENDED', 'cy SUSPENDED', 'publish PENDING']);
    await answer(again, 'cy', false, { store });

    const state = await execute(twoOfThree, 1, { store, runId: again });
    expect(state).toMatchObject({ status: 'COMPLETED', output: 'published by [true,false]' });
    expect(state.steps.get('bob')).toMatchObject({ status: 'SKIPPED' });
  });

  it('stops a function that nobody needs any more, and what only that one needs', async () => {
    let isAborted = false;
    const patient = agent('patient', (_: number, { signal }) => {
      signal.addEventListener('abort', () => (isAborted = true));
      return NEVER;
    });
    const flow = workflow('flow', (n: Wire<number>, step) => {
      const c = step('c', slow('c', 0), step('source', patient, n));
      const votes = quorum(1, [step('a', slow('a', 5), n), pick(c, (of) => of)]);
      return step('reads', slow('reads', 10), votes);
    });
    const state = await execute(flow, 1);

    expect(rows(state)).toEqual(['source SKIPPED', 'c SKIPPED', 'a COMPLETED', 'reads COMPLETED']);
    expect(isAborted).toBe(true);
  });

  it('lets those go on that somebody else reads, or that nobody reads', async () => {
    const { first, later } = race();
    const flow = workflow('flow', (n: Wire<number>, step) => {
      const [a, b, c] = [step('a', first('a'), n), step('b', later('b'), n), step('c', later('c'), n)];
      step('note', later('note'), n);
      step('log', slow('log', 1), c);
      return { first: quorum(1, [a, b, c]), b };
    });
    const state = await execute(flow, 1);

    expect(state.output).toEqual({ first: ['a'], b: 'b' });
    expect([...state.steps].filter(({ status }) => status !== 'COMPLETED')).toEqual([]);
  });

  it('lets all go on with cancelRest: false', async () => {
    const { first, later } = race();
    const flow = workflow('flow', (n: Wire<number>, step) =>
      quorum(1, { a: step('a', first('a'), n), b: step('b', later('b'), n) }, { cancelRest: false }),
    );
    const state = await execute(flow, 1);

    expect(state.output).toEqual(['a']);
    expect(rows(state)).toEqual(['a COMPLETED', 'b COMPLETED']);
  });

  it('lets a saga come to its own end', async () => {
    const { first, later } = race();
    const booking = later('booked', { compensate: () => undefined });
    const flow = workflow('flow', (n: Wire<number>, step) =>
      quorum(1, [step('a', first('a'), n), step('b', saga('trip', chain('c', booking)), n)]),
    );
    expect((await execute(flow, 1)).steps.get('b')).toMatchObject({ status: 'COMPLETED' });
  });

  it('withdraws inside composites, and rests on what is still asked', async () => {
    const store = memoryStore();
    const part = workflow('part', (n: Wire<number>, step) => {
      const first = quorum(1, [step('ann', ask('ann'), n), step('bob', chain('deep', ask('bob')), n)]);
      return step('seal', ask('seal'), { request: first });
    });
    const flow = chain('flow', part, publish as never);
    await execute(flow, 1, { store, runId: 'r' });
    await answer('r', 'part/ann', true, { store });
    const state = await execute(flow, 1, { store, runId: 'r' });

    expect(state.status).toBe('SUSPENDED');
    expect(
      [...state.steps].filter(({ status }) => status === 'SUSPENDED').map(({ stepId }) => stepId),
    ).toEqual(['part/seal']);
  });

  it('chooses and withdraws the same after a crash at any event', async () => {
    let isQuick = false;
    const moody = agent('moody', (_: unknown) => (isQuick ? of('a') : NEVER));
    const flow = workflow('flow', (n: Wire<number>, step) => {
      const votes = [step('a', moody, n), step('b', slow('b', 1), n), step('c', slow('c', 1), n)];
      return step('publish', publish, quorum(2, [...votes, step('late', hanging, n)]));
    });
    const store = recordingStore(memoryStore());
    const whole = await execute(flow, 1, { store, runId: 'r' });
    // Whoever chose anew would choose this one.
    isQuick = true;
    expect(whole.output).toBe('published by ["b","c"]');
    expect(whole.steps.get('late')).toMatchObject({ status: 'SKIPPED' });

    let kept = 0;
    for (const { finished, store: left } of crashPoints(store, 'r')) {
      const { state } = await lastValueFrom(resume(flow, 'r', { store: left }));
      expect(state.steps.get('late')).toMatchObject({ status: 'SKIPPED' });
      if (!['b', 'c'].every((path) => finished.includes(path))) continue;
      kept += 1;
      expect(state.output).toBe(whole.output);
      expect(state.steps.get('a')).toMatchObject({ status: 'SKIPPED' });
    }
    expect(kept).toBeGreaterThan(2);
  });

  describe('with sources that are skipped', () => {
    it('takes one that completes, and not one that is skipped', async () => {
      const flow = workflow('flow', (n: Wire<number>, step) => {
        const a = step('a', slow('a', 0), n, { ...never, otherwise: 'nothing' });
        return step('publish', publish, quorum(1, [a, step('b', slow('b', 10), n)]));
      });
      expect((await execute(flow, 1)).output).toBe('published by ["b"]');
    });

    it('counts one that is made of several when any of them has completed', async () => {
      const flow = workflow('flow', (n: Wire<number>, step) => {
        const a = step('a', slow('a', 0), n, { ...never, otherwise: 'nothing' });
        const b = step('b', slow('b', 1), n);
        return quorum(1, [[a, b], step('c', hanging, n)]);
      });
      expect((await execute(flow, 1)).output).toEqual([['nothing', 'b']]);
    });

    it('fails its reader by name when too few are left, and again when it is resumed', async () => {
      const store = memoryStore();
      const flow = workflow('flow', (n: Wire<number>, step) => {
        const [a, b] = [step('a', slow('a', 0), n, never), step('b', slow('b', 5), n)];
        return step('publish', publish, quorum(2, [a, b]));
      });
      for (let life = 1; life <= 2; life += 1) {
        const state = await execute(flow, 1, { store, runId: 'r' });
        expect(state).toMatchObject({
          life,
          status: 'FAILED',
          error: { name: 'QuorumError', code: 'QUORUM_MISSED', path: 'publish' },
        });
        expect(state.steps.get('publish')).toMatchObject({ status: 'FAILED' });
      }
    });

    it('fails the workflow whose result reads it', async () => {
      const flow = workflow('flow', (n: Wire<number>, step) =>
        quorum(1, [step('a', slow('a', 0), n, never), step('b', slow('b', 0), n, never)]),
      );
      expect(await execute(chain('c', flow), 1)).toMatchObject({
        status: 'FAILED',
        error: { name: 'QuorumError', path: 'flow' },
      });
    });

    for (const failsFirst of [true, false]) {
      it(`is made by one resume, where the failure was ${failsFirst ? 'earlier' : 'later'} than the skip`, async () => {
        const store = memoryStore();
        let isDown = true;
        const flaky = agent('flaky', (_: number) => {
          if (isDown) throw new Error('down');
          return 'up';
        });
        const flow = workflow('flow', (n: Wire<number>, step) => {
          const late = step('late', slow('late', 5), n);
          const a = step('a', flaky, failsFirst ? n : pick(late, () => 1));
          const b = step('b', slow('b', 0), failsFirst ? late : n, never);
          const c = step('c', slow('c', 1), n);
          return step('publish', publish, quorum(2, [a, b, c]));
        });
        expect((await execute(flow, 1, { store, runId: 'r' })).status).toBe('FAILED');
        isDown = false;
        expect(await execute(flow, 1, { store, runId: 'r' })).toMatchObject({
          status: 'COMPLETED',
          output: 'published by ["up","c"]',
        });
      });
    }

    it('goes on after a failure that the quorum does without', async () => {
      const flow = workflow('flow', (n: Wire<number>, step) => {
        const all = [step('a', broken, n), step('b', slow('b', 2), n), step('c', hanging, n)];
        return step('publish', publish, quorum(1, all));
      });
      const state = await execute(flow, 1);
      expect(rows(state)).toEqual(['a FAILED', 'b COMPLETED', 'c SKIPPED', 'publish COMPLETED']);
    });
  });

  it('may be the result where what it gathered is undefined', async () => {
    const nothing = agent('nothing', (_: unknown): string | undefined => undefined);
    const some = agent('some', (_: unknown): string | undefined => 'some');
    const gathers = workflow('gathers', (n: Wire<number>, step) =>
      quorum(2, [step('a', nothing, n), step('b', some, n)]),
    );
    const within = workflow('within', (n: Wire<number>, step) => ({
      all: quorum(2, { a: step('a', nothing, n), b: step('b', some, n) }),
      one: [quorum(1, [step('c', nothing, n)])],
    }));
    for (const store of [undefined, memoryStore(), recordingStore(memoryStore())]) {
      const where = { runId: 'r', ...(store && { store }) };
      const options = store === undefined ? {} : where;
      for (let life = 0; life < 2; life += 1) {
        const { output } = await execute(chain('c', gathers), 1, options);
        expect(output).toEqual([undefined, 'some']);
      }
      const { output } = await execute(within, 1, store && { store });
      expect(output).toEqual({ all: [undefined, 'some'], one: [[undefined]] });
    }
  });
});
