import { concat, finalize, lastValueFrom, NEVER, of } from 'rxjs';

import { IngressError } from '../../adapters/restate/protocol/ingress';
import type { SideEvent } from '../../adapters/restate/protocol/protocol';
import type { InProcessCall, InProcessOptions } from '../../adapters/restate/worker/callInProcess';
import { callInProcess } from '../../adapters/restate/worker/callInProcess';
import type { EventPublisher } from '../../adapters/restate/worker/eventPublisher';
import type { Agent } from '../../index';
import type { LimitPolicy } from '../../lib/model/agentType';
import { agent } from '../../index';
import { definitionOf } from '../../lib/definition/definition';
import { newTask } from '../../lib/engine/task';
import type { StepResult } from '../../lib/model/stepResult';
import { StepTable } from '../../lib/model/stepTable';
import { memoryCache } from '../../lib/store/answerCache';
import { until } from '../support/until';

/** Tells at once, into a list. */
function listTeller(parts: SideEvent[]): EventPublisher {
  return {
    add: (part) => void parts.push(part),
    preview: () => undefined,
    tellAll: () => Promise.resolve(false),
    flush: () => Promise.resolve(),
    take: () => Promise.resolve([]),
    told: () => 0,
    close: () => undefined,
  };
}

function callOf(
  called: Agent<number, unknown>,
  { limit, ...options }: Partial<InProcessOptions> & { readonly limit?: LimitPolicy } = {},
): InProcessCall {
  const definition = definitionOf(called);
  if (definition === undefined) throw new TypeError('not an agent');
  const policy = { ...definition.policy, ...(limit && { limit }) };
  const task = newTask(undefined, 'step', definition, policy, 1, () => undefined);
  task.attempt = 1;
  return callInProcess({
    run: { runId: 'run' },
    task,
    input: 1,
    publisher: listTeller([]),
    keepPartials: false,
    keepsNested: false,
    onMismatch: 'refuse',
    cache: memoryCache(),
    known: () => Promise.resolve(undefined),
    underWay: new Set(),
    ...options,
  });
}

afterEach(() => {
  jest.useRealTimers();
});

describe('a call of a function on a worker', () => {
  it('gives its room to the next one, also where the function answers at once', async () => {
    const limit: LimitPolicy = { concurrency: 1 };
    const now = agent('now', (n: number) => n + 1);
    await expect(callOf(now, { limit }).run()).resolves.toMatchObject({ kind: 'done', output: 2 });
    await expect(callOf(now, { limit }).run()).resolves.toMatchObject({ kind: 'done', output: 2 });
  });

  it('begins no more often than the rate says, however long one takes to begin', async () => {
    const limit: LimitPolicy = { rate: { count: 1, perMs: 200 } };
    const began: number[] = [];
    const call = agent('call', (_: number) => began.push(performance.now()));
    const slowToBegin = agent('slow', (_: number) => began.push(performance.now()));
    const run = {
      get runId() {
        if (began.length === 0) jest.advanceTimersByTime(150);
        return 'run';
      },
    };
    jest.useFakeTimers();
    const calls = [callOf(slowToBegin, { limit, run }), callOf(call, { limit }), callOf(call, { limit })];
    const ended = Promise.all(calls.map((one) => one.run()));
    await jest.advanceTimersByTimeAsync(1_000);
    await ended;
    jest.useRealTimers();
    const gaps = began.slice(1).map((at, index) => at - (began[index] ?? 0));

    // Counted from where a call was let in, the first gap would be 50 ms.
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(200);
  });

  it('leaves its place in the rate to the next one when it is stopped before it begins', async () => {
    const limit: LimitPolicy = { concurrency: 1, rate: { count: 2, perMs: 60_000 } };
    const slow = agent('slow', () => new Promise((resolve) => setTimeout(resolve, 5, 'late')));
    const first = callOf(slow, { limit });
    const second = callOf(slow, { limit });
    const third = callOf(slow, { limit });
    const answers = [first.run(), second.run(), third.run()];
    second.stop();

    await expect(Promise.all(answers)).resolves.toMatchObject([
      { kind: 'done' },
      { kind: 'stopped' },
      { kind: 'done' },
    ]);
  });

  it('is under way until it has ended, however it ends', async () => {
    const underWay = new Set<InProcessCall>();
    const slow = agent('slow', () => new Promise((resolve) => setTimeout(resolve, 5, 'late')));
    const first = callOf(slow, { underWay });
    const second = callOf(slow, { underWay });
    const answers = [first.run(), second.run()];
    expect(underWay).toEqual(new Set([first, second]));
    second.stop();
    expect(underWay).toEqual(new Set([first]));
    await expect(Promise.all(answers)).resolves.toMatchObject([
      { kind: 'done', output: 'late' },
      { kind: 'stopped' },
    ]);
    expect(underWay.size).toBe(0);
  });

  it('has no end while it cannot be read what was done below it', async () => {
    const inner = agent('inner', (n: number) => n * 10);
    const asking = agent('asking', (n: number, context) => context.step('inner', inner, n));
    const row: StepResult = {
      stepId: 'step/inner',
      agent: 'inner',
      status: 'COMPLETED',
      attempts: 1,
      output: 10,
      duration: 0,
      error: null,
      timestamp: null,
    };
    let reads = 0;
    const known: InProcessOptions['known'] = () => {
      reads += 1;
      if (reads === 2) return Promise.reject(new Error('no answer'));
      return Promise.resolve(reads === 1 ? undefined : StepTable.of([row]));
    };
    await expect(callOf(asking, { keepsNested: true, known }).run()).resolves.toMatchObject({
      kind: 'done',
      output: 10,
      below: [{ path: 'step/inner', agent: 'inner', output: 10 }],
    });
    expect(reads).toBe(3);
  });

  it('asks again for what was done below it after a pause, and not once it is stopped', async () => {
    let reads = 0;
    const quick = agent('quick', (n: number) => n);
    const asking = agent('asking', (n: number, context) => context.step('inner', quick, n));
    const known: InProcessOptions['known'] = () => {
      reads += 1;
      return reads === 1 ? Promise.resolve(undefined) : Promise.reject(new Error('away'));
    };
    jest.useFakeTimers();
    const call = callOf(asking, { keepsNested: true, known });
    const answer = call.run();
    await jest.advanceTimersByTimeAsync(100);
    expect(reads).toBe(2);
    call.stop();
    await jest.advanceTimersByTimeAsync(60_000);
    jest.useRealTimers();
    await expect(answer).resolves.toMatchObject({ kind: 'stopped' });
    expect(reads).toBe(2);
  });

  it('fails when the server will never say what was done below it', async () => {
    let reads = 0;
    const quick = agent('quick', (n: number) => n);
    const asking = agent('asking', (n: number, context) => context.step('inner', quick, n));
    const known: InProcessOptions['known'] = () => {
      reads += 1;
      return reads === 1 ? Promise.resolve(undefined) : Promise.reject(new IngressError(404, '/', 'unknown'));
    };
    await expect(callOf(asking, { keepsNested: true, known }).run()).resolves.toMatchObject({
      kind: 'failed',
      failure: { name: 'IngressError', path: 'step' },
    });
  });

  it('is torn down and gives its room on when its first value makes somebody stop it', async () => {
    const limit: LimitPolicy = { concurrency: 1 };
    let isTornDown = false;
    let values = 0;
    const endless = agent('endless', () =>
      concat(of(1, 2, 3), NEVER).pipe(
        finalize(() => {
          isTornDown = true;
        }),
      ),
    );
    const call = callOf(endless, {
      limit,
      live: () => {
        values += 1;
        call.stop();
      },
    });
    await expect(call.run()).resolves.toMatchObject({ kind: 'stopped' });
    expect({ isTornDown, values }).toEqual({ isTornDown: true, values: 1 });

    const now = agent('now', (n: number) => n);
    await expect(callOf(now, { limit }).run()).resolves.toMatchObject({ kind: 'done' });
  });

  it('lets a function that waits for a step clean up when it is stopped', async () => {
    let isClean = false;
    let late: unknown;
    let isAsked = false;
    const inner = agent('inner', () => {
      isAsked = true;
      return new Promise(() => undefined);
    });
    const asking = agent('asking', async (n: number, context) => {
      try {
        return await lastValueFrom(context.step('inner', inner, n));
      } finally {
        isClean = true;
        late = await lastValueFrom(context.step('late', inner, n)).catch((error: unknown) => error);
      }
    });
    const call = callOf(asking);
    const answer = call.run();
    await until(() => isAsked);
    call.stop();
    await answer;
    await until(() => late !== undefined);
    expect(isClean).toBe(true);
    expect(late).toMatchObject({ name: 'AttemptOverError' });
  });

  it('fails with a partial result that cannot be saved, where another step reads it', async () => {
    const heard: unknown[] = [];
    const odd = agent('odd', (_: number, context) => {
      context.emit('a');
      context.emit(new Map());
      context.emit('b');
      return new Promise(() => undefined);
    });
    const call = callOf(odd, { keepPartials: true, live: (value) => void heard.push(value) });

    await expect(call.run()).resolves.toMatchObject({
      kind: 'failed',
      failure: { name: 'StateValueError', path: 'step', retryable: false },
      kept: ['a'],
      partials: 1,
    });
    expect(heard).toEqual(['a']);
  });

  it('fails when what is kept of it is together larger than one value may be', async () => {
    const large = 'x'.repeat(1_500_000);
    const many = agent('many', (_: number, context) => {
      for (let i = 0; i < 3; i += 1) context.emit(large);
      return 1;
    });
    const both = agent('both', (_: number, context) => {
      for (let i = 0; i < 2; i += 1) context.emit(large);
      return large;
    });
    const tooLarge = {
      kind: 'failed',
      failure: { name: 'StateValueError', message: expect.stringContaining('"step"') },
    };

    await expect(callOf(many, { keepPartials: true }).run()).resolves.toMatchObject(tooLarge);
    await expect(callOf(both, { keepPartials: true }).run()).resolves.toMatchObject(tooLarge);
    await expect(callOf(both).run()).resolves.toMatchObject({ kind: 'done' });
  });

  it('fails when steps below it have given too much, and still says what they have done', async () => {
    const inner = agent('inner', (n: number) => n);
    const asking = agent('asking', (n: number, context) => context.step('0', inner, n));
    const rows = Array.from({ length: 4 }, (_, i) => ({
      stepId: `step/${i}`,
      agent: 'inner',
      status: 'COMPLETED' as const,
      attempts: 1,
      output: 'x'.repeat(1_500_000),
      duration: 0,
      error: null,
      timestamp: null,
    }));
    const known: InProcessOptions['known'] = () => Promise.resolve(StepTable.of(rows));
    const result = await callOf(asking, { keepsNested: true, known }).run();

    expect(result).toMatchObject({ kind: 'failed', failure: { name: 'StateValueError' } });
    expect(result).toHaveProperty('below.length', 4);
  });

  it('cuts an endless message of an error', async () => {
    const loud = agent('loud', () => {
      throw new Error('x'.repeat(1_000_000));
    });
    const result = await callOf(loud).run();

    expect(result).toMatchObject({
      failure: { message: expect.stringMatching(/^x{1000,}/) },
    });
    expect(JSON.stringify(result).length).toBeLessThan(10_000);
  });
});
