import { from, lastValueFrom, tap, toArray } from 'rxjs';

import { agent, chain, each, execute, memoryStore, run } from '../../index';
import { inWorker, threadPool } from '../../adapters/workers';
import { Clock } from '../support/clock';
import { collect } from '../support/told';
import { until } from '../support/until';
import { primes } from './support/heavy';

const heavy = require.resolve('./support/heavy');
const pool = threadPool(2);
afterAll(() => pool.destroy());

describe('inWorker()', () => {
  it('gives what the function gives, in a run and in a plain pipe', async () => {
    const counted = inWorker<number, number>(heavy, 'primes', { pool });

    expect((await execute(counted, 1_000)).output).toBe(168);
    expect(await lastValueFrom(from([10, 100]).pipe(counted, toArray()))).toEqual([4, 25]);
  });

  it('keeps the cached answers of two functions apart, also of agents with one name', async () => {
    const store = memoryStore();
    const one = (name: string) => inWorker<number, unknown>(heavy, name, { pool, as: 'one', cache: {} });
    const counted = await execute(one('primes'), 10, { store });
    const told = await execute(one('telling'), 10, { store });

    expect(counted.output).toBe(4);
    expect(told.output).not.toBe(4);
    expect(told.status).toBe('COMPLETED');
  });

  it('tells partial results and log entries before the end', async () => {
    const telling = inWorker<number, string>(heavy, 'telling', { pool });
    const seen = collect(run(telling, 2));
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        if (seen.ended === 'open') return;
        clearInterval(timer);
        resolve();
      }, 5);
    });

    expect(seen.told).toEqual([
      'run.started',
      'step.started telling',
      'step.emitted telling',
      'step.emitted telling',
      'step.logged telling',
      'step.completed telling',
      'run.completed',
    ]);
    expect(seen.transitions.at(-1)?.state.output).toBe('telling 1');
  });

  it('takes the last value of a stream', async () => {
    const state = await execute(inWorker<string, string>(heavy, 'letters', { pool }), 'abc');

    expect(state).toMatchObject({ output: 'c' });
    expect(state.steps.get('letters')?.partials).toBe(3);
  });

  it('keeps name, message and whether to try again of an error', async () => {
    const state = await execute(inWorker(heavy, 'failing', { pool, retry: 5 }), undefined);

    expect(state.error).toMatchObject({ name: 'RangeError', message: 'too far', retryable: false });
    expect(state.steps.get('failing')?.attempts).toBe(1);
  });

  it('keeps what a server has said: a refusal is final, and it is waited as long as it asks', async () => {
    const ask = inWorker<number, never>(heavy, 'refused', { pool, retry: 1 });
    const final = await execute(ask, 404);
    expect(final.error).toMatchObject({ status: 404, cause: { message: 'the server' } });
    expect(final.steps.get('refused')?.attempts).toBe(1);

    const delays: number[] = [];
    await lastValueFrom(
      run(ask, 503).pipe(
        tap(({ event }) => event.type === 'step.retrying' && delays.push(event.delayMs)),
        toArray(),
      ),
    ).catch(() => undefined);
    expect(delays).toEqual([30]);
  });

  it.each(['bailing', 'bailingLate'])('ends the chain around it when %s does so', async (name) => {
    const shout = agent('shout', (text: string) => `${text}!`);
    const early = chain('early', inWorker<string, string>(heavy, name, { pool }), shout);
    const state = await execute(early, 'a');

    expect(state).toMatchObject({ status: 'COMPLETED', output: 'enough of a' });
  });

  it('fails where a stream gives nothing, as it does without a thread', async () => {
    const state = await execute(inWorker<string, string>(heavy, 'letters', { pool }), '');

    expect(state.error).toMatchObject({ name: 'EmptyAnswerError', code: 'EMPTY_ANSWER' });
  });

  it('says when there is no such function', async () => {
    const state = await execute(inWorker(heavy, 'missing', { pool }), undefined);

    expect(state.error?.message).toContain('exports no such function');
    expect(() => inWorker('./heavy', 'primes')).toThrow('absolute path');
  });

  it.each([
    ['tellingFunction', 'a partial result'],
    ['givingFunction', 'a partial result'],
    ['answeringFunction', 'the answer'],
    ['loggingFunction', 'the details of a log entry'],
  ])('fails in %s, which gives what cannot be copied, and says that it was %s', async (name, what) => {
    const state = await execute(inWorker(heavy, name, { pool, retry: 5, timeoutMs: 10_000 }), undefined);

    expect(state.error).toMatchObject({ name: 'InvalidArgumentError', retryable: false });
    expect(state.error?.message).toContain(`Cannot send ${what} of "${name}" from its thread: () => 1`);
  });

  it('fails at once where its input cannot be copied, and says so', async () => {
    const self = inWorker<unknown, unknown>(heavy, 'primes', { pool, retry: 5 });
    const { error, steps } = await execute(self, [() => 1]);

    expect(error).toMatchObject({ name: 'InvalidArgumentError', retryable: false });
    expect(error?.message).toContain('Cannot send the input of "primes" to its thread: () => 1');
    expect(steps.get('primes')?.attempts).toBe(1);
  });

  it('calls a function of a module that waits while it is loaded', async () => {
    const file = require.resolve('./support/waiting.mjs');

    expect((await execute(inWorker<number, number>(file, 'next', { pool }), 1)).output).toBe(2);
  });

  it('ends a thread that never comes back, and takes the next call', async () => {
    const state = await execute(inWorker(heavy, 'forever', { pool, timeoutMs: 300 }), undefined);

    expect(state.error?.name).toBe('StepTimeoutError');
    expect((await execute(inWorker<number, number>(heavy, 'primes', { pool }), 10)).output).toBe(4);
  });

  it('goes over many with two threads at once', async () => {
    const counted = inWorker<number, number>(heavy, 'primes', { pool });
    const state = await execute(each('all', counted, { concurrency: 2 }), [10, 100, 1_000]);

    expect(state.output).toEqual([10, 100, 1_000].map(primes));
  });

  it.each([
    ['waiting, then running', [1, 0]],
    ['running, then waiting', [0, 1]],
  ])('begins what waits behind calls that end together: %s', async (_order, order) => {
    const one = threadPool(1);
    const endless = inWorker(heavy, 'never', { pool: one });
    const quick = inWorker<number, number>(heavy, 'primes', { pool: one });
    await execute(quick, 1);
    const stops = [new AbortController(), new AbortController()];
    for (const { signal } of stops) void execute(endless, undefined, { signal });
    const third = execute(quick, 10);
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const index of order) stops[index]?.abort();

    expect((await third).output).toBe(4);
    await one.destroy();
  });

  it('counts no time while a call waits for a thread', async () => {
    const one = threadPool(1);
    const slow = inWorker<number, number>(heavy, 'primes', { pool: one, timeoutMs: 1_000, as: 'slow' });
    const clock = new Clock(0);
    const stop = new AbortController();
    void execute(inWorker(heavy, 'never', { pool: one }), undefined, { signal: stop.signal });
    const behind = collect(run(slow, 10, { scheduler: clock }));
    await clock.to(60_000);
    expect(behind.told).toEqual(['run.started', 'step.started slow']);
    stop.abort();
    await until(async () => {
      await clock.to(60_000);
      return behind.ended !== 'open';
    });

    expect(behind.transitions.at(-1)?.state.output).toBe(4);
    await one.destroy();
  });
});
