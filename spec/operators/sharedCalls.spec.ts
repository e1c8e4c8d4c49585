import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, Subject, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

import type { Wire } from '../../lib/definition/wire';
import { forgetIn, recallFrom } from '../../lib/engine/local/cachedAnswers';
import type { StepTask } from '../../lib/engine/task';
import type { Agent } from '../../lib/model/agentType';
import { nodeFiles } from '../../lib/store/folder/files/nodeFiles';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import { CacheFiles } from '../../lib/store/folder/records/cacheFiles';
import type { AnswerCache } from '../../lib/store/answerCache';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import type { AgentOptions } from '../../operators/agents/agent';
import { agent } from '../../operators/agents/agent';
import { approval } from '../../operators/agents/approval';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { withPolicy } from '../../operators/agents/withPolicy';
import { workflow } from '../../operators/agents/workflow';
import { answer } from '../../operators/runs/answer';
import { outputs } from '../../operators/runs/outputs';
import { resume } from '../../operators/runs/resume';
import { run } from '../../operators/runs/run';
import { workOf } from '../support/quickest';
import { collect } from '../support/told';
import { until } from '../support/until';

const tick = () => lastValueFrom(timer(0));

/** An agent whose calls end when the test says so. */
function held(options: Partial<AgentOptions<string, string>> = {}) {
  const calls: { readonly input: string; readonly end$: Subject<string>; readonly signal: AbortSignal }[] =
    [];
  const ask = agent(
    'ask',
    (input: string, { signal }) => {
      const end$ = new Subject<string>();
      calls.push({ input, end$, signal });
      return end$;
    },
    { cache: {}, concurrency: 100, ...options } as AgentOptions<string, string>,
  );
  const end = (index: number, value: string) => {
    calls[index]?.end$.next(value);
    calls[index]?.end$.complete();
  };
  return { ask, calls, end };
}

function counting(work: (input: string) => unknown) {
  const calls: string[] = [];
  const ask = agent(
    'ask',
    (input: string) => {
      calls.push(input);
      return work(input) as Promise<string>;
    },
    { cache: {}, concurrency: 100 },
  );
  return { ask, calls };
}

describe('one call for all who ask the same at the same time', () => {
  it.each(['memory', 'folder'])('is made for the equal items of each(), in a %s store', async (kind) => {
    const folder = mkdtempSync(join(tmpdir(), 'shared-'));
    const store = kind === 'memory' ? memoryStore() : lowdbStore(folder);
    const { ask, calls } = counting(async (text) => {
      await tick();
      return { text: text.toUpperCase() };
    });
    const items = ['a', 'b', 'a', 'a', 'b', 'a'];
    const given = await firstValueFrom(
      run(each('list', ask, { concurrency: 6 }), items, { store }).pipe(outputs()),
    );

    expect(given).toEqual(items.map((text) => ({ text: text.toUpperCase() })));
    expect(calls).toEqual(['a', 'b']);
    await store.close();
    rmSync(folder, { recursive: true });
  });

  it('is shared by runs, each of which gets an output of its own', () => {
    const store = memoryStore();
    const ends: Subject<{ list: number[] }>[] = [];
    const ask = agent(
      'ask',
      (_: string) => {
        const end$ = new Subject<{ list: number[] }>();
        ends.push(end$);
        return end$;
      },
      { cache: {} },
    );
    const first = collect(run(ask, 'a', { store }));
    const second = collect(run(ask, 'a', { store }));
    ends[0]?.next({ list: [1] });
    ends[0]?.complete();
    const outputOf = ({ transitions }: typeof first) => transitions.at(-1)?.state.output;

    expect(ends).toHaveLength(1);
    expect(outputOf(second)).toEqual({ list: [1] });
    expect(outputOf(second)).not.toBe(outputOf(first));
    expect(first.events[2]).not.toHaveProperty('cached');
    expect(second.events[2]).toMatchObject({ type: 'step.completed', cached: true, attempt: 1 });
  });

  it('is shared by runs of a composite', async () => {
    const store = memoryStore();
    const { ask, calls } = counting(async (text) => {
      await tick();
      return text;
    });
    const root = withPolicy(chain('root', ask), { cache: {} });
    const all = [1, 2, 3].map(() => firstValueFrom(run(root, 'a', { store }).pipe(outputs())));
    expect(await Promise.all(all)).toEqual(['a', 'a', 'a']);

    expect(calls).toEqual(['a']);
  });

  it('is made by the next one when whoever makes it is stopped', () => {
    const store = memoryStore();
    const { ask, calls, end } = held();
    const runs = [1, 2, 3].map(() => collect(run(ask, 'a', { store })));
    runs[0]?.leave?.();

    expect(calls).toHaveLength(2);
    expect(calls[0]?.signal.aborted).toBe(true);
    end(1, 'A');
    expect(calls).toHaveLength(2);
    expect(runs.map(({ transitions }) => transitions.at(-1)?.state.status)).toEqual([
      'RUNNING',
      'COMPLETED',
      'COMPLETED',
    ]);
  });

  it('does not mind who stops waiting for it', () => {
    const store = memoryStore();
    const { ask, calls, end } = held();
    const runs = [1, 2, 3].map(() => collect(run(ask, 'a', { store })));
    runs[1]?.leave?.();
    expect(calls[0]?.signal.aborted).toBe(false);
    end(0, 'A');

    expect(calls).toHaveLength(1);
    expect(runs.map(({ ended }) => ended)).toEqual(['complete', 'open', 'complete']);
  });

  it('shares no failure: once it has failed for good, the others call for themselves, all at once', () => {
    const store = memoryStore();
    const { ask, calls, end } = held({ retry: { count: 1 } });
    const runs = [1, 2, 3].map(() => collect(run(ask, 'a', { store })));
    calls[0]?.end$.error(new Error('busy'));
    expect(calls).toHaveLength(2);
    calls[1]?.end$.error(new Error('down'));
    expect(calls).toHaveLength(4);
    end(2, 'A');
    end(3, 'A');

    expect(runs.map(({ ended }) => ended)).toEqual(['error', 'complete', 'complete']);
  });

  it('is not made again for a list that fails with its first item', () => {
    const store = memoryStore();
    const { ask, calls } = held();
    const list = collect(run(each('list', ask, { concurrency: 3 }), ['a', 'a', 'a'], { store }));
    calls[0]?.end$.error(new Error('down'));

    expect(list.ended).toBe('error');
    expect(calls).toHaveLength(1);
  });

  it('is waited for no longer than the own time limit, then a call is made', () => {
    const scheduler = new TestScheduler(() => undefined);
    const store = memoryStore();
    const hangs = held();
    const hasLimit = held({ timeoutMs: 50 });
    const first = collect(run(hangs.ask, 'a', { store, scheduler }));
    const second = collect(run(hasLimit.ask, 'a', { store, scheduler }));
    scheduler.run(({ flush }) => {
      scheduler.schedule(() => {
        expect(hasLimit.calls).toHaveLength(0);
      }, 49);
      scheduler.schedule(() => {
        expect(hasLimit.calls).toHaveLength(1);
      }, 51);
      flush();
    });

    expect(second.error).toMatchObject({ failure: { name: 'StepTimeoutError' } });
    expect(first.ended).toBe('open');
    first.leave?.();
  });

  it('never makes a run wait for itself', async () => {
    const store = memoryStore();
    const calls: string[] = [];
    const left = agent(
      'left',
      async (input: string, { step }) => {
        calls.push('left');
        await tick();
        if (calls.length > 4) return 'L';
        return firstValueFrom<string>(step('other', right, input));
      },
      { cache: {} },
    );
    const right = agent(
      'right',
      async (input: string, { step }): Promise<string> => {
        calls.push('right');
        await tick();
        if (calls.length > 4) return 'R';
        return firstValueFrom(step('other', left, input));
      },
      { cache: {} },
    );
    const both = workflow(
      'both',
      (input: Wire<string>, step) => [step('a', left, input), step('b', right, input)] as const,
    );
    const itself: Agent<string, string> = agent(
      'itself',
      async (input: string, { step, path }): Promise<string> =>
        path.length > 20 ? 'deep' : firstValueFrom(step('again', itself, input)),
      { cache: {} },
    );

    expect(await firstValueFrom(run(both, 'x', { store }).pipe(outputs()))).toHaveLength(2);
    expect(await firstValueFrom(run(itself, 'x', { store }).pipe(outputs()))).toBe('deep');
  });

  describe('is not waited for in the room that it waits for itself', () => {
    const limit = { concurrency: 1 };
    const within = (before: Agent<string, string>, ask: Agent<string, string>) =>
      withPolicy(chain('within', before, ask), { limit });

    it('by another run', async () => {
      const store = memoryStore();
      const before = agent('before', async (input: string) => tick().then(() => input));
      const { ask, calls, end } = held();
      const first = collect(run(within(before, ask), 'a', { store }));
      const second = collect(run(withPolicy(ask, { limit }), 'a', { store }));
      for (let index = 0; index < 2; index += 1) {
        await until(() => calls.length > index || second.ended !== 'open');
        end(index, 'A');
      }
      await tick();

      expect([first.ended, second.ended]).toEqual(['complete', 'complete']);
    });

    it('by the same run', async () => {
      const store = memoryStore();
      const before = agent('before', async (input: string) => tick().then(() => input));
      const { ask, calls, end } = held();
      const both = workflow('both', (input: Wire<string>, step) => ({
        one: step('one', within(before, ask), input),
        other: step('other', ask, input, { limit }),
      }));
      const seen = collect(run(both, 'a', { store }));
      for (let index = 0; index < 2; index += 1) {
        await until(() => calls.length > index || seen.ended !== 'open');
        end(index, 'A');
      }
      await tick();

      expect(seen.ended).toBe('complete');
    });
  });

  it('asks a person one question for equal items, and lets the run rest meanwhile', async () => {
    const store = memoryStore();
    const question = approval('ok', t.string);
    const checked = withPolicy(chain('checked', question), { cache: {} });
    const list = each('list', checked, { concurrency: 3 });
    const ended = await lastValueFrom(run(list, ['a', 'a', 'a'], { runId: 'r', store }));
    expect(ended.event).toMatchObject({ type: 'run.suspended' });
    expect((await store.listRuns())[0]?.waiting).toHaveLength(1);

    const path = [...ended.state.steps].find(({ status }) => status === 'SUSPENDED')?.stepId ?? '';
    await answer('r', path, 'yes', { store });
    const last = await lastValueFrom(resume(list, 'r', { store }));
    expect(last.state.output).toEqual(['yes', 'yes', 'yes']);
  });

  it('costs each of 4,000 equal items the same', () => {
    const took = (count: number) =>
      workOf(() => {
        const store = memoryStore();
        const { ask, calls, end } = held();
        const list = collect(
          run(
            each('list', ask, { concurrency: Infinity }),
            Array.from({ length: count }, () => 'a'),
            { store },
          ),
        );
        end(0, 'A');
        expect(calls).toHaveLength(1);
        expect(list.ended).toBe('complete');
      }) / count;
    const enough = 5 * Math.min(took(1_000), took(1_000)) + 0.05;
    let many = Infinity;
    // A busy machine may hold up any of them.
    for (let round = 0; round < 5 && many >= enough; round += 1) many = Math.min(many, took(4_000));

    expect(many).toBeLessThan(enough);
  });

  it('is left without a trace by 4,000 runs that are stopped', () => {
    const store = memoryStore();
    const { ask, calls } = held();
    const list = collect(
      run(
        each('list', ask, { concurrency: Infinity }),
        Array.from({ length: 4_000 }, () => 'a'),
        { store },
      ),
    );
    const since = performance.now();
    list.leave?.();

    expect(performance.now() - since).toBeLessThan(5_000);
    expect(calls).toHaveLength(1);
  });
});

describe('an answer that is undone while the cache is busy', () => {
  it('is marked as undone, however many answers wait to be written', async () => {
    const never = <T>() => new Promise<T>(() => undefined);
    const cache = new CacheFiles(nodeFiles, tmpdir(), never, () => undefined);
    for (let n = 0; n < 1_000; n += 1) void cache.set(`key ${String(n)}`, { output: n, madeBy: 'r' });
    void cache.set('one too many', { output: 1, madeBy: 'r' });
    forgetIn(cache, 'done');

    const kept = { output: 1, doneBy: 'done', madeBy: 'r' };
    const asked: AnswerCache = {
      get: (key) => (key === 'asked' ? kept : cache.get(key)),
      set: () => undefined,
    };
    const task = { path: 'a', policy: {} } as unknown as StepTask;
    expect(await recallFrom(asked, 'asked', task, 0)).toBeUndefined();
    expect(await cache.get('one too many')).toBeUndefined();
  });
});
