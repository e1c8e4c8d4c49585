import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';

import type { Agent, RunState, Store } from '../../index';
import { agent, chain, each, execute, fork, memoryStore, resume, run, workflow } from '../../index';
import type { Transition, Wire } from '../../index';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

const calls: string[] = [];
const traced = <I, O>(name: string, work: (input: I) => O): Agent<I, O> =>
  agent(name, (input: I, { runId, path }) => {
    calls.push(`${runId} ${path}`);
    return work(input);
  }) as unknown as Agent<I, O>;

const line = chain(
  'forked line',
  traced('s1', (n: number) => n + 1),
  traced('s2', (n: number) => n * 10),
  traced('s3', (n: number) => n + 3),
);

/** What the last step of `lasting` waits for. */
let opened: Promise<void> | undefined;
const lasting = chain(
  'lasting fork',
  traced('s1', (n: number) => n + 1),
  agent('last', async (n: number) => {
    await opened;
    return n * 10;
  }),
);

let offset = 1;
const structured = workflow('forked structure', (numbers: Wire<readonly number[]>, step) => {
  const beside = step(
    'beside',
    traced('count', (all: readonly number[]) => all.length),
    numbers,
  );
  const all = step(
    'all',
    each(
      'all',
      chain(
        'c',
        traced('plus', (n: number) => n + offset),
        traced('twice', (n: number) => n * 2),
      ),
    ),
    numbers,
  );
  return step(
    'end',
    traced('sum', ({ list, size }: { readonly list: readonly number[]; readonly size: number }) =>
      [size, ...list].join(' '),
    ),
    { list: all, size: beside },
  );
});

describePlacements(
  'a fork',
  [line, lasting, structured] as readonly Agent<never, unknown>[],
  (options, placed) => {
    let runs = 0;
    const nextId = () => `${placed} ${(runs += 1)}`;
    const callsOf = (runId: string) =>
      calls.filter((call) => call.startsWith(`${runId} `)).map((call) => call.slice(runId.length + 1));
    const followed = <O>(of: Agent<never, O>, runId: string) =>
      lastValueFrom(options.engine.attach(of, runId).pipe(toArray<Transition<O>>()));

    beforeEach(() => {
      offset = 1;
    });

    it('shows what it stands on in every transition, and when it is loaded', async () => {
      const runId = nextId();
      await execute(line, 1, { ...options, runId });
      const forkId = await options.engine.fork(runId, { agent: line, from: 's3' });

      const transitions = await followed(line, forkId);
      expect(transitions.map(({ event, state }) => `${event.type} ${state.status}`)).toEqual([
        'run.resumed RUNNING',
        'step.started RUNNING',
        'step.completed RUNNING',
        'run.completed COMPLETED',
      ]);
      const state = transitions.at(-1)?.state;
      expect(state).toMatchObject({ input: 1, output: 23, life: 1, forkedFrom: { runId, path: 's3' } });
      expect([...(state?.steps ?? [])].map((step) => [step.stepId, step.status, step.output])).toEqual([
        ['s1', 'COMPLETED', 2],
        ['s2', 'COMPLETED', 20],
        ['s3', 'COMPLETED', 23],
      ]);
      expect(await options.engine.loadRun(line, forkId)).toEqual(state);
      expect(callsOf(forkId)).toEqual(['s3']);
    });

    it('shows what it stands on while it is under way, and refuses another input then', async () => {
      const runId = nextId();
      await execute(lasting, 1, { ...options, runId });
      let open = (): void => undefined;
      opened = new Promise((resolve) => (open = resolve));
      const forkId = await options.engine.fork(runId, { agent: lasting, from: 'last' });
      const isUnderWay = async () => (await options.engine.loadRun(lasting, forkId))?.status === 'RUNNING';
      await waitFor(isUnderWay, 5_000, 'the fork');

      const state = await options.engine.loadRun(lasting, forkId);
      expect(state).toMatchObject({ input: 1, forkedFrom: { runId, path: 'last' } });
      expect(state?.steps.get('s1')).toMatchObject({ status: 'COMPLETED', output: 2 });
      await expect(execute(lasting, 2, { ...options, runId: forkId })).rejects.toMatchObject({
        name: 'InputMismatchError',
      });
      open();
      expect(await execute(lasting, 1, { ...options, runId: forkId })).toMatchObject({ output: 20 });
    });

    it('is a run like any other: its end is told again, and another input refused', async () => {
      const runId = nextId();
      await execute(line, 1, { ...options, runId });
      const forkId = await options.engine.fork(runId, { agent: line, from: 's2' });
      await followed(line, forkId);

      expect(await execute(line, 1, { ...options, runId: forkId })).toMatchObject({ output: 23 });
      expect(await firstValueFrom(run(line, 1, { ...options, runId: forkId }))).toMatchObject({
        event: { type: 'run.completed', replayed: true },
      });
      await expect(execute(line, 2, { ...options, runId: forkId })).rejects.toMatchObject({
        name: 'InputMismatchError',
      });
      expect(callsOf(forkId)).toEqual(['s2', 's3']);
    });

    it('can be forked again', async () => {
      const runId = nextId();
      await execute(line, 1, { ...options, runId });
      const forkId = await options.engine.fork(runId, { agent: line, from: 's3' });
      await followed(line, forkId);
      const again = await options.engine.fork(forkId, { agent: line, from: 's3' });

      const state = (await followed(line, again)).at(-1)?.state;
      expect(state).toMatchObject({ output: 23, forkedFrom: { runId: forkId, path: 's3' } });
      expect(callsOf(again)).toEqual(['s3']);
    });

    it('gives another input to the steps that run again', async () => {
      const runId = nextId();
      await execute(structured, [1, 2], { ...options, runId });
      const forkId = await options.engine.fork(runId, { agent: structured, from: 'all', input: [5] });

      expect((await followed(structured, forkId)).at(-1)?.state).toMatchObject({
        input: [5],
        output: '2 12',
      });
      expect(callsOf(forkId)).not.toContain('beside');
    });

    it.each(['all[1]/c/plus', 'all[0]/c/twice', 'all', 'beside', 'end'])(
      'from %s calls what the fork in a store calls, and gives the same',
      async (from) => {
        const store = memoryStore();
        const runId = nextId();
        await execute(structured, [1, 2, 3], { store, runId });
        await execute(structured, [1, 2, 3], { ...options, runId: `${runId} there` });
        offset = 100;
        const hereId = await fork(runId, { store, from });
        const here = await stateOf(structured, hereId, store);
        const thereId = await options.engine.fork(`${runId} there`, { agent: structured, from });
        const there = (await followed(structured, thereId)).at(-1)?.state;

        expect(callsOf(thereId).sort()).toEqual(callsOf(hereId).sort());
        expect(there?.output).toBe(here.output);
        expect(outputsOf(there)).toEqual(outputsOf(here));
      },
    );

    it('of a run that took another input stands on the latest life', async () => {
      const runId = nextId();
      await execute(line, 1, { ...options, runId });
      await execute(line, 2, { ...options, runId, onMismatch: 'actual' });
      const forkId = await options.engine.fork(runId, { agent: line, from: 's3' });

      expect((await followed(line, forkId)).at(-1)?.state).toMatchObject({ input: 2, output: 33 });
      expect(await execute(line, undefined as never, { ...options, runId })).toMatchObject({ output: 33 });
      expect(await execute(line, 2, { ...options, runId })).toMatchObject({ output: 33, life: 2 });
      await expect(execute(line, 1, { ...options, runId })).rejects.toMatchObject({
        name: 'InputMismatchError',
      });
    });

    it('refuses a step that the run has not, and an id that is taken', async () => {
      const runId = nextId();
      await execute(line, 1, { ...options, runId });

      await expect(options.engine.fork(runId, { agent: line, from: 's9' })).rejects.toMatchObject({
        name: 'UnknownStepError',
        path: 's9',
      });
      await expect(options.engine.fork(runId, { agent: line, from: 's3', runId })).rejects.toMatchObject({
        name: 'RunExistsError',
        runId,
      });
      await expect(options.engine.fork('nobody', { agent: line, from: 's3' })).rejects.toMatchObject({
        name: 'UnknownRunError',
      });
    });
  },
);

async function stateOf<O>(of: Agent<never, O>, runId: string, store: Store): Promise<RunState> {
  return (await lastValueFrom(resume(of, runId, { store }))).state;
}

function outputsOf(state: RunState | undefined): readonly unknown[] {
  return [...(state?.steps ?? [])]
    .map(({ stepId, status, output }) => [stepId, status, output])
    .sort(([a], [b]) => String(a).localeCompare(String(b)));
}
