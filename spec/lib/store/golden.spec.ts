import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';

import type { Agent, RunState } from '../../../index';
import {
  agent,
  branch,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  fork,
  resume,
  salvage,
  workflow,
} from '../../../index';
import type { Wire } from '../../../lib/definition/wire';
import { reduceRunAll } from '../../../lib/model/reduce';
import { idleState } from '../../../lib/model/state';
import { lowdbStore } from '../../../lib/store/folder/lowdbStore';
import { append, folded, life, throughJson } from './support/life';

const golden = resolve(__dirname, '../../golden');

/** From format 2 on an output may be journaled as a change of an earlier one. */
const changing = (step: number) => ({ step, text: '.'.repeat(700) });

/** A copy of a folder of golden files, which are named so that no formatter touches them. */
function copyOf(from: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-golden-'));
  for (const name of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.golden')) continue;
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    cpSync(join(from, name), join(folder, name.slice(0, -'.golden'.length)));
  }
  return folder;
}

/** The definition of a run that `life` makes up; each call of one of its functions is noted. */
function steps(count: number, called: string[]): Agent<{ readonly n: number }, unknown> {
  return workflow('chain', (input: Wire<{ readonly n: number }>, step) =>
    Array.from({ length: count }, (_, i) => {
      const name = `agent${String(i)}`;
      return step(
        `s${String(i)}`,
        agent(name, () => {
          called.push(name);
          return { step: i };
        }),
        input,
      );
    }),
  );
}

describe.each(readdirSync(golden))('a store of format %s (promises test 20, P9)', (version) => {
  const lifeOf = (runId: string, steps: number) =>
    version === 'v1' ? life(runId, steps) : life(runId, steps, changing);
  let folder: string;
  beforeEach(() => {
    folder = copyOf(join(golden, version, 'crashed'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('opens, and its crashed run goes on', async () => {
    const store = lowdbStore(folder);
    expect(throughJson(await store.loadRun('done'))).toEqual(folded(lifeOf('done', 3)));
    const [snapshot] = await store.snapshots.list();
    expect(await store.snapshots.load(snapshot!.snapshotId)).toMatchObject({ name: 'checkpoint_3' });

    const claim = await store.claim('crashed');
    const events = lifeOf('crashed', 4);
    expect(throughJson(claim.state)).toEqual(folded(events.slice(0, 6)));
    await append(claim, events.slice(6));
    await claim.release(undefined);
    await store.close();
    expect(throughJson(await lowdbStore(folder).loadRun('crashed'))).toEqual(folded(events));
  });

  it.each(['as it is', 'salvaged'])(
    'has a crashed run that its agent completes, and so a fork of it: what was done is not done again, %s',
    async (how) => {
      const into = `${folder}-salvaged`;
      if (how === 'salvaged') await salvage(folder, into);
      const store = lowdbStore(how === 'salvaged' ? into : folder);
      const forkId = await fork('crashed', { store });
      const outputs = [
        ...lifeOf('crashed', 2).flatMap((event) => (event.type === 'step.completed' ? [event.output] : [])),
        { step: 2 },
        { step: 3 },
      ];
      for (const runId of ['crashed', forkId]) {
        const called: string[] = [];
        const { state } = await lastValueFrom(resume(steps(4, called), runId, { store }));

        expect(state).toMatchObject({ status: 'COMPLETED', output: outputs });
        expect(called).toEqual(['agent2', 'agent3']);
      }
      await store.close();
      const opened = lowdbStore(how === 'salvaged' ? into : folder);
      for (const runId of ['crashed', forkId])
        expect(await opened.loadRun(runId)).toMatchObject({ status: 'COMPLETED', output: outputs });
      await opened.close();
      rmSync(into, { recursive: true, force: true });
    },
  );

  it.each(['as it is', 'salvaged'])('lists its runs, and forks them, %s', async (how) => {
    const into = `${folder}-salvaged`;
    if (how === 'salvaged') await salvage(folder, into);
    const store = lowdbStore(how === 'salvaged' ? into : folder);
    const runIds = (await store.listRuns()).map(({ runId }) => runId).sort();
    expect(runIds).toEqual(['crashed', 'done']);
    for (const runId of runIds) {
      const forkId = await fork(runId, { store });
      const ended = ({ steps }: RunState): string[] =>
        [...steps].flatMap(({ stepId, status }) => (status === 'COMPLETED' ? [stepId] : []));
      const [forked, original] = [await store.loadRun(forkId), await store.loadRun(runId)];
      expect(forked).toMatchObject({ forkedFrom: { runId } });
      expect(ended(forked as RunState)).toEqual(ended(original as RunState));
    }
    await store.close();
    rmSync(into, { recursive: true, force: true });
  });

  it('tells the events of its runs, or that an earlier version kept none', async () => {
    const store = lowdbStore(folder);
    const eventsOf = async (runId: string) =>
      (await firstValueFrom(store.events(runId).pipe(toArray()))).map(({ event }) => event);
    const crashed = await eventsOf('crashed');
    expect(throughJson(reduceRunAll(idleState('crashed', '', []), crashed))).toEqual(
      throughJson(await store.loadRun('crashed')),
    );
    if (Number(version.slice(1)) < 4) {
      await expect(eventsOf('done')).rejects.toMatchObject({ code: 'EVENTS_NOT_KEPT' });
      return;
    }
    expect((await eventsOf('done')).map(({ type }) => type).slice(0, 4)).toEqual([
      'run.started',
      'step.started',
      'step.logged',
      'step.completed',
    ]);
  });
});

const day = new t.Type<Date, string>(
  'day',
  (value): value is Date => value instanceof Date,
  (value, context) => (typeof value === 'string' ? t.success(new Date(value)) : t.failure(value, context)),
  (date) => date.toISOString(),
);
const failing = agent(
  'failing',
  (_: unknown): Date => {
    throw new Error('no');
  },
  { output: day },
);
const dated = agent('dated', (_: unknown) => new Date(0), { output: day });
const words = agent('words', (_: unknown) => '1970-01-01T00:00:00.000Z');
const use = agent('use', (value: unknown) =>
  [value].flat().map((item) => (item instanceof Date ? 'day' : (item ?? 'gap'))),
);
const failsOften = agent('i', (item: number) => item);

/** The definitions whose runs the golden stores hold, and what each gives when it goes on. */
const alternatives: Record<string, readonly [work: Agent<never, unknown>, output: unknown]> = {
  fallback: [chain('c', fallback('m', failing, words), use), ['1970-01-01T00:00:00.000Z']],
  branch: [
    chain(
      'c',
      branch('m', (): 'w' | 'd' => 'd', { w: words, d: dated }),
      use,
    ),
    ['day'],
  ],
  firstOf: [chain('c', firstOf('m', dated, words), use), ['day']],
  each: [chain('c', each('m', fallback('f', failing, dated)), use), ['day', 'day']],
  gaps: [chain('c', each('m', failsOften), use), ['gap', 2]],
  many: [chain('c', each('m', failsOften), use), [1, 2]],
  root: [fallback('m', failing, dated), new Date(0)],
};

describe.each(['v2', 'v3', 'v4'])('outputs of several agents in a store of format %s', (version) => {
  let folder: string;
  beforeEach(() => {
    folder = copyOf(join(golden, version, 'alternatives'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(Object.entries(alternatives))('are read as what gave them: %s', async (runId, [work, output]) => {
    const store = lowdbStore(folder);
    expect(await store.listRuns()).toHaveLength(Object.keys(alternatives).length);
    const copy = await fork(runId, { store, runId: 'copy' });

    const whole = await execute(work, [1, 2] as never, { store, runId });
    const forked = await lastValueFrom(resume(work, copy, { store }));

    expect(whole).toMatchObject({ status: 'COMPLETED', output });
    expect(forked.state).toMatchObject({ status: 'COMPLETED', output });
    await store.close();

    const opened = lowdbStore(folder);
    expect((await execute(work, [1, 2] as never, { store: opened, runId })).output).toEqual(output);
    await opened.close();
  });

  it('survive being salvaged', async () => {
    const into = `${folder}-salvaged`;
    await salvage(folder, into);
    const store = lowdbStore(into);
    const [work, output] = alternatives['branch'] as (typeof alternatives)[string];
    expect((await execute(work, [1, 2] as never, { store, runId: 'branch' })).output).toEqual(output);
    await store.close();
    rmSync(into, { recursive: true, force: true });
  });
});
