import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { SchedulerLike } from 'rxjs';
import { asyncScheduler, concatMap, from, lastValueFrom, Observable, toArray } from 'rxjs';

import { pick } from '../../lib/definition/wire';
import type { RunOptions } from '../../lib/engine/runOptions';
import type { Agent } from '../../lib/model/agentType';
import type { Transition } from '../../lib/model/event';
import * as reduce from '../../lib/model/reduce';
import type { Durability } from '../../lib/store/durability';
import type { Files } from '../../lib/store/folder/files/files';
import { nodeFiles } from '../../lib/store/folder/files/nodeFiles';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import { agent } from '../../operators/agents/agent';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { workflow } from '../../operators/agents/workflow';
import { run } from '../../operators/runs/run';
import { runEach } from '../../operators/runs/runEach';
import { SLACK } from '../support/slack';

// Counts what costs time: a lost order of magnitude shows on any machine. A clock is looked at only where nothing can be
// counted, and only to compare two things that are done in turns. The figures that the counts stand for are in
// docs/performance.md.

// Some go over very many steps, and a busy machine takes its time.
jest.setTimeout(120_000);

interface Value {
  readonly n: number;
}

const next = async ({ n }: Value): Promise<Value> => ({ n: n + 1 });
const ids = (count: number): string[] =>
  Array.from({ length: count }, (_, position) => `s${String(position)}`);
const chainOf = (steps: number) => chain('chain', ...ids(steps).map((id) => agent(id, next)));

async function follow<O>(
  self: Agent<Value, O>,
  options: RunOptions = {},
  look?: (seen: Transition<O>) => void,
) {
  let events = 0;
  await new Promise<void>((resolve, reject) => {
    run(self, { n: 0 }, options).subscribe({
      next(transition) {
        events += 1;
        look?.(transition);
      },
      error: reject,
      complete: resolve,
    });
  });
  return events;
}

/** How much one more step costs of what is counted: what a run costs anyway cancels out. */
async function perStep(count: (steps: number) => Promise<number>): Promise<number> {
  const few = await count(100);
  const many = await count(1_100);
  return (many - few) / 1_000;
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe('what a step costs', () => {
  it('is two events', async () => {
    expect(await perStep(async (steps) => follow(chainOf(steps)))).toBe(2);
  });

  it('is at most four looks at the clock', async () => {
    const looks = await perStep(async (steps) => {
      let asked = 0;
      const now = { value: () => (asked += 1) };
      const scheduler = Object.create(asyncScheduler, { now }) as SchedulerLike;
      await follow(chainOf(steps), { scheduler });
      return asked;
    });

    expect(looks).toBeLessThanOrEqual(4);
  });

  it('is no timer, no signal and no subscription', async () => {
    const self = chainOf(1_000);
    const counters = [
      jest.spyOn(globalThis, 'setTimeout'),
      jest.spyOn(globalThis, 'setImmediate'),
      jest.spyOn(globalThis, 'AbortController'),
      jest.spyOn(Observable.prototype, 'subscribe'),
      jest.spyOn(Observable.prototype, 'pipe'),
    ];

    await follow(self);

    expect(Math.max(...counters.map(({ mock }) => mock.calls.length))).toBeLessThan(10);
  });

  it('is less than a hundredth of a reduction when nobody looks at the state, and no event is reduced twice', async () => {
    const reductions = jest.spyOn(reduce, 'reduceRunAll');

    const events = await follow(chainOf(5_000));

    expect(reductions.mock.calls.length).toBeLessThan(events / 200);
    expect(reductions.mock.calls.reduce((sum, [, reduced]) => sum + reduced.length, 0)).toBeLessThanOrEqual(
      events,
    );
  });

  it('is one reduction an event when every state is looked at', async () => {
    const reductions = jest.spyOn(reduce, 'reduceRunAll');

    const events = await follow(chainOf(1_000), {}, ({ state }) => state);

    expect(reductions.mock.calls.length).toBeLessThanOrEqual(events + 2);
    expect(reductions.mock.calls.reduce((sum, [, reduced]) => sum + reduced.length, 0)).toBe(events);
  });

  it('is a copy of one page of steps, however many there are, and of the list of pages', async () => {
    const self = chainOf(6_400);
    let copied = 0;
    const slice = Array.prototype.slice;
    jest.spyOn(Array.prototype, 'slice').mockImplementation(function (this: unknown[], ...range) {
      const copy = slice.apply(this, range);
      copied += copy.length;
      return copy;
    });

    const events = await follow(self, {}, ({ state }) => state);

    expect(copied / events).toBeLessThan(64 + 6_400 / 64 + 10);
  });
});

describe('what a run costs', () => {
  it('does not hold the steps of its plan once more', async () => {
    const self = chainOf(500);
    const first = await lastValueFrom(run(self, { n: 0 }).pipe(toArray()));
    const second = await lastValueFrom(run(self, { n: 0 }).pipe(toArray()));

    const pending = [first, second].map((all) => all[0]!.state.steps.at(499));
    expect(pending[0]).toBe(pending[1]);
  });

  it('is no reduction for a short run that nobody looks at', async () => {
    const reductions = jest.spyOn(reduce, 'reduceRunAll');

    const inputs = from(ids(100).map((_, n) => ({ n })));
    await lastValueFrom(inputs.pipe(runEach(chainOf(3))));

    expect(reductions.mock.calls.length).toBe(0);
  });

  // Both are about twice what it is where others use the machine, as in CI.
  const times = (alone: number): number => (SLACK === 1 ? alone : 2 * alone);

  it(`is less than ${String(times(10))} times what the same input costs in plain RxJS, in a pipe`, async () => {
    const self = agent('next', next);

    expect(await timesPlain((inputs) => inputs.pipe(self))).toBeLessThan(times(10));
  });

  it(`is less than ${String(times(20))} times what the same input costs in plain RxJS, in runEach`, async () => {
    const self = agent('next', next);

    expect(await timesPlain((inputs) => inputs.pipe(runEach(self)))).toBeLessThan(times(20));
  });
});

/**
 * How many times as much CPU these inputs take as in `concatMap` over the bare function. Both are measured in turns, and
 * the best turn of each counts: what else the machine does only adds to one.
 */
async function timesPlain(handled: (inputs: Observable<Value>) => Observable<unknown>): Promise<number> {
  const inputs = from(ids(1_000).map((_, n) => ({ n })));
  const plain = inputs.pipe(concatMap(next));
  const best = { plain: Infinity, handled: Infinity };
  // Each look at the global clock asks the context of the spec first, which a program does not pay for.
  const { now } = Date;
  const { now: byDefault } = asyncScheduler;
  asyncScheduler.now = now;
  for (let turn = 0; turn < 15; turn += 1) {
    best.plain = Math.min(best.plain, await cpuOf(plain));
    best.handled = Math.min(best.handled, await cpuOf(handled(inputs)));
  }
  asyncScheduler.now = byDefault;
  return best.handled / best.plain;
}

async function cpuOf(stream: Observable<unknown>): Promise<number> {
  const begun = process.cpuUsage();
  await lastValueFrom(stream);
  const { user, system } = process.cpuUsage(begun);
  return user + system;
}

describe('what grows', () => {
  it('is no transition in a plain pipe, where nobody looks', async () => {
    const transitions = () => defined.mock.calls.filter(([, key]) => key === 'state').length;
    const defined = jest.spyOn(Object, 'defineProperty');

    await lastValueFrom(from(ids(100)).pipe(agent('length', async ({ length }: string) => length)));
    const inPipe = transitions();
    await follow(chainOf(100));

    expect(inPipe).toBe(0);
    expect(transitions()).toBe(202);
  });

  it('is two events a step for 50,000 steps too, and no stack', async () => {
    expect(await follow(chainOf(50_000))).toBe(2 * 50_000 + 2);
  });

  it('is one reading of its sources for each step of a graph', async () => {
    let reads = 0;
    const counted = (value: Value): Value => {
      reads += 1;
      return value;
    };
    const self = workflow<Value, never>('wide', (input, step) => {
      const first = step('first', next, input);
      const all = ids(2_000).map((id) => step(id, next, pick(first, counted)));
      return step('join', (values: readonly Value[]) => ({ n: values.length }), all) as never;
    });

    const events = await follow(self);

    expect(reads).toBe(2_000);
    expect(events).toBe(2 * 2_002 + 2);
  });

  it('is never more than the items there is room for', async () => {
    let made = 0;
    let done = 0;
    let most = 0;
    function* items() {
      for (let n = 0; n < 2_000; n += 1) {
        made += 1;
        most = Math.max(most, made - done);
        yield { n };
      }
    }
    const self = each(
      'items',
      agent('next', async (value: Value) => {
        await Promise.resolve();
        done += 1;
        return value;
      }),
      { concurrency: 8 },
    );

    await lastValueFrom(run(self, items()));

    expect(made).toBe(2_000);
    expect(most).toBeLessThanOrEqual(16);
  });

  it('is one reduction for 256 partial results', async () => {
    const reductions = jest.spyOn(reduce, 'reduceRunAll');
    const self = agent('model', async function* (_: Value) {
      for (let n = 0; n < 10_000; n += 1) yield { n };
    });

    const events = await follow(self);

    expect(events).toBe(10_000 + 4);
    expect(reductions.mock.calls.length).toBeLessThan(events / 200);
  });
});

describe('what a durable step costs', () => {
  const folders: string[] = [];

  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** Runs chains in a store, and counts what its journal writes to the disk. */
  async function journaled(durability: Durability, steps: number, runs: number) {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-guard-'));
    folders.push(folder);
    const journal = new Set<number>();
    const counts = { bytes: 0, writes: 0, syncs: 0 };
    const files: Files = {
      ...nodeFiles,
      create(path) {
        const file = nodeFiles.create(path);
        journal[path.endsWith('.ndjson') ? 'add' : 'delete'](file);
        return file;
      },
      write(file, bytes, position) {
        if (journal.has(file)) {
          counts.bytes += bytes.length;
          counts.writes += 1;
        }
        return nodeFiles.write(file, bytes, position);
      },
      async sync(file) {
        if (journal.has(file)) counts.syncs += 1;
        await nodeFiles.sync(file);
      },
    };
    const store = lowdbStore(folder, { durability, files });
    const self = chainOf(steps);
    await Promise.all(ids(runs).map((runId) => follow(self, { store, runId })));
    const { bytes, writes, syncs } = counts;
    await store.close();
    return { bytes, writes, syncs };
  }

  it('is two records of less than 250 bytes, however long the run is', async () => {
    const few = await journaled('process', 100, 1);
    const many = await journaled('process', 1_100, 1);

    expect((many.writes - few.writes) / 1_000).toBeCloseTo(2, 1);
    // The plan stands in the first record and grows with the number of steps: about 80 bytes each.
    expect((many.bytes - few.bytes) / 1_000).toBeLessThan(2 * 250 + 80);
    expect(many.syncs).toBeLessThan(5);
  });

  it('is a third of a sync at most when 16 runs go on at once', async () => {
    const { syncs } = await journaled('disk', 50, 16);

    expect(syncs / (50 * 16)).toBeLessThan(0.3);
  });
});
