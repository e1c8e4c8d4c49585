import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { of, throwError } from 'rxjs';

import type { Store, Transition } from '../../../../index';
import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  each,
  everyStep,
  execute,
  executionHistory,
  fork,
  record,
  resume,
  run,
  saveTo,
} from '../../../../index';
import { storeOn } from './crash';
import type { MemoryFiles } from './memoryFiles';

/** What was told to somebody while the work went on: nothing of it may be lost. */
export class Told {
  /** Paths of steps, by run, whose end was told. */
  readonly steps = new Map<string, Set<string>>();
  readonly snapshots = new Set<string>();
  readonly logs = new Set<string>();
  readonly answered = new Set<string>();
  readonly deleted = new Set<string>();
  /** Whose removal was asked for: it may have happened also where that was not told. */
  readonly unwanted = new Set<string>();
  /** Everything that went wrong, as it was told. */
  readonly problems: unknown[] = [];
  /** Steps whose function was called after their end had been told. */
  readonly calledAgain: string[] = [];

  hear({ event }: Transition): void {
    if (event.type === 'step.logged') this.problems.push(event.message);
    if (event.type !== 'step.completed') return;
    const steps = this.steps.get(event.runId) ?? new Set();
    this.steps.set(event.runId, steps.add(event.path));
  }

  called(runId: string, path: string): void {
    if (this.steps.get(runId)?.has(path) === true) this.calledAgain.push(`${runId} ${path}`);
  }
}

/** The agents of the work, whose calls are noted. */
export function agentsOf(told: Told) {
  const called =
    <I, O = number>(work: (input: I, attempt: number) => O | Observable<O>) =>
    (input: I, context: { readonly runId: string; readonly path: string; readonly attempt: number }) => {
      told.called(context.runId, context.path);
      return work(input, context.attempt);
    };
  const item = agent(
    'item',
    called((n: number, attempt) =>
      n === 2 && attempt === 1 ? throwError(() => new Error('once')) : of(n * 10),
    ),
    { retry: 1, cache: {} },
  );
  const batch = chain(
    'batch',
    agent(
      'list',
      called((n: number) => of([n, n + 1, n + 2])),
    ),
    each('items', item),
    agent(
      'sum',
      called((all: readonly number[]) => all.reduce((a, b) => a + b, 0)),
    ),
  );
  const asks = chain(
    'asks',
    approval<boolean, number>('ok', t.boolean),
    agent(
      'after',
      called((ok: boolean) => (ok ? 1 : 0)),
    ),
  );
  const old = chain(
    'old',
    agent(
      'kept',
      called((n: number) => n + 1),
      { cache: {} },
    ),
  );
  return { batch, asks, old };
}

/**
 * A little of all that a store does: an old run that is pruned with its snapshot and its answer in the cache, a list with a
 * retry and a cache, a question answered twice, a cancel, snapshots, a record, a fork, a delete, two runs at once. What fails
 * is told, and the rest goes on.
 */
export async function mixedWork(store: Store, told: Told): Promise<void> {
  const { batch, asks, old } = agentsOf(told);
  const attempt = async (act: () => Promise<unknown>): Promise<boolean> => {
    try {
      await act();
      return true;
    } catch (error) {
      told.problems.push(error);
      return false;
    }
  };
  const taps = { onTapError: (error: unknown) => told.problems.push(error) };
  const runAll = (transitions: Observable<Transition>) =>
    attempt(
      () =>
        new Promise<void>((resolve, reject) => {
          transitions.subscribe({
            next: (transition) => told.hear(transition),
            error: reject,
            complete: resolve,
          });
        }),
    );
  const history = executionHistory(store.logs);
  await runAll(run(old, 1, { store, runId: 'old' }).pipe(saveTo(everyStep(), { store, ...taps })));
  await attempt(async () => {
    told.unwanted.add('old');
    for (const runId of await store.prune({ snapshots: true })) told.deleted.add(runId);
  });
  await Promise.all([
    runAll(
      run(batch, 1, { store, runId: 'batch' }).pipe(
        saveTo(everyStep(), { store, ...taps }),
        record(history, taps),
      ),
    ),
    runAll(run(asks, 1, { store, runId: 'asks' })),
  ]);
  if (await attempt(() => answer('asks', 'ok', true, { store }))) told.answered.add('asks');
  await attempt(() => answer('asks', 'ok', true, { store }));
  await runAll(resume(asks, 'asks', { store }));
  await runAll(run(asks, 1, { store, runId: 'unwanted' }));
  await attempt(() => cancel('unwanted', { store }));
  await runAll(resume(asks, 'unwanted', { store }));
  await attempt(() => fork('batch', { store, from: 'sum', runId: 'forked' }));
  await runAll(resume(batch, 'forked', { store }));
  await attempt(async () => {
    const state = await store.loadRun('batch');
    if (state !== undefined) told.snapshots.add((await store.snapshots.save('mine', state)).snapshotId);
  });
  await attempt(async () => {
    told.logs.add((await history.createLog('mine', 'mine')).logId);
  });
  await attempt(async () => {
    told.unwanted.add('unwanted');
    if (await store.deleteRun('unwanted', { snapshots: true, logs: true })) told.deleted.add('unwanted');
  });
  await attempt(() => store.close());
}

/** What has become of the work, once nothing fails any more and everything is taken up again. */
export async function outcome(files: MemoryFiles, told: Told): Promise<Readonly<Record<string, unknown>>> {
  const store = storeOn(files);
  const { batch, asks } = agentsOf(told);
  const known = new Set((await store.listRuns()).map(({ runId }) => runId));
  const lost = [...told.steps].flatMap(([runId, paths]) =>
    !known.has(runId) && !told.unwanted.has(runId) ? [...paths].map((path) => `${runId} ${path}`) : [],
  );
  const end = async (runId: string, act: () => Promise<{ readonly output?: unknown }>) =>
    [runId, (await act()).output] as const;
  const outputs = [await end('batch', () => execute(batch, 1, { store, runId: 'batch' }))];
  if (!told.answered.has('asks')) {
    const { status } = await execute(asks, 1, { store, runId: 'asks' });
    // An answer that was refused may have arrived all the same.
    if (status === 'SUSPENDED') await store.post('asks', { kind: 'answer', path: 'ok', value: true });
  }
  outputs.push(await end('asks', () => execute(asks, 1, { store, runId: 'asks' })));
  if (known.has('forked'))
    outputs.push(await end('forked', () => execute(batch, 1, { store, runId: 'forked' })));
  const listed = new Set((await store.snapshots.list()).map(({ snapshotId }) => snapshotId));
  for (const snapshotId of told.snapshots) {
    if (!listed.has(snapshotId)) lost.push(`snapshot ${snapshotId}`);
    await store.snapshots.load(snapshotId);
  }
  for (const logId of told.logs) if ((await store.logs.load(logId)) === undefined) lost.push(`log ${logId}`);
  await store.logs.list();
  await store.close();
  return {
    lost,
    calledAgain: told.calledAgain,
    forgotten: [...told.deleted].filter((runId) => known.has(runId)),
    outputs: Object.fromEntries(outputs.filter(([runId]) => runId !== 'forked')),
    forked: outputs.find(([runId]) => runId === 'forked')?.[1] ?? 60,
  };
}

/** What must have become of it. */
export const right = {
  lost: [],
  calledAgain: [],
  forgotten: [],
  outputs: { batch: 60, asks: 1 },
  forked: 60,
};
