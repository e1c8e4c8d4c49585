import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { delay, EMPTY, filter, firstValueFrom, lastValueFrom, map, of, Subject, take, toArray } from 'rxjs';

import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  each,
  execute,
  fork,
  lowdbStore,
  memoryStore,
  resumable,
  resume,
  run,
  sleep,
  workflow,
} from '../../index';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type { Agent, Store, Wire } from '../../index';
import { Clock } from '../support/clock';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';
import { until } from '../support/until';

const Yes = t.type({ yes: t.boolean });
const sign = approval('sign', Yes);
const said = agent('said', ({ yes }: { yes: boolean }) => (yes ? 'yes' : 'no'));
const quick = agent('quick', (text: string) => text.toUpperCase());

const finished = async <I, O>(store: Store, work: Agent<I, O>, runId: string) =>
  lastValueFrom(resume(work, runId, { store }).pipe(toArray()));

describe('approval()', () => {
  it('suspends the run until it is answered, and goes on with the answer', async () => {
    const store = memoryStore();
    const before = jest.fn((text: string) => text);
    const c = chain('c', agent('before', before), sign, said);
    const first = await execute(c, 'x', { store, runId: 'r' });
    expect(first.status).toBe('SUSPENDED');
    expect(first.steps.get('sign')).toMatchObject({ status: 'SUSPENDED', request: 'x' });

    await answer('r', 'sign', { yes: true }, { store });
    const told = await finished(store, c, 'r');
    expect(told.map(({ event }) => event.type)).toEqual([
      'run.resumed',
      'step.answered',
      'step.completed',
      'step.started',
      'step.completed',
      'run.completed',
    ]);
    expect(told.at(-1)?.state.output).toBe('yes');
    expect(before).toHaveBeenCalledTimes(1);
  });

  it.each([Infinity, Number.MAX_SAFE_INTEGER])(
    'can be read back when it waits for %p ms',
    async (timeoutMs) => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
      const patient = approval('sign', Yes, { timeoutMs });
      const store = lowdbStore(folder);
      await execute(patient, 'x', { store, runId: 'r' });
      await store.close();

      const reopened = lowdbStore(folder);
      expect((await execute(patient, 'x', { store: reopened, runId: 'r' })).status).toBe('SUSPENDED');
      await answer('r', 'sign', { yes: true }, { store: reopened });
      expect((await execute(patient, 'x', { store: reopened, runId: 'r' })).status).toBe('COMPLETED');
      await reopened.close();
      rmSync(folder, { recursive: true });
    },
  );

  it('refuses a time limit that is no number from 0', () => {
    expect(() => approval('sign', Yes, { timeoutMs: NaN })).toThrow('timeoutMs must be at least 0, got NaN');
    expect(() => approval('sign', Yes, { timeoutMs: -1 })).toThrow(DefinitionError);
  });

  it('takes parallel answers in any order, each branch going on by itself', async () => {
    const store = memoryStore();
    const w = workflow('w', (text: Wire<string>, step) => ({
      a: step('after a', said, step('a', sign, text)),
      b: step('after b', said, step('b', sign, text)),
      c: step('c', quick, text),
    }));
    const started = await execute(w, 'x', { store, runId: 'r' });
    expect([started.status, started.steps.get('c')?.output]).toEqual(['SUSPENDED', 'X']);

    await answer('r', 'b', { yes: false }, { store });
    const half = await execute(w, 'x', { store, runId: 'r' });
    expect([half.status, half.steps.get('after b')?.output]).toEqual(['SUSPENDED', 'no']);
    expect(half.steps.get('a')?.status).toBe('SUSPENDED');
    await answer('r', 'a', { yes: true }, { store });
    expect((await execute(w, 'x', { store, runId: 'r' })).output).toEqual({ a: 'yes', b: 'no', c: 'X' });
  });

  it('takes an answer at once where the run is under way, and one that comes before the question', async () => {
    const store = memoryStore();
    const answered = new Subject<void>();
    const slow = (x: string) =>
      answered.pipe(
        take(1),
        map(() => x),
      );
    const w = workflow('w', (text: Wire<string>, step) => ({
      slow: step('slow', slow, text),
      late: step('late', sign, step('wait', slow, text)),
      a: step('a', sign, text),
    }));
    const seen = collect(run(w, 'x', { store, runId: 'r' }));
    await answer('r', 'a', { yes: true }, { store });
    await answer('r', 'late', { yes: false }, { store });
    expect(seen.told).not.toContain('step.suspended late');
    answered.next();
    await until(() => seen.ended !== 'open');
    expect(seen.events.at(-1)).toMatchObject({
      type: 'run.completed',
      output: { slow: 'x', a: { yes: true }, late: { yes: false } },
    });
  });

  it('logs a wrong answer as a warning and goes on waiting', async () => {
    const store = memoryStore();
    const c = chain('c', sign, said);
    await execute(c, 'x', { store, runId: 'r' });
    await answer('r', 'sign', { yes: 'perhaps' }, { store });
    const told = await finished(store, c, 'r');
    expect(told.map(({ event }) => event)).toMatchObject([
      { type: 'run.resumed' },
      { type: 'step.logged', level: 'WARNING', message: expect.stringContaining('.yes expected boolean') },
      { type: 'run.suspended', waiting: ['sign'] },
    ]);
    expect((await finished(store, c, 'r')).map(({ event }) => event.type)).toEqual([
      'run.resumed',
      'run.suspended',
    ]);
    await expect(answer('nobody', 'sign', 1, { store })).rejects.toThrow('Cannot find run "nobody"');
  });

  it('says which answer no step waits for, each time that the run rests, and keeps it', async () => {
    const store = memoryStore();
    const c = chain('c', sign, said);
    await execute(c, 'x', { store, runId: 'r' });
    await answer('r', 'said/sing', { yes: true }, { store });
    for (const life of [2, 3]) {
      const told = await finished(store, c, 'r');
      expect(told.at(-1)?.state.life).toBe(life);
      expect(told.map(({ event }) => event)).toMatchObject([
        { type: 'run.resumed' },
        {
          type: 'step.logged',
          level: 'WARNING',
          path: '',
          message: 'No step waits for the answer to "said/sing"; these wait: "sign"',
        },
        { type: 'run.suspended', waiting: ['sign'] },
      ]);
    }
    await answer('r', 'sign', { yes: true }, { store });
    expect((await finished(store, c, 'r')).at(-1)?.event.type).toBe('run.completed');
  });

  it(
    'holds to its deadline in virtual time, and asks somebody else then',
    marbles(({ scheduler, expectObservable }) => {
      const slow = agent('slow', (x: string) => of(x).pipe(delay(9)));
      const boss = agent('boss', (_: string) => ({ yes: false }));
      const asked = approval('asked', Yes, { timeoutMs: 4, onTimeout: boss });
      const w = workflow('w', (text: Wire<string>, step) => [
        step('slow', slow, text),
        step('asked', asked, text),
      ]);
      const told = run(w, 'x', { scheduler }).pipe(
        filter(({ event }) => event.type === 'step.completed'),
        map(({ event }) => ('path' in event ? event.path.at(-1) : '')),
      );
      expectObservable(told).toBe('----(sd)-(w|)');
    }),
  );

  it('keeps the deadline over restarts: absolute, stored, and not moved', async () => {
    const scheduler = new Clock(0);
    const options = { store: memoryStore({ clock: scheduler }), runId: 'r', scheduler };
    const asked = approval('asked', Yes, { timeoutMs: 30 });
    const c = chain('c', asked, said);
    expect((await execute(c, 'x', options)).steps.get('asked')?.deadline).toBe(30);
    await scheduler.to(29);
    expect((await execute(c, 'x', options)).steps.get('asked')).toMatchObject({
      status: 'SUSPENDED',
      deadline: 30,
    });
    await scheduler.to(31);
    expect((await execute(c, 'x', options)).error).toMatchObject({
      name: 'ApprovalTimeoutError',
      path: 'asked',
    });
  });

  it('escalates to another approval, which is answered by its own path', async () => {
    const store = memoryStore();
    const asked = approval('asked', Yes, { timeoutMs: 1, onTimeout: approval('boss', Yes) });
    const c = chain('c', asked, said);
    await execute(c, 'x', { store, runId: 'r' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await execute(c, 'x', { store, runId: 'r' })).status).toBe('SUSPENDED');
    await answer('r', 'asked/boss', { yes: true }, { store });
    expect((await execute(c, 'x', { store, runId: 'r' })).output).toBe('yes');
  });

  it('asks for every item, answered one by one', async () => {
    const store = memoryStore();
    const all = each('all', sign);
    expect((await execute(all, ['a', 'b'], { store, runId: 'r' })).status).toBe('SUSPENDED');
    await answer('r', '[1]/sign', { yes: false }, { store });
    await answer('r', '[0]/sign', { yes: true }, { store });
    expect((await execute(all, ['a', 'b'], { store, runId: 'r' })).output).toEqual([
      { yes: true },
      { yes: false },
    ]);
  });

  it('handles nothing in a pipe, and fails there by name for the first input', async () => {
    expect(await lastValueFrom(EMPTY.pipe(sign, toArray()))).toEqual([]);
    await expect(lastValueFrom(of('x').pipe(sign))).rejects.toMatchObject({
      name: 'NoRunError',
      path: 'sign',
    });
  });
});

describe('sleep()', () => {
  it(
    'waits any time and passes its input on',
    marbles(({ scheduler, expectObservable }) => {
      const year = 365 * 86_400_000;
      const c = chain('c', sleep<string>('year', year), quick);
      const ends = run(c, 'x', { scheduler }).pipe((all) => all);
      expectObservable(ends.pipe(toArray())).toBe(`${year}ms (x|)`, { x: expect.anything() });
    }),
  );

  it('waits for the rest only when resumed: the moment of waking is on record', async () => {
    const scheduler = new Clock(0);
    const options = { store: memoryStore({ clock: scheduler }), runId: 'r', scheduler };
    const c = chain(
      'c',
      sleep<string>('nap', () => 600),
      quick,
    );
    const seen = collect(run(c, 'x', options));
    await scheduler.to(100);
    seen.leave?.();
    await scheduler.to(400);
    const again = collect(run(c, 'x', options));
    await scheduler.to(599);
    expect(again.ended).toBe('open');
    await scheduler.to(600);
    expect(again.events.at(-1)).toMatchObject({ type: 'run.completed', output: 'X' });
  });

  it('can be read back while it sleeps for ever', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    const nap = sleep('nap', Infinity);
    const store = lowdbStore(folder);
    await firstValueFrom(
      run(nap, 'x', { store, runId: 'r' }).pipe(filter(({ event }) => event.type === 'step.suspended')),
    );
    await store.close();

    const reopened = lowdbStore(folder);
    const seen = collect(run(nap, 'x', { store: reopened, runId: 'r' }));
    await until(() => seen.events.length > 0, 15_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([seen.ended, seen.events.map(({ type }) => type)]).toEqual(['open', ['run.resumed']]);
    seen.leave?.();
    await reopened.close();
    rmSync(folder, { recursive: true });
  });

  it.each([NaN, 'soon', undefined])('fails when it is to sleep for %p ms', async (ms) => {
    const { error } = await execute(
      sleep('nap', () => ms as number),
      'x',
    );
    expect(error?.message).toBe(`Cannot sleep for ${String(ms)} ms at step "nap"; give a number`);
  });
});

describe('cancel()', () => {
  it('cancels a run from outside, also while it sleeps or waits to retry; it can be resumed', async () => {
    const store = memoryStore();
    let isBroken = true;
    const bad = agent(
      'bad',
      (x: string) => {
        if (isBroken) throw new Error('not yet');
        return x;
      },
      { retry: { count: 9, delayMs: 1e6 } },
    );
    const w = workflow('w', (text: Wire<string>, step) => [
      step('nap', sleep('nap', 30), text),
      step('bad', bad, text),
    ]);
    const seen = collect(run(w, 'x', { store, runId: 'r' }));
    await cancel('r', { store, reason: 'too long' });
    await until(() => seen.ended !== 'open');
    expect([seen.ended, seen.events.at(-1)]).toMatchObject([
      'complete',
      { type: 'run.cancelled', reason: 'too long' },
    ]);
    expect((await resumable(store)).map(({ runId, status }) => [runId, status])).toEqual([
      ['r', 'CANCELLED'],
    ]);
    isBroken = false;
    expect((await execute(w, 'x', { store, runId: 'r' })).output).toEqual(['x', 'x']);
  });

  it('aborts by a signal and tells so', async () => {
    const stop = new AbortController();
    const c = chain('c', sleep<string>('nap', 1e6));
    const seen = collect(run(c, 'x', { signal: stop.signal }));
    stop.abort();
    expect([seen.told.at(-1), seen.ended]).toEqual(['run.cancelled', 'complete']);
    const never = collect(run(c, 'x', { signal: stop.signal }));
    expect(never.told).toEqual(['run.started', 'run.cancelled']);
  });
});

describe('fork()', () => {
  const calls: string[] = [];
  const step = (name: string) =>
    agent(name, (text: string) => {
      calls.push(name);
      return `${text}.${name}`;
    });
  beforeEach(() => calls.splice(0));

  it('runs again from a step, reusing what came before; the old run stays as evidence', async () => {
    const store = memoryStore();
    const c = chain('c', step('a'), step('b'), step('c'));
    await execute(c, 'x', { store, runId: 'old' });
    const evidence = JSON.stringify(await store.loadRun('old'));
    const id = await fork('old', { store, from: 'b' });
    expect((await finished(store, c, id)).at(-1)?.state).toMatchObject({
      status: 'COMPLETED',
      output: 'x.a.b.c',
      forkedFrom: { runId: 'old', path: 'b' },
    });
    expect(calls).toEqual(['a', 'b', 'c', 'b', 'c']);
    expect(JSON.stringify(await store.loadRun('old'))).toBe(evidence);
    await expect(fork('old', { store, from: 'z' })).rejects.toThrow('Cannot find step "z"');
    await expect(fork('nobody', { store, from: 'a' })).rejects.toThrow('Cannot find run');
  });

  it('runs one item of many again, and what was made of all', async () => {
    const store = memoryStore();
    const c = chain(
      'c',
      each('e', step('one')),
      agent('join', (all: string[]) => all.join()),
    );
    await execute(c, ['x', 'y', 'z'], { store, runId: 'old' });
    const id = await fork('old', { store, from: 'e[1]/one' });
    await finished(store, c, id);
    expect(calls).toHaveLength(4);
    expect((await store.loadRun(id))?.output).toBe('x.one,y.one,z.one');
  });

  it('may give the steps that run again another input of the run', async () => {
    const store = memoryStore();
    const w = workflow('w', (text: Wire<string>, declare) => {
      const a = declare('a', step('a'), text);
      return declare('both', ({ old, now }) => `${old} ${now}`, { old: a, now: text });
    });
    await execute(w, 'x', { store, runId: 'old' });
    const id = await fork('old', { store, from: 'both', input: 'y' });
    expect((await finished(store, w, id)).at(-1)?.state.output).toBe('x.a y');
  });
});
