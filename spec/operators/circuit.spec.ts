import { expectTypeOf } from 'expect-type';
import { asyncScheduler, defer, lastValueFrom, mergeMap, of, throwError, timer } from 'rxjs';

import type { Agent, RunError, RunEvent, StepPolicy } from '../../index';
import {
  agent,
  chain,
  execute,
  fallback,
  memoryStore,
  NonRetryableError,
  resume,
  run,
  runEach,
  withPolicy,
  workflow,
} from '../../index';
import { circuitOf } from '../../lib/engine/local/circuit';
import { crashPoints, recordingStore } from '../../testing';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';

const moved = (events: readonly RunEvent[]) =>
  events.flatMap((event) =>
    event.type === 'step.logged' && event.data !== undefined && 'circuit' in event.data
      ? [`${String(event.data.circuit)}@${String(event.at)}`]
      : [],
  );

describe('circuit', () => {
  it(
    'opens after so many failures in a row, tries one call when its time is over, and closes when that succeeds',
    marbles(({ scheduler }) => {
      let isDown = true;
      const calls: number[] = [];
      const service = agent(
        'service',
        (_: number) =>
          defer(() => {
            calls.push(scheduler.now());
            return timer(1).pipe(mergeMap(() => (isDown ? throwError(() => new Error('down')) : of('up'))));
          }),
        { circuit: { failures: 3, openMs: 100 }, retry: { count: 20, delayMs: 10 } },
      );
      const seen = collect(run(service, 1, { scheduler }));
      scheduler.schedule(() => (isDown = false), 150);
      scheduler.flush();
      // The probe at 123 fails; the next, at 224, does not.
      expect(calls).toEqual([0, 11, 22, 123, 224]);
      expect(moved(seen.events)).toEqual([
        'open@23',
        'half-open@123',
        'open@124',
        'half-open@224',
        'closed@225',
      ]);
      expect(seen.events.at(-1)).toMatchObject({ type: 'run.completed', output: 'up' });
    }),
  );

  it(
    'is one for all runs and agents that are given the same object, and lets one probe in',
    marbles(({ scheduler }) => {
      let calls = 0;
      const circuit = { failures: 2, openMs: 50 };
      const failing = (name: string) =>
        agent(
          name,
          (_: number) => {
            calls += 1;
            return timer(5).pipe(mergeMap(() => throwError(() => new Error('down'))));
          },
          { circuit },
        );
      const ends: string[] = [];
      const [a, b] = [failing('a'), failing('b')];
      const begin = (at: number, service: Agent<number, never>): void => {
        scheduler.schedule(() => {
          run(service, 1, { scheduler }).subscribe({
            error: (error: unknown) => {
              const { name, retryAfterMs } = (error as RunError).failure;
              ends.push(`${String(scheduler.now())} ${name} ${String(retryAfterMs)}`);
            },
          });
        }, at);
      };
      begin(0, a);
      begin(1, b);
      begin(10, a);
      begin(60, a);
      begin(61, b);
      scheduler.flush();
      expect(calls).toBe(3);
      expect(ends).toEqual([
        '5 Error undefined',
        '6 Error undefined',
        '10 CircuitOpenError 46',
        '61 CircuitOpenError 50',
        '65 Error undefined',
      ]);
    }),
  );

  it(
    'opens by a rate within a window, of enough calls',
    marbles(({ scheduler }) => {
      const outcomes = [true, false, true, false, false, false];
      const service = agent(
        'service',
        (n: number) => {
          if (outcomes[n] === true) return n;
          throw new Error('down');
        },
        { circuit: { rate: { percent: 60, minCalls: 5 }, withinMs: 1_000, openMs: 10 } },
      );
      const names: (string | undefined)[] = [];
      for (const n of [0, 1, 2, 3, 4, 5]) {
        scheduler.schedule(() => {
          const { events } = collect(run(service, n, { scheduler }));
          const end = events.at(-1);
          names.push(end?.type === 'run.failed' ? end.error.name : end?.type);
        }, n);
      }
      scheduler.flush();
      expect(names).toEqual([
        'run.completed',
        'Error',
        'run.completed',
        'Error',
        'Error',
        'CircuitOpenError',
      ]);
    }),
  );

  it(
    'forgets failures that are older than the window, and those before a success where none is given',
    marbles(({ scheduler }) => {
      const fails = (circuit: StepPolicy['circuit'] & object) =>
        agent(
          'service',
          (isUp: boolean) => {
            if (isUp) return 'up';
            throw new Error('down');
          },
          { circuit },
        );
      const ends: string[] = [];
      const windowed = fails({ failures: 2, withinMs: 10, openMs: 5 });
      const inARow = fails({ failures: 2, openMs: 5 });
      const begin = (at: number, service: Agent<boolean, string>, isUp: boolean): void => {
        scheduler.schedule(() => {
          const { events } = collect(run(service, isUp, { scheduler }));
          const end = events.at(-1);
          ends.push(end?.type === 'run.failed' ? end.error.name : 'up');
        }, at);
      };
      for (const at of [0, 10, 15, 16]) begin(at, windowed, false);
      for (const [at, isUp] of [
        [100, false],
        [101, true],
        [102, false],
        [103, false],
        [104, true],
        [200, true],
      ] as const)
        begin(at, inARow, isUp);
      scheduler.flush();
      expect(ends).toEqual([
        ...['Error', 'Error', 'Error', 'CircuitOpenError'],
        ...['Error', 'up', 'Error', 'Error', 'CircuitOpenError', 'up'],
      ]);
    }),
  );

  it('counts what another attempt may heal, time limits too, and no answer that is final or no longer wanted', async () => {
    const circuit = { failures: 1, openMs: 60_000 };
    const answers: (() => unknown)[] = [
      () => {
        throw new NonRetryableError('no such page');
      },
      () => {
        throw Object.assign(new Error('bad request'), { status: 400 });
      },
      () => timer(10_000),
    ];
    const service = agent('service', (n: number) => answers[n]?.(), { circuit, timeoutMs: 10 });
    expect((await execute(service, 0)).error?.message).toBe('no such page');
    expect((await execute(service, 1)).error?.status).toBe(400);
    run(service, 2).subscribe().unsubscribe();
    expect((await execute(service, 2)).error?.name).toBe('StepTimeoutError');
    const { error } = await execute(service, 0);
    expect(error).toMatchObject({ name: 'CircuitOpenError', code: 'CIRCUIT_OPEN', retryable: true });

    const picky = agent('picky', (n: number) => answers[n]?.(), {
      circuit: { failures: 1, countIf: (failure) => failure.status === 400 },
    });
    await execute(picky, 0);
    expect((await execute(picky, 1)).error?.status).toBe(400);
    expect((await execute(picky, 1)).error?.name).toBe('CircuitOpenError');
  });

  it('has one circuit for each key, and lets a fallback answer', async () => {
    const circuit = { failures: 1, key: ({ host }: { readonly host: string }) => host };
    const fetchFrom = agent(
      'fetch',
      ({ host }: { readonly host: string }): string => {
        if (host === 'a') throw new Error('down');
        return host;
      },
      { circuit },
    );
    expectTypeOf(fetchFrom).toEqualTypeOf<Agent<{ readonly host: string }, string>>();
    const safe = fallback(
      'safe',
      fetchFrom,
      agent('other', ({ error }: { error: { name: string } }) => error.name),
    );
    expect((await execute(safe, { host: 'a' })).output).toBe('Error');
    expect((await execute(safe, { host: 'a' })).output).toBe('CircuitOpenError');
    expect((await execute(safe, { host: 'b' })).output).toBe('b');
    agent('wrong', (n: number) => n, {
      // @ts-expect-error the key gets the input of the agent
      circuit: { failures: 1, key: ({ host }: { readonly host: string }) => host },
    });
  });

  it('goes on in the run that its retries outlast, whichever life it is', async () => {
    const calls: string[] = [];
    const build = (isDown: () => boolean) => {
      const service = agent(
        'service',
        (text: string) => {
          calls.push('service');
          if (isDown()) throw new Error('down');
          return text.toUpperCase();
        },
        { circuit: { failures: 1, openMs: 5 }, retry: 3 },
      );
      const before = agent('before', (text: string) => {
        calls.push('before');
        return text;
      });
      return chain('c', before, service);
    };
    let left = 1;
    const store = recordingStore(memoryStore());
    const whole = await execute(
      build(() => (left -= 1) >= 0),
      'a',
      { store, runId: 'r' },
    );
    expect(whole.output).toBe('A');
    for (const { finished, store: rest } of crashPoints(store, 'r')) {
      calls.length = 0;
      const { state } = await lastValueFrom(
        resume(
          build(() => false),
          'r',
          { store: rest },
        ),
      );
      expect(state.output).toBe('A');
      for (const path of finished) expect(calls).not.toContain(path);
    }
  });

  it('keeps runEach from calling a service that is down', async () => {
    let calls = 0;
    const service = agent(
      'service',
      (_: number) => {
        calls += 1;
        throw new Error('down');
      },
      { circuit: { failures: 5 } },
    );
    const ends: string[] = [];
    await lastValueFrom(of(...Array.from({ length: 100 }, (_, n) => n)).pipe(runEach(service)), {
      defaultValue: undefined,
    }).catch(() => undefined);
    const seen = collect(of(...Array.from({ length: 20 }, (_, n) => n)).pipe(runEach(service)));
    ends.push(seen.ended);
    expect(calls).toBeLessThanOrEqual(5);
  });

  it('forgets the keys of which it knows nothing bad when there are many', () => {
    const policy = { failures: 2, key: String };
    const call = (key: string, isGood: boolean): object => {
      const circuit = circuitOf(policy, key, asyncScheduler);
      const passage = circuit.enter('s', () => undefined);
      if (isGood) passage.succeeded();
      else passage.failed(new Error('down'));
      return circuit;
    };
    const [good, bad] = [call('good', true), call('bad', false)];
    const busy = circuitOf(policy, 'busy', asyncScheduler);
    const passage = busy.enter('s', () => undefined);
    for (let n = 0; n < 1_000; n += 1) call(String(n), true);

    expect(circuitOf(policy, 'good', asyncScheduler)).not.toBe(good);
    expect(circuitOf(policy, 'bad', asyncScheduler)).toBe(bad);
    expect(circuitOf(policy, 'busy', asyncScheduler)).toBe(busy);
    passage.left();
  });

  it('is refused by name where it says nothing, or where nothing is called', () => {
    const one = agent('one', (n: number) => n);
    const circuit = { failures: 1 };
    expect(() => agent('x', (n: number) => n, { circuit: {} })).toThrow('needs failures or a rate');
    expect(() => agent('x', (n: number) => n, { circuit: { failures: 0 } })).toThrow('circuit.failures');
    expect(() => agent('x', (n: number) => n, { circuit: { rate: { percent: 0, minCalls: 1 } } })).toThrow(
      'percent',
    );
    expect(() => agent('x', (n: number) => n, { circuit: { failures: 1, openMs: -1 } })).toThrow(
      'circuit.openMs',
    );
    expect(() => withPolicy(chain('c', one), { circuit })).toThrow('calls none itself');
    expect(() => workflow('w', (x, step) => step('c', chain('c', one), x as never, { circuit }))).toThrow(
      'calls none itself',
    );
    expect(withPolicy(one, { circuit }).name).toBe('one');
  });
});
