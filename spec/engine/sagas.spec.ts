import * as t from 'io-ts';
import { filter, firstValueFrom, lastValueFrom, toArray } from 'rxjs';

import { agent, approval, chain, execute, run, saga } from '../../index';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

const undone: string[] = [];
const begun: string[] = [];
const undoable = (name: string) =>
  agent(name, (n: number) => n + 1, {
    compensate: (output: number) => void undone.push(`${name} ${output}`),
  });
const reserve = undoable('reserve');
const charge = undoable('charge');
const refuse = agent('refuse', (_: number): number => {
  throw new Error('no stock');
});
const asking = agent('asking', (n: number, context) => context.step('inner', charge, n));
const wait = agent('wait', (_: number, context): Promise<number> => {
  begun.push(context.runId);
  return new Promise((_resolve, reject) => {
    context.signal.addEventListener('abort', () => {
      reject(new Error('aborted'));
    });
  });
});

const goingBack: string[] = [];
let goBack = (): void => undefined;
/** Undoing it waits until `goBack` is called, and minds when it is stopped. */
const slow = agent('slow', (n: number) => n + 1, {
  compensate: (output: number, context): Promise<void> => {
    goingBack.push(context.runId);
    return new Promise((resolve, reject) => {
      goBack = () => {
        undone.push(`slow ${output}`);
        resolve();
      };
      context.signal.addEventListener('abort', () => {
        reject(new Error('stopped while undoing'));
      });
    });
  },
});

const failing = saga('failing', chain('work', reserve, charge, refuse));
const dynamic = saga('dynamic', chain('work', reserve, asking, refuse), { dynamic: [charge] });
const agreeing = saga(
  'agreeing',
  chain('work', reserve, approval<number, number>('agree', t.number), charge),
);
const waiting = saga('waiting', chain('work', reserve, charge, wait));
const resting = saga(
  'resting',
  chain('work', reserve, slow, approval<number, number>('agree', t.number), charge),
);
const blocked = saga('blocked', chain('work', reserve, slow, wait));
const broken = saga('broken', chain('work', reserve, slow, refuse));

const all = [failing, dynamic, agreeing, waiting, resting, blocked, broken];

describePlacements('sagas on Restate', all, (options, placed) => {
  beforeEach(() => {
    undone.length = 0;
    goingBack.length = 0;
  });

  it('undoes what was done, the last first', async () => {
    expect((await execute(failing, 1, options)).status).toBe('FAILED');
    expect(undone).toEqual(['charge 3', 'reserve 2']);
  });

  it('undoes the steps too that a function asked for', async () => {
    expect((await execute(dynamic, 1, options)).status).toBe('FAILED');
    expect(undone).toEqual(['charge 3', 'reserve 2']);
  });

  it('undoes what was done when the run is cancelled on request', async () => {
    const runId = `cancelled ${placed}`;
    const told = lastValueFrom(run(waiting, 1, { ...options, runId }).pipe(toArray()));
    await waitFor(() => begun.includes(runId), 10_000, 'the wait');

    await options.engine.cancel(runId, { agent: waiting });
    expect((await told).at(-1)).toMatchObject({
      event: { type: 'run.cancelled' },
      state: { status: 'CANCELLED' },
    });
    expect(undone).toEqual(['charge 3', 'reserve 2']);
  });

  it('cancels and undoes when the signal is aborted that the run was given', async () => {
    const runId = `aborted ${placed}`;
    const abort = new AbortController();
    const told = lastValueFrom(run(waiting, 1, { ...options, runId, signal: abort.signal }).pipe(toArray()));
    await waitFor(() => begun.includes(runId), 10_000, 'the wait');
    abort.abort();

    expect((await told).at(-1)?.event.type).toBe('run.cancelled');
    expect(undone).toEqual(['charge 3', 'reserve 2']);
  });

  it('undoes what a run has done that waits for an answer, when it is cancelled', async () => {
    const runId = `asked for ${placed}`;
    expect((await execute(agreeing, 1, { ...options, runId })).status).toBe('SUSPENDED');
    await options.engine.cancel(runId, { agent: agreeing });

    await waitFor(
      async () => (await options.engine.loadRun(agreeing, runId))?.status === 'CANCELLED',
      10_000,
      'the cancel',
    );
    expect(undone).toEqual(['reserve 2']);
    await expect(options.engine.cancel(runId, { agent: agreeing })).rejects.toMatchObject({
      name: 'RunEndedError',
    });
  });

  it('cancels a run that waits for an answer, when its signal was aborted before', async () => {
    const runId = `given up ${placed}`;
    await execute(agreeing, 1, { ...options, runId });
    const again = run(agreeing, 1, { ...options, runId, signal: AbortSignal.abort() });
    const told = await lastValueFrom(again.pipe(toArray()));

    expect(told.at(-1)?.event.type).toBe('run.cancelled');
    expect(undone).toEqual(['reserve 2']);
  });

  it('undoes nothing of a run that is only left', async () => {
    const runId = `left ${placed}`;
    const subscription = run(waiting, 1, { ...options, runId }).subscribe();
    await waitFor(() => begun.includes(runId), 10_000, 'the wait');
    subscription.unsubscribe();

    await waitFor(
      async () => (await options.engine.loadRun(waiting, runId))?.status === 'CANCELLED',
      10_000,
      'the cancel',
    );
    expect(undone).toEqual([]);
  });

  const isEnded = async (agent: typeof resting, runId: string, status: string) =>
    (await options.engine.loadRun(agent, runId))?.status === status;
  /** Everything that may come while a run goes back: more cancels, and followers that leave. */
  const disturb = async (agent: typeof resting, runId: string): Promise<void> => {
    const subscription = run(agent, 1, { ...options, runId }).subscribe({ error: () => undefined });
    await options.engine.cancel(runId, { agent });
    await new Promise((resolve) => setTimeout(resolve, 500));
    subscription.unsubscribe();
    await options.engine.cancel(runId, { agent });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  };
  const isAllUndone = async (agent: typeof resting, runId: string): Promise<void> => {
    expect(undone).toEqual(['slow 3', 'reserve 2']);
    const state = await options.engine.loadRun(agent, runId);
    const rows = [...(state?.steps ?? [])].filter(({ agent: name }) => name.startsWith('undo '));
    expect(rows.map(({ status }) => status)).toEqual(['COMPLETED', 'COMPLETED']);
    await expect(options.engine.cancel(runId, { agent })).rejects.toMatchObject({ name: 'RunEndedError' });
  };

  it('undoes all of a run that waited for an answer, whoever cancels or leaves it meanwhile', async () => {
    const runId = `resting ${placed}`;
    await execute(resting, 1, { ...options, runId });
    await options.engine.cancel(runId, { agent: resting });
    await waitFor(() => goingBack.includes(runId), 10_000, 'the undoing');
    await disturb(resting, runId);
    goBack();

    await waitFor(() => isEnded(resting, runId, 'CANCELLED'), 10_000, 'the end');
    await isAllUndone(resting, runId);
  });

  it('undoes all of a run that was under way, whoever cancels or leaves it meanwhile', async () => {
    const runId = `blocked ${placed}`;
    const told = lastValueFrom(run(blocked, 1, { ...options, runId }).pipe(toArray()));
    await waitFor(() => begun.includes(runId), 10_000, 'the wait');
    await options.engine.cancel(runId, { agent: blocked });
    await waitFor(() => goingBack.includes(runId), 10_000, 'the undoing');
    await disturb(blocked, runId);
    goBack();

    expect((await told).at(-1)?.event.type).toBe('run.cancelled');
    await isAllUndone(blocked, runId);
  });

  it('refuses to cancel a run from the moment on in which followers are told how it has ended', async () => {
    for (const round of [1, 2]) {
      const runId = `seen ${round} ${placed}`;
      await execute(resting, 1, { ...options, runId });
      await options.engine.cancel(runId, { agent: resting });
      await waitFor(() => goingBack.includes(runId), 10_000, 'the undoing');
      const attached = options.engine.attach(resting, runId);
      const ended = firstValueFrom(attached.pipe(filter(({ event }) => event.type === 'run.cancelled')));
      // Undoing that takes long is told before the life is over.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      goBack();
      await ended;

      await expect(options.engine.cancel(runId, { agent: resting })).rejects.toMatchObject({
        name: 'RunEndedError',
      });
    }
  });

  it('undoes each step once when a cancel meets a saga that goes back because it has failed', async () => {
    const runId = `broken ${placed}`;
    const told = execute(broken, 1, { ...options, runId });
    await waitFor(() => goingBack.includes(runId), 10_000, 'the undoing');
    await options.engine.cancel(runId, { agent: broken });
    await options.engine.cancel(runId, { agent: broken });
    await new Promise((resolve) => setTimeout(resolve, 500));
    goBack();

    // Why it went back stays.
    expect((await told).status).toBe('FAILED');
    expect(goingBack).toEqual([runId]);
    expect(undone).toEqual(['slow 3', 'reserve 2']);
  });
});
