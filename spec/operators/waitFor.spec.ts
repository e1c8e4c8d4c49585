import { expectTypeOf } from 'expect-type';
import * as t from 'io-ts';
import type { Subscription } from 'rxjs';
import { lastValueFrom, of, timer } from 'rxjs';

import type { Agent, Store, Wire } from '../../index';
import {
  agent,
  answer,
  cancel,
  chain,
  execute,
  memoryStore,
  resume,
  run,
  serve,
  signal,
  submit,
  waitFor,
  workflow,
} from '../../index';
import { answerOf } from '../../lib/store/signalAnswer';
import { crashPoints, recordingStore } from '../../testing';
import { everyStore } from '../support/everyStore';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';
import { until } from '../support/until';

interface Order {
  readonly id: string;
}

const Paid = t.type({ order: t.string, cents: t.number });
const paid = waitFor('paid', Paid, ({ order }, input: Order) => order === input.id);
const ship = agent('ship', ({ cents }: { readonly cents: number }) => `shipped for ${String(cents)}`);
const order = chain('order', paid, ship);

const payment = (id: string, cents = 5) => ({ order: id, cents });

describe('waitFor() and signal()', () => {
  it(
    'goes on at once when a signal comes that is meant for it, and leaves others where they are',
    marbles(({ scheduler }) => {
      const store = memoryStore();
      const both = workflow('both', (input: Wire<Order>, step) => {
        const other = step(
          'other',
          agent('other', () => timer(100)),
          input,
        );
        return { paid: step('paid', paid, input), other };
      });
      const seen = collect(run(both, { id: 'a' }, { store, scheduler, runId: 'a' }));
      const tell = (at: number, id: string, ttlMs?: number): void => {
        scheduler.schedule(() => {
          void signal('paid', payment(id), { store, scheduler, ...(ttlMs !== undefined && { ttlMs }) });
        }, at);
      };
      tell(10, 'b', 15);
      tell(20, 'a');
      tell(30, 'a');
      scheduler.flush();
      expect(seen.events.find(({ type }) => type === 'step.answered')).toMatchObject({ at: 20 });
      expect(seen.events.at(-1)).toMatchObject({ type: 'run.completed', output: { paid: payment('a') } });
      // What has expired when the next one comes is forgotten.
      void store.signals.list().then((left) => {
        expect(left.map(({ value, at }) => [value, at])).toEqual([[payment('a'), 30]]);
      });
    }),
  );

  it(
    'takes no signal whose time is over, by the clock of the run',
    marbles(({ scheduler }) => {
      const store = memoryStore();
      void signal('paid', payment('a', 1), { store, scheduler, ttlMs: 10 });
      const begin = (at: number) => {
        scheduler.schedule(() => {
          ends.push(collect(run(order, { id: 'a' }, { store, scheduler, runId: `at ${String(at)}` })));
        }, at);
      };
      const ends: ReturnType<typeof collect>[] = [];
      begin(10);
      scheduler.schedule(() => void signal('paid', payment('a', 2), { store, scheduler, ttlMs: 10 }), 20);
      begin(29);
      begin(30);
      scheduler.flush();
      expect(ends.map(({ events }) => events.at(-1)?.type)).toEqual([
        'run.suspended',
        'run.completed',
        'run.suspended',
      ]);
    }),
  );

  it('knows the types of what it waits for and with', () => {
    expectTypeOf(paid).toEqualTypeOf<Agent<Order, { order: string; cents: number }>>();
    expectTypeOf(waitFor('any', t.number)).toEqualTypeOf<Agent<unknown, number>>();
    const late = waitFor('late', t.number, undefined, {
      timeoutMs: 5,
      onTimeout: agent('none', (_: unknown) => 'none'),
    });
    expectTypeOf(late).toEqualTypeOf<Agent<unknown, number | string>>();
    // @ts-expect-error a match gives true or false
    waitFor('wrong', t.number, (n) => n);
    // @ts-expect-error a signal has the type of the codec
    waitFor('wrong', t.number, (text: string) => text === '');
    expect(() => waitFor('wrong', t.number, 'order' as never)).toThrow('match must be a function');
  });

  it('has a deadline as an approval has, and is refused in a plain pipe', async () => {
    const late = waitFor('late', t.number, undefined, {
      timeoutMs: 5,
      onTimeout: agent('none', (_: unknown) => 'none'),
    });
    const store = memoryStore();
    const failing = waitFor('w', t.number, undefined, { timeoutMs: 1 });
    for (const waiting of [late, failing]) await execute(waiting, 1, { store, runId: waiting.name });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await lastValueFrom(resume(late, 'late', { store }))).state.output).toBe('none');
    expect((await execute(failing, 1, { store, runId: 'w' })).error?.name).toBe('ApprovalTimeoutError');
    await expect(lastValueFrom(of(1).pipe(late))).rejects.toMatchObject({ name: 'NoRunError' });
  });

  it('refuses what no signal can be', async () => {
    const store = memoryStore();
    await expect(signal('', 1, { store })).rejects.toThrow('without a name');
    await expect(signal('x', 1, { store, ttlMs: 0 })).rejects.toThrow('for 0 ms');
    await expect(signal('x', () => 1, { store })).rejects.toMatchObject({ name: 'StateValueError' });
    expect(await store.signals.list()).toEqual([]);
  });

  it('says in the log of the run that its match has failed, and leaves the signal for others', async () => {
    const store = memoryStore();
    const broken = waitFor('paid', Paid, () => {
      throw new Error('no luck');
    });
    await signal('paid', payment('a'), { store });
    const { events } = collect(run(broken, {}, { store }));
    expect(events.flatMap((event) => (event.type === 'step.logged' ? [event.message] : []))).toEqual([
      'Cannot match a signal "paid": no luck; it is left for others',
    ]);
    expect(await store.signals.list('paid')).toHaveLength(1);
  });

  describe.each(everyStore)('%s', (_where, open) => {
    it('takes a signal that came before, once, the oldest that is meant for it', async () => {
      const store = open();
      await signal('other', payment('a'), { store });
      await signal('paid', { order: 'a' }, { store });
      await signal('paid', payment('b'), { store });
      await signal('paid', payment('a', 1), { store });
      await signal('paid', payment('a', 2), { store });
      expect((await settled(store, 'r1', { id: 'a' })).output).toBe('shipped for 1');
      expect((await settled(store, 'r2', { id: 'a' })).output).toBe('shipped for 2');
      expect((await execute(order, { id: 'a' }, { store, runId: 'r3' })).status).toBe('SUSPENDED');
      expect((await store.signals.list('paid')).map(({ value }) => value)).toEqual([
        { order: 'a' },
        payment('b'),
      ]);
    });

    it('lets the run rest, says what it waits for, and takes the signal when it is resumed', async () => {
      const store = open();
      expect((await execute(order, { id: 'a' }, { store, runId: 'r' })).status).toBe('SUSPENDED');
      const [line] = await store.listRuns();
      expect(line?.waiting).toEqual([{ path: 'paid', asking: expect.any(String) as string, signal: 'paid' }]);
      const { isServed, signalId } = await signal('paid', payment('a'), { store });
      expect(isServed).toBe(false);
      expect(await store.signals.list()).toMatchObject([{ signalId, name: 'paid', value: payment('a') }]);
      expect((await resumed(store, 'r')).output).toBe('shipped for 5');
      expect(await store.signals.list()).toEqual([]);
      expect((await store.listRuns())[0]?.waiting).toEqual([]);
    });

    it('is answered by the id of the run too, and then leaves the signal for others', async () => {
      const store = open();
      await execute(order, { id: 'a' }, { store, runId: 'r' });
      await answer('r', 'paid', payment('a', 9), { store });
      expect((await resumed(store, 'r')).output).toBe('shipped for 9');
      await signal('paid', payment('a'), { store });
      expect(await store.signals.list()).toHaveLength(1);
      const [kept] = await store.signals.list();
      expect(await store.signals.remove(kept?.signalId ?? '')).toBe(true);
      expect(await store.signals.remove(kept?.signalId ?? '')).toBe(false);
    });

    it('is taken up within a second where runs are served, by the run that has waited longest', async () => {
      const store = open();
      const nested = agent('nested', (input: Order, context) => context.step('pay', paid, input));
      const ended: string[] = [];
      for (const runId of ['r1', 'r2', 'r3']) {
        await execute(order, { id: runId === 'r3' ? 'b' : 'a' }, { store, runId });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await execute(nested, { id: 'c' }, { store, runId: 'n' });
      await signal('paid', payment('b', 1), { store });
      const serving = serve([order, nested], { store }).subscribe(({ event }) => {
        if (event.type === 'run.completed') ended.push(event.runId);
      });
      await until(() => ended.includes('r3'));
      const lives = (await store.loadRun('r1'))?.life;
      const heardBy = async (id: string, runId: string): Promise<number> => {
        const began = performance.now();
        const { isServed } = await signal('paid', payment(id), { store });
        expect(isServed).toBe(true);
        await until(() => ended.includes(runId));
        return performance.now() - began;
      };
      const leastMs = new Map<Agent<Order, unknown>, number>([
        [order, Math.min(await heardBy('a', 'r1'), await heardBy('a', 'r2'))],
        [nested, await heardBy('c', 'n')],
      ]);
      expect(ended).toEqual(['r3', 'r1', 'r2', 'n']);
      for (const [waits, firstMs] of leastMs) {
        let ms = firstMs;
        // A busy machine may hold up any of them.
        for (let round = 1; round <= 2 && ms >= 1_000; round += 1) {
          const runId = `${waits.name} again ${String(round)}`;
          await execute(waits, { id: runId }, { store, runId });
          ms = Math.min(ms, await heardBy(runId, runId));
        }
        expect(ms).toBeLessThan(1_000);
      }
      // Who is not meant is not carried on to find that out.
      expect([lives, (await store.loadRun('r1'))?.life]).toEqual([1, 2]);
      expect(await store.signals.list()).toEqual([]);
      serving.unsubscribe();
    });

    it('leaves a signal for others that was given to a question which was answered otherwise', async () => {
      const store = open();
      await execute(order, { id: 'a' }, { store, runId: 'r' });
      const [line] = await store.listRuns();
      const { asking = '', path = '' } = line?.waiting[0] ?? {};
      await answer('r', 'paid', payment('a', 9), { store });
      const kept = await store.signals.add({ name: 'paid', value: payment('a', 1), at: Date.now() });
      const { incarnation } = (await store.loadRun('r')) ?? {};
      const claim = await store.claim('nobody');
      const stop = claim.signals?.hear('paid', () => undefined);
      expect(await claim.signals?.give(kept, 'r', answerOf(kept, { path, asking, incarnation }))).toBe(true);
      stop?.();
      await claim.release(undefined);
      expect(await store.signals.list()).toEqual([]);
      expect((await resumed(store, 'r')).output).toBe('shipped for 9');
      await until(async () => (await store.signals.list()).length === 1);
      expect(await store.signals.list()).toEqual([kept]);
    });

    describe('when the run that it was given to does not use it', () => {
      const busy = agent('busy', () => new Promise<void>((resolve) => (leave = resolve)));
      let leave = (): void => undefined;
      let serving: Subscription | undefined;
      afterEach(() => {
        serving?.unsubscribe();
        leave();
      });
      /** Two runs wait, the house is full, and the first of them has been given the only signal. */
      const given = async (store: Store) => {
        for (const runId of ['r1', 'r2']) {
          await execute(order, { id: 'a' }, { store, runId });
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        serving = serve([order, busy], { store, concurrency: 1 }).subscribe();
        await until(() => store.isServed());
        await submit(busy, undefined, { store, runId: 'busy' });
        await until(async () => (await store.loadRun('busy'))?.status === 'RUNNING');
        await signal('paid', payment('a', 3), { store });
        await until(async () => (await store.signals.list()).length === 0);
      };

      it.each<readonly [string, (store: Store) => Promise<unknown>, string | undefined]>([
        ['deleted', (store) => store.deleteRun('r1'), undefined],
        ['cancelled', (store) => cancel('r1', { store }), 'CANCELLED'],
      ])('is taken by the next when that is %s', async (_how, end, status) => {
        const store = open();
        await given(store);

        await end(store);
        leave();

        await until(async () => (await store.loadRun('r2'))?.output === 'shipped for 3');
        expect((await store.loadRun('r1'))?.status).toBe(status);
        expect(await store.signals.list()).toEqual([]);
      });

      it('is there for others when whoever serves has stopped, and the run is deleted then', async () => {
        const store = open();
        await given(store);
        serving?.unsubscribe();
        leave();
        await until(async () => (await store.loadRun('busy'))?.status !== 'RUNNING');

        expect(await store.deleteRun('r1')).toBe(true);

        await until(async () => (await store.signals.list()).length === 1);
        expect((await resumed(store, 'r2')).output).toBe('shipped for 3');
        expect(await store.signals.list()).toEqual([]);
      });

      it('is there for others when it comes too late for the run', async () => {
        const store = open();
        const late = waitFor('paid', Paid, undefined, { timeoutMs: 30 });
        await execute(late, { id: 'a' }, { store, runId: 'late' });
        const { asking = '', path = '' } = (await store.listRuns())[0]?.waiting[0] ?? {};
        await new Promise((resolve) => setTimeout(resolve, 40));
        const kept = await store.signals.add({ name: 'paid', value: payment('a', 3), at: Date.now() });
        const { incarnation } = (await store.loadRun('late')) ?? {};
        const claim = await store.claim('nobody');
        const stop = claim.signals?.hear('paid', () => undefined);
        const message = answerOf(kept, { path, asking, incarnation });
        expect(await claim.signals?.give(kept, 'late', message)).toBe(true);
        stop?.();
        await claim.release(undefined);

        await expect(lastValueFrom(resume(late, 'late', { store }))).rejects.toThrow('paid');

        await until(async () => (await settled(store, 'next', { id: 'a' })).output === 'shipped for 3');
        expect(await store.signals.list()).toEqual([]);
      });
    });

    it('gives each of many signals to one of many runs', async () => {
      const store = open();
      const any = chain('any', waitFor('tick', t.number));
      const serving = serve([any], { store }).subscribe();
      const ids = Array.from({ length: 20 }, (_, n) => `r${String(n)}`);
      await Promise.all(
        ids.flatMap((runId, n) => [execute(any, 0, { store, runId }), signal('tick', n, { store })]),
      );
      const outputs = async () =>
        Promise.all(ids.map(async (runId) => (await store.loadRun(runId))?.output as number | undefined));
      await until(async () => (await outputs()).every((output) => output !== undefined));
      expect((await outputs()).sort((a = 0, b = 0) => a - b)).toEqual(ids.map((_, n) => n));
      expect(await store.signals.list()).toEqual([]);
      serving.unsubscribe();
    });

    it('is taken once and not asked again from whatever event the run was killed at', async () => {
      const store = recordingStore(memoryStore());
      await signal('paid', payment('a'), { store });
      const whole = await settled(store, 'r', { id: 'a' });
      for (const { state } of crashPoints(store, 'r')) {
        const rest = open();
        await rest.importRun(state);
        // As the folder has it after a crash: what was not on record as used is still there.
        if (
          state.status !== 'COMPLETED' &&
          state.steps.get('paid')?.answer === undefined &&
          state.steps.get('paid')?.status !== 'COMPLETED'
        )
          await signal('paid', payment('a'), { store: rest });
        expect((await resumed(rest, 'r')).output).toEqual(whole.output);
        expect(await rest.signals.list()).toEqual([]);
        await rest.close();
      }
    });
  });
});

function settled(store: Store, runId: string, input: Order) {
  return execute(order, input, { store, runId });
}

async function resumed(store: Store, runId: string) {
  return (await lastValueFrom(resume(order, runId, { store }))).state;
}
