import { firstValueFrom, lastValueFrom, tap, toArray } from 'rxjs';

import type { Agent, Failure, RunEvent, RunState, Transition } from '../../index';
import {
  answer,
  cancel,
  execute,
  fork,
  memoryStore,
  outcomes,
  restore,
  resume,
  run,
  saveTo,
} from '../../index';
import type { RunOptions, Where } from '../../lib/engine/runOptions';
import { collect } from '../support/told';
import { aborted, heard } from './cases/agents';
import { scripted } from './cases/scripted';
import type { EngineCase } from './engineCase';
import { engineCases } from './engineCases';

/** An engine under test. */
export interface TestedEngine {
  /** Where runs go. */
  readonly options: Where;
  /** How a run stands, asked by somebody who does not follow it. */
  load(agent: Agent<never, unknown>, runId: string): Promise<RunState | undefined>;
  /** Most bytes of one value. */
  readonly largest: number;
  /** Whether a run goes on by itself after its answer, or its deadline. */
  readonly goesOn: boolean;
  close(): Promise<void>;
}

/** Every agent that the contract runs. */
export const contractAgents: readonly Agent<never, unknown>[] = [
  ...engineCases.map(({ agent }) => agent),
  ...Object.values(scripted),
];

/** What every engine must do: the same events, up to the order of parallel branches, the same state, the same failures. */
export function describeEngine(name: string, open: () => Promise<TestedEngine>): void {
  describe(`${name}: the contract of engines`, () => {
    let engine: TestedEngine;
    let runs = 0;
    const nextId = () => `${name}/${(runs += 1)} ~ä`;

    beforeAll(async () => {
      engine = await open();
    }, 60_000);
    afterAll(() => engine.close(), 30_000);

    itCarriesOut(engineCases, () => ({ ...engine.options, runId: nextId() }));

    it('tells the end of a completed run again and runs nothing', async () => {
      const options = { ...engine.options, runId: nextId() };
      await execute(scripted.patient, 'a', options);

      const again = await told(run(scripted.patient, 'a', options));

      expect(again.events).toMatchObject([{ type: 'run.completed', replayed: true, output: 'a~' }]);
    });

    it('refuses another input for a run that it knows', async () => {
      const options = { ...engine.options, runId: nextId() };
      await execute(scripted.patient, 'a', options);

      await expect(execute(scripted.patient, 'b', options)).rejects.toThrow(
        expect.objectContaining({ name: 'InputMismatchError' }),
      );
    });

    it('goes on with a failed run and calls nothing again that has finished', async () => {
      const options = { ...engine.options, runId: nextId() };
      const failed = await execute(scripted.twoLives, 'a', options);

      const again = await told(run(scripted.twoLives, 'a', options));

      expect(failed.status).toBe('FAILED');
      expect(again.final).toMatchObject({ status: 'COMPLETED', output: 'a at 1 at 2', life: 2 });
      expect(again.events.map(({ type }) => type)).toEqual([
        'run.resumed',
        'step.started',
        'step.completed',
        'run.completed',
      ]);
    });

    it('goes on with a run by its id alone, and only with one that is known', async () => {
      const options = { ...engine.options, runId: nextId() };
      const rest = engine.options;
      const failed = await execute(scripted.twoLives, 'a', options);
      const resumed = await told(resume(scripted.twoLives, options.runId, rest));

      expect(failed.status).toBe('FAILED');
      expect(resumed.final).toMatchObject({ status: 'COMPLETED', input: 'a', output: 'a at 1 at 2' });
      await expect(told(resume(scripted.twoLives, nextId(), rest))).rejects.toMatchObject({
        name: 'UnknownRunError',
      });
    });

    it('cancels a run by its id alone, and says which run it does not know', async () => {
      const options = { ...engine.options, runId: nextId() };
      await execute(scripted.signing, 'a', options);
      await cancel(options.runId, engine.options);
      const state = await cancelled(engine, scripted.signing, options);

      expect(state?.status).toBe('CANCELLED');
      await expect(cancel(nextId(), engine.options)).rejects.toThrow();
    });

    it('forks a run by its id alone, and answers the fork by its own', async () => {
      const options = { ...engine.options, runId: nextId() };
      await execute(scripted.signing, 'a', options);
      const runId = nextId();
      const forkId = await fork(options.runId, { ...engine.options, from: 'aside', runId });
      await until(async () => (await engine.load(scripted.signing, forkId)) !== undefined);
      await answer(forkId, 'sign', true, engine.options);
      const final = await ended(engine, scripted.signing, { ...engine.options, runId: forkId });

      expect(forkId).toBe(runId);
      expect(final).toMatchObject({
        status: 'COMPLETED',
        output: { sign: true, aside: 'a~' },
        forkedFrom: { runId: options.runId, path: 'aside' },
      });
      await expect(fork(nextId(), engine.options)).rejects.toThrow();
      await expect(answer(nextId(), 'sign', true, engine.options)).rejects.toThrow();
    });

    it('begins a run with a snapshot that a store keeps, and calls nothing again that had finished', async () => {
      const store = engine.options.store ?? memoryStore();
      const runId = nextId();
      const name = 'waits';
      const taken = saveTo(({ event }) => (event.type === 'step.suspended' ? name : undefined), { store });
      await lastValueFrom(run(scripted.signing, 'a', { store, runId }).pipe(taken));
      const snapshot = (await store.snapshots.list()).find((one) => one.runId === runId);
      const newId = nextId();
      const given = { store, ...(engine.options.engine !== undefined && engine.options), runId: newId };
      const restored = await restore(String(snapshot?.snapshotId), given);
      if (engine.options.engine === undefined) await told(resume(scripted.signing, restored, { store }));
      await until(async () => (await engine.load(scripted.signing, restored))?.status === 'SUSPENDED');
      await answer(restored, 'sign', true, engine.options);
      const final = await ended(engine, scripted.signing, { ...engine.options, runId: restored });

      expect(restored).toBe(newId);
      expect(final).toMatchObject({ status: 'COMPLETED', output: { sign: true, aside: 'a~' } });
      expect(final?.steps.get('up')).toMatchObject({ status: 'COMPLETED', output: 'A', attempts: 1 });
    });

    it('suspends at an approval, and goes on with the answer', async () => {
      const options = { ...engine.options, runId: nextId() };
      const suspended = await told(run(scripted.signing, 'a', options));
      await answer(options.runId, 'sign', true, engine.options);
      const final = await ended(engine, scripted.signing, options);

      expect(suspended.final.status).toBe('SUSPENDED');
      expect(suspended.final.steps.get('sign')).toMatchObject({ status: 'SUSPENDED', request: 'A' });
      expect(final).toMatchObject({ status: 'COMPLETED', output: { sign: true, aside: 'a~' } });
    });

    it('waits for something that happens outside, and takes the answer to its own id too', async () => {
      const options = { ...engine.options, runId: nextId() };
      const suspended = await execute(scripted.paying, 10, options);
      await answer(options.runId, 'paid', 12, engine.options);
      const final = await ended(engine, scripted.paying, options);

      expect(suspended.steps.get('paid')).toMatchObject({ status: 'SUSPENDED', request: 10 });
      expect(final).toMatchObject({ status: 'COMPLETED', output: 13 });
    });

    it('goes on waiting after an answer that does not fit', async () => {
      const options = { ...engine.options, runId: nextId() };
      await execute(scripted.signing, 'a', options);
      await answer(options.runId, 'sign', 'maybe', engine.options);
      const still = await execute(scripted.signing, 'a', options);
      await answer(options.runId, 'sign', false, engine.options);
      const final = await ended(engine, scripted.signing, options);

      expect(still.status).toBe('SUSPENDED');
      expect(final).toMatchObject({ status: 'COMPLETED', output: { sign: false } });
    });

    it('takes an answer for one question only', async () => {
      const options = { ...engine.options, runId: nextId() };
      const asked = await execute(scripted.signing, 'a', options);
      const { asking } = asked.steps.get('sign') ?? {};
      const other = answer(options.runId, 'sign', true, { ...engine.options, asking: `${String(asking)}0` });
      await expect(other).rejects.toMatchObject({ name: 'NotWaitingError' });
      const aside = answer(options.runId, 'aside', true, engine.options);
      await expect(aside).rejects.toMatchObject({ name: 'NotWaitingError' });
      await answer(options.runId, 'sign', true, {
        ...engine.options,
        ...(asking !== undefined && { asking }),
      });
      const final = await ended(engine, scripted.signing, options);

      expect(asking).toMatch(/\.\d+$/);
      expect(final).toMatchObject({ status: 'COMPLETED', output: { sign: true } });
      await expect(answer(options.runId, 'sign', false, engine.options)).rejects.toMatchObject({
        name: 'RunEndedError',
      });
      await expect(cancel(options.runId, engine.options)).rejects.toMatchObject({ name: 'RunEndedError' });
    });

    it('tries all failures again in one life', async () => {
      const options = { ...engine.options, runId: nextId() };
      const failed = await execute(scripted.threeFail, 'a', options);
      const again = await told(run(scripted.threeFail, 'a', options));

      expect(failed.status).toBe('FAILED');
      expect(again.final).toMatchObject({
        status: 'COMPLETED',
        life: 2,
        output: { x: 'a at 2', z: 'a at 2' },
      });
      expect(again.events.filter(({ type }) => type === 'step.started')).toHaveLength(3);
    });

    it('hands out one idempotency key for all attempts at a step, and none that another run has', async () => {
      const runId = nextId();
      const options = { ...engine.options, runId };
      const first = await execute(scripted.keys, 2, options);
      const again = await execute(scripted.keys, 2, options);
      const other = await execute(scripted.keys, 1, { ...engine.options, runId: `${runId}/key` });

      expect(first.status).toBe('FAILED');
      const keys = [first.error?.message, again.output, other.output];
      expect(keys[0]).toBe(keys[1]);
      expect(keys[0]).toMatch(/.\/key$/);
      expect(keys[2]).not.toBe(keys[0]);
      expect(keys[0]).not.toContain(runId);
    });

    it('says which answer no step waits for', async () => {
      const options = { ...engine.options, runId: nextId() };
      await execute(scripted.signing, 'a', options);
      await answer(options.runId, 'aside/sing', true, engine.options);
      const resting = await told(run(scripted.signing, 'a', options));

      expect(resting.final.status).toBe('SUSPENDED');
      expect(resting.events).toMatchObject([
        { type: 'run.resumed' },
        { type: 'step.logged', message: 'No step waits for the answer to "aside/sing"; these wait: "sign"' },
        { type: 'run.suspended' },
      ]);
    });

    it('decides otherwise when nobody answers in time', async () => {
      const options = { ...engine.options, runId: nextId() };
      const suspended = await execute(scripted.soon, 'a', options);
      await new Promise((resolve) => setTimeout(resolve, 350));
      const final = await ended(engine, scripted.soon, options);

      expect(suspended.status).toBe('SUSPENDED');
      expect(final).toMatchObject({ status: 'COMPLETED', output: 'boss says a' });
    });

    it('aborts the agent and ends the run as cancelled when its subscriber leaves', async () => {
      const options = { ...engine.options, runId: nextId() };
      const left = collect(run(scripted.hanging, 'a', options));
      await until(() => left.told.includes('step.started hanging'));
      left.leave?.();

      await until(async () => (await engine.load(scripted.hanging, options.runId))?.status === 'CANCELLED');
      const state = await engine.load(scripted.hanging, options.runId);
      expect(state?.steps.get('upper')?.status).toBe('COMPLETED');
      expect(state?.steps.get('hanging')?.status).toBe('PENDING');
    });

    it.each<{ readonly agent: Agent<string, unknown>; readonly status: string }>([
      { agent: scripted.failing, status: 'FAILED' },
      { agent: scripted.decided, status: 'COMPLETED' },
    ])('aborts what nobody waits for when a run ends as $status', async ({ agent, status }) => {
      const options = { ...engine.options, runId: nextId() };
      const final = await execute(agent, 'a', options);

      expect(final.status).toBe(status);
      await until(() => aborted.has(options.runId));
    });

    it('refuses a value that is too large, by name', async () => {
      const state = await execute(scripted.tooBig, engine.largest + 1, {
        ...engine.options,
        runId: nextId(),
      });

      expect(state.error).toMatchObject({ name: 'StateValueError', path: 'tooBig' });
    });

    it('tells partial results while the step is under way', async () => {
      const runId = nextId();
      const hears = tap(({ event }: Transition) => {
        if (event.type === 'step.emitted') heard.add(runId);
      });
      const states = run(scripted.attended, 'a', { ...engine.options, runId }).pipe(hears);
      const seen = await lastValueFrom(states.pipe(toArray()));

      expect(seen.filter(({ event }) => event.type === 'step.emitted')).toHaveLength(8);
      expect(seen.at(-1)?.state.output).toBe('a~');
    });

    it('gives one outcome for a run that fails', async () => {
      const outcome = await firstValueFrom(
        run(scripted.tooBig, -1, { ...engine.options, runId: nextId() }).pipe(outcomes()),
      );

      expect(outcome).toMatchObject({
        _tag: 'Left',
        left: { status: 'FAILED', failure: { name: 'RangeError' } },
      });
    });
  });
}

/** Each of them gives here what it gives in this process without an engine. */
export function itCarriesOut(
  cases: readonly EngineCase[],
  newRun: () => TestedEngine['options'] & { readonly runId: string },
): void {
  it.each(cases)('carries out $title', async ({ agent, input, gives }) => {
    const options = newRun();
    const here = await told(
      run(agent, input as never, { store: memoryStore(), runId: `here ${options.runId}` }),
    );
    const there = await told(run(agent, input as never, options));

    expect(there.byPath).toEqual(here.byPath);
    expect(there.state).toEqual(here.state);
    expect(there.seqs).toEqual(there.seqs.map((_, index) => index + 1));
    expect(given(there.final)).toEqual(gives);
  });
}

interface Told {
  readonly events: readonly RunEvent[];
  /** What stays the same from one engine to another, by path. */
  readonly byPath: Readonly<Record<string, readonly unknown[]>>;
  readonly final: RunState;
  readonly state: unknown;
  /** Numbers of the journaled events. */
  readonly seqs: readonly number[];
}

async function told(transitions: ReturnType<typeof run>): Promise<Told> {
  const collected = collect(transitions);
  await until(() => collected.ended !== 'open');
  const last = collected.transitions.at(-1);
  if (last === undefined) throw collected.error;
  const byPath: Record<string, unknown[]> = {};
  for (const event of collected.events) {
    const { runId: _runId, seq: _seq, at: _at, ...rest } = event;
    const {
      duration: _duration,
      deadline: _deadline,
      incarnation: _incarnation,
      asking: _asking,
      data,
      ...same
    } = { deadline: 0, duration: 0, incarnation: '', asking: '', data: undefined, ...rest };
    (byPath['path' in event ? event.path : ''] ??= []).push({
      ...same,
      data: typeof data === 'function' ? (data as () => unknown)() : data,
      ...('error' in same && { error: withoutPlaceOfCause(same.error) }),
    });
  }
  const { state } = last;
  const { status, output, input, error, life } = state;
  const steps = [...state.steps].map(
    ({ duration: _d, timestamp: _t, deadline: _l, seq: _s, asking: _a, ...row }) => ({
      ...row,
      error: row.error && withoutPlaceOfCause(row.error),
    }),
  );
  steps.sort((a, b) => (a.stepId < b.stepId ? -1 : 1));
  return {
    events: collected.events,
    byPath,
    final: state,
    state: { status, output, input, error: error && withoutPlaceOfCause(error), life, steps },
    seqs: collected.events
      .filter(({ type }) => type !== 'step.emitted' && type !== 'step.logged')
      .map(({ seq }) => seq),
  };
}

/** An engine that reads failures from a journal knows of a cause where it began; the process that threw it does not say. */
function withoutPlaceOfCause(failure: Failure): Failure {
  const { cause } = failure;
  if (cause === undefined) return failure;
  const { path: _path, ...rest } = cause;
  return { ...failure, cause: withoutPlaceOfCause(rest) };
}

function given({ status, output, error }: RunState): unknown {
  return status === 'COMPLETED' ? output : status === 'FAILED' ? error?.name : status;
}

/** How a suspended run ends: by itself where the engine goes on with it, otherwise by being resumed. */
async function ended(
  engine: TestedEngine,
  agent: Agent<never, unknown>,
  options: RunOptions & { readonly runId: string },
): Promise<RunState | undefined> {
  if (!engine.goesOn) return execute(agent, undefined as never, options);
  await until(async () => {
    const status = (await engine.load(agent, options.runId))?.status;
    return status === 'COMPLETED' || status === 'FAILED';
  });
  return engine.load(agent, options.runId);
}

/** How a run stands once it is cancelled: at once where the engine goes on with it, otherwise when it is resumed. */
async function cancelled(
  engine: TestedEngine,
  agent: Agent<string, unknown>,
  options: RunOptions & { readonly runId: string },
): Promise<RunState | undefined> {
  if (!engine.goesOn) return execute(agent, undefined as never, options);
  await until(async () => (await engine.load(agent, options.runId))?.status === 'CANCELLED');
  return engine.load(agent, options.runId);
}

/** A busy machine is slow, which is no fault. */
const PATIENCE_MS = 50_000;

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const limit = Date.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (Date.now() > limit) throw new Error(`Waited ${PATIENCE_MS} ms in vain`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
