import { getEventListeners } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom, NEVER, of, Subject, switchMap, takeUntil, timer, toArray } from 'rxjs';

import type { Wire } from '../../lib/definition/wire';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { agent } from '../../operators/agents/agent';
import { branch } from '../../operators/agents/branch';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { fallback } from '../../operators/agents/fallback';
import { firstOf } from '../../operators/agents/firstOf';
import { loop } from '../../operators/agents/loop';
import { sleep } from '../../operators/agents/sleep';
import { workflow } from '../../operators/agents/workflow';
import { cancel } from '../../operators/runs/cancel';
import { run } from '../../operators/runs/run';
import { runEach } from '../../operators/runs/runEach';
import { expectRun, fakeAgent } from '../../testing/index';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';
import { until } from '../support/until';

/** An agent that never answers and writes down when it is called and aborted. */
function hanging() {
  const open = new Map<AbortSignal, string>();
  const hang = agent('hang', (_: unknown, { path, signal }) => {
    open.set(signal, path);
    signal.addEventListener('abort', () => open.delete(signal));
    return NEVER;
  });
  return { hang, open };
}

describe('retry inside parallel steps', () => {
  it('repeats only the step that failed, while its siblings go on', () => {
    const flaky = fakeAgent(
      'flaky',
      [
        { afterMs: 2, error: new Error('1') },
        { afterMs: 2, error: new Error('2') },
        { afterMs: 2, value: 'up' },
      ],
      { retry: { count: 2, delayMs: 5 } },
    );
    const steady = fakeAgent('steady', { afterMs: 30, value: 'done' });
    const both = workflow('both', (input: Wire<number>, step) => ({
      flaky: step('flaky', flaky, input),
      steady: step('steady', steady, input),
    }));
    const { output } = expectRun(both, 1).toBe({
      flaky: ' s-r----s-r----s-|',
      steady: 's 29ms |',
    });

    expect(output).toEqual({ flaky: 'up', steady: 'done' });
    expect([flaky.calls.length, steady.calls.length]).toEqual([3, 1]);
  });

  it('does so for each item of many on its own', () => {
    const ocr = fakeAgent(
      'ocr',
      (page: number, call) =>
        page === 2 && call < 5
          ? { afterMs: 1, error: new Error('blurred') }
          : { afterMs: 1, value: page * 10 },
      { retry: { count: 3, delayMs: 10 } },
    );
    const { output } = expectRun(each('pages', ocr), [1, 2, 3]).toBe({
      '[0]/ocr': 's|',
      '[1]/ocr': 'sr 9ms sr 9ms s|',
      '[2]/ocr': 's|',
    });

    expect(output).toEqual([10, 20, 30]);
  });
});

describe('siblings of a step that fails', () => {
  it('are aborted at once, at every depth, and nothing new starts', () => {
    const { hang, open } = hanging();
    const failed = new Subject<never>();
    const deep = workflow('deep', (input: Wire<number>, step) => step('inner', chain('c', hang), input));
    const all = workflow('all', (input: Wire<number>, step) => {
      const bad = step('bad', () => failed, input);
      const two = step('two', () => [1, 2], input);
      return {
        bad,
        one: step('one', hang, input),
        deep: step('deep', deep, input),
        many: step('many', each('many', hang), two),
        later: step('later', hang, bad),
      };
    });
    const { told } = collect(run(all, 1));
    expect([...open.values()].sort()).toEqual(['deep/inner/hang', 'many[0]/hang', 'many[1]/hang', 'one']);
    failed.error(new Error('no'));

    expect(open.size).toBe(0);
    expect(told).not.toContain('step.started later');
  });
});

describe('cancelling', () => {
  it(
    'ends a sleep at once; the rest of it is slept after the resume',
    marbles(({ scheduler, flush }) => {
      const store = memoryStore();
      const nap = chain('nap', sleep('rest', 100), fakeAgent('wake', { value: 'up' }));
      const started = () => run(nap, 0, { store, runId: 'r', scheduler });
      const first = collect(started().pipe(takeUntil(timer(30))));
      flush();
      expect(first.told.at(-1)).toBe('step.suspended rest');
      expect(scheduler.now()).toBe(30);
      const second = collect(started());
      flush();

      expect(second.events.at(-1)).toMatchObject({ type: 'run.completed', at: 100 });
    }),
  );

  it(
    'ends the wait before another attempt',
    marbles(({ scheduler, flush }) => {
      const down = fakeAgent('down', { error: new Error('down') }, { retry: { count: 9, delayMs: 1_000 } });
      collect(run(down, 0, { scheduler }).pipe(takeUntil(timer(1_500))));
      flush();

      expect(down.calls).toHaveLength(2);
      expect(scheduler.now()).toBe(1_500);
    }),
  );

  it('leaves no timer behind on the real clock', async () => {
    const store = memoryStore();
    const down = agent(
      'down',
      (): number => {
        throw new Error('down');
      },
      { retry: { count: 1, delayMs: 60_000 } },
    );
    const both = workflow('both', (input: Wire<number>, step) => ({
      down: step('down', down, input),
      nap: step('nap', sleep('nap', 60_000), input),
    }));
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const { leave } = collect(run(both, 1, { store, runId: 'r' }));
    expect(timers()).toBe(before + 2);
    leave?.();

    expect(timers()).toBe(before);
    expect((await store.loadRun('r'))?.status).toBe('CANCELLED');
  });

  it('aborts every signal at once, also in nested runs of every kind', () => {
    const { hang, open } = hanging();
    const dynamic = agent('dynamic', async (_: unknown, ctx) =>
      Promise.all([lastValueFrom(ctx.step('a', hang, 1)), lastValueFrom(ctx.step('b', chain('c', hang), 1))]),
    );
    const within = agent('within', (_: unknown) => run(hang, 1));
    const piped = agent('piped', (_: unknown) => of(1).pipe(hang));
    const failing = agent('failing', (): number => {
      throw new Error('no');
    });
    const all = workflow('all', (input: Wire<number>, step) => ({
      dynamic: step('dynamic', dynamic, input),
      within: step('within', within, input),
      piped: step('piped', piped, input),
      fallback: step('fallback', fallback('f', failing, hang), input),
      first: step('first', firstOf('first', hang, hang), input),
      loop: step('loop', loop('loop', hang, { until: () => true, max: 1 }), input),
      branch: step(
        'branch',
        branch('branch', () => 'x', { x: hang }),
        input,
      ),
    }));
    const runs = of(1, 2).pipe(runEach(all));
    const { leave } = collect(runs);
    expect(open.size).toBe(2 * 9);
    leave?.();

    expect(open.size).toBe(0);
  });

  it('works from another place that only knows the id', async () => {
    const { hang, open } = hanging();
    const store = memoryStore();
    const seen = collect(run(chain('c', hang), 1, { store, runId: 'r' }));
    await cancel('r', { store, reason: 'not needed' });

    expect(open.size).toBe(0);
    expect(seen.ended).toBe('complete');
    expect(seen.events.at(-1)).toMatchObject({ type: 'run.cancelled', reason: 'not needed' });
  });

  it.each([
    ['nothing', undefined, undefined],
    ['an error', new Error('enough'), 'enough'],
    ['a text', 'gone home', 'gone home'],
  ])('tells the reason of an aborted signal, with %s', async (_what, given, reason) => {
    const stop = new AbortController();
    const folder = mkdtempSync(join(tmpdir(), 'millrace-cancel-'));
    const store = lowdbStore(folder);
    const { hang, open } = hanging();
    const end = lastValueFrom(run(hang, 1, { store, runId: 'r', signal: stop.signal }));
    await until(() => open.size === 1);
    stop.abort(given);
    const { state } = await end;
    expect([state.status, state.reason]).toEqual(['CANCELLED', reason]);
    await store.close();
    expect((await lowdbStore(folder).loadRun('r'))?.reason).toBe(reason);
  });

  it('listens once to a signal that many runs share', async () => {
    const stop = new AbortController();
    const { hang, open } = hanging();
    const runs = Array.from({ length: 50 }, () => collect(run(hang, 1, { signal: stop.signal })));
    expect(open.size).toBe(50);
    // Node warns of a leak from the eleventh on.
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1);
    stop.abort();
    await new Promise((resolve) => setImmediate(resolve));
    expect([open.size, getEventListeners(stop.signal, 'abort')]).toEqual([0, []]);
    expect(runs.map(({ told }) => told.at(-1))).toEqual(runs.map(() => 'run.cancelled'));
  });

  it.each(['a new folder', 'a folder with the run'])(
    'claims again what was left while %s opened',
    async (kind) => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-left-'));
      const same = agent('same', (n: number) => n);
      const first = lowdbStore(folder);
      if (kind !== 'a new folder') await lastValueFrom(run(same, 1, { store: first, runId: 'r' }));
      await first.close();

      const store = lowdbStore(folder);
      const told = await lastValueFrom(
        of(1, 1, 1).pipe(
          switchMap((n) => run(same, n, { store, runId: 'r' })),
          toArray(),
        ),
      );
      expect(told.at(-1)?.event.type).toBe('run.completed');
      await store.close();
    },
  );
});
