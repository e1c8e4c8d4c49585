import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import * as t from 'io-ts';

import {
  agent,
  answer,
  approval,
  cancel,
  each,
  execute,
  fork,
  lowdbStore,
  memoryStore,
  restore,
  workflow,
} from '../../index';
import type { Agent, RunState, Store, Wire } from '../../index';
import { amount, seedOr, tally } from '../support/torture';

/*
 * Nothing recorded is used for anything but what it was made for (P22), whatever happens: histories of what people do to a few
 * run ids, on the library and on a model of it that is slow and obvious.
 */

interface Item {
  readonly id: string;
  readonly sum: number;
}

interface Given {
  readonly revision: number;
  readonly items: readonly Item[];
}

/** What a person is asked, and so what an answer is for. */
type Request = Item & { readonly by: string };

interface Deployed {
  readonly agentName: string;
  readonly hasCodec: boolean;
}

const pathOf = (id: string): string => `items["${id}"]/ok`;
const KEYS = ['a', 'b'];
const PATHS = KEYS.map(pathOf);

/** What the agents saw, for the checks behind each operation. */
interface Seen {
  readonly keys: Map<string, string>;
  isDown: boolean;
  deployed: Deployed;
  transferred: readonly number[] | undefined;
}

const Requests = t.array(t.type({ id: t.string, sum: t.number, by: t.string }));

function definition(seen: Seen): Agent<Given, unknown> {
  const { agentName, hasCodec } = seen.deployed;
  const note = (key: string, of: unknown): void => {
    const now = JSON.stringify(of);
    expect(seen.keys.get(key) ?? now).toBe(now);
    seen.keys.set(key, now);
  };
  const made = agent(
    agentName,
    ({ items }: Given, { idempotencyKey, path, runId }): Request[] => {
      note(idempotencyKey, [runId, path, items, agentName]);
      return items.map((item) => ({ ...item, by: agentName }));
    },
    hasCodec ? { output: Requests } : {},
  );
  const ask = approval<number, Request>('ok', t.number);
  const transfer = agent(
    'transfer',
    (
      { made: requests, answers }: { made: Request[]; answers: number[] },
      { idempotencyKey, path, runId },
    ) => {
      note(idempotencyKey, [runId, path, requests, answers]);
      for (const { by } of requests) expect(by).toBe(agentName);
      seen.transferred = answers;
      if (seen.isDown) throw new Error('the bank is down');
      return answers;
    },
  );
  return workflow('pay', (given: Wire<Given>, step) => {
    const requests = step('made', made, given);
    const answers = step('items', each('items', ask, { key: ({ id }: Request) => id }), requests);
    return step('transfer', transfer, { made: requests, answers });
  });
}

/** A question as the model knows it: an object of its own for each asking. */
interface Question {
  readonly queue: number[];
}

interface ModelRun {
  given: Given;
  /** What the latest life ran with; undefined before the first. */
  ran: { readonly given: Given; readonly agentName: string } | undefined;
  status: 'SUSPENDED' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
  readonly open: Map<string, Question>;
  readonly answered: Map<string, number>;
  readonly asked: Set<string>;
  readonly early: Map<string, number>;
  isCancelled: boolean;
  transferred: readonly number[] | undefined;
}

const copyOf = (run: ModelRun): ModelRun => ({
  ...run,
  status: 'CANCELLED',
  open: new Map([...run.open.keys()].map((path) => [path, { queue: [] }])),
  answered: new Map(run.answered),
  asked: new Set(run.open.keys()),
  early: new Map(),
  isCancelled: false,
});

/** One life in the model: how the run stands after it. */
function liveOn(run: ModelRun, { deployed, isDown }: Seen): void {
  const { given, ran } = run;
  const isChanged =
    ran !== undefined &&
    (JSON.stringify(ran.given) !== JSON.stringify(given) || ran.agentName !== deployed.agentName);
  if (run.status === 'COMPLETED' && !isChanged) return;
  run.ran = { given, agentName: deployed.agentName };
  if (isChanged) {
    run.open.clear();
    run.answered.clear();
    run.transferred = undefined;
  }
  if (run.isCancelled) {
    run.isCancelled = false;
    run.status = 'CANCELLED';
    return;
  }
  for (const { id } of given.items) {
    const path = pathOf(id);
    if (run.answered.has(path)) continue;
    let question = run.open.get(path);
    if (question === undefined) {
      run.open.set(path, (question = { queue: [] }));
      const early = run.early.get(path);
      if (early !== undefined && !run.asked.has(path)) question.queue.push(early);
      run.asked.add(path);
    }
    const [first] = question.queue;
    if (first === undefined) continue;
    run.open.delete(path);
    run.answered.set(path, first);
  }
  if (run.open.size > 0) run.status = 'SUSPENDED';
  else {
    run.transferred = given.items.map(({ id }) => run.answered.get(pathOf(id)) ?? NaN);
    run.status = isDown ? 'FAILED' : 'COMPLETED';
  }
}

/** The world of one history: the library and its model, side by side. */
class World {
  readonly model = new Map<string, ModelRun>();
  readonly seen: Seen = {
    keys: new Map(),
    isDown: false,
    deployed: { agentName: 'one', hasCodec: false },
    transferred: undefined,
  };
  /** Ids of questions that were open once, of any run. */
  readonly #askings: { readonly runId: string; readonly path: string; readonly asking: string }[] = [];
  readonly #snapshots: { readonly snapshotId: string; readonly run: ModelRun }[] = [];
  readonly #make: () => Store;
  store: Store;
  #token = 0;
  #forks = 0;

  constructor(make: () => Store) {
    this.#make = make;
    this.store = make();
  }

  async run(runId: string, revision: number): Promise<void> {
    const given: Given = {
      revision,
      items: KEYS.map((id, index) => ({ id, sum: index === 0 ? revision : 1 })),
    };
    const run = this.model.get(runId) ?? {
      given,
      ran: undefined,
      status: 'SUSPENDED',
      open: new Map<string, Question>(),
      answered: new Map<string, number>(),
      asked: new Set<string>(),
      early: new Map<string, number>(),
      isCancelled: false,
      transferred: undefined,
    };
    run.given = given;
    this.model.set(runId, run);
    liveOn(run, this.seen);
    this.seen.transferred = undefined;
    const options = { store: this.store, runId, onMismatch: 'actual' } as const;
    const state = await execute(definition(this.seen), given, options);
    const transferred = this.seen.transferred as readonly number[] | undefined;
    if (transferred !== undefined) expect(transferred).toEqual(run.transferred);
    this.#note(runId, state);
  }

  async answer(runId: string, path: string, which: 'open' | 'named' | 'stale', at: number): Promise<void> {
    const run = this.model.get(runId);
    const question = run?.open.get(path);
    const token = (this.#token += 1);
    let asking: string | undefined;
    if (which === 'named') asking = (await this.store.loadRun(runId))?.steps.get(path)?.asking;
    if (which === 'stale') {
      asking = this.#askings[at % Math.max(1, this.#askings.length)]?.asking;
      const current = (await this.store.loadRun(runId))?.steps.get(path);
      if (asking === undefined || current?.asking === asking) return;
    }
    const outcome = await answer(runId, path, token, {
      store: this.store,
      ...(asking !== undefined && { asking }),
    }).then(
      () => 'kept',
      (error: unknown) => (error as { readonly code: string }).code,
    );
    if (run === undefined) expect(outcome).toBe('UNKNOWN_RUN');
    else if (run.status === 'COMPLETED') expect(outcome).toBe('RUN_ENDED');
    else if (which === 'stale') expect(outcome).toBe('NOT_WAITING');
    else if (question !== undefined) {
      expect(outcome).toBe('kept');
      question.queue.push(token);
    } else if (!run.asked.has(path) && run.answered.get(path) === undefined) {
      expect(outcome).toBe('kept');
      if (!run.early.has(path)) run.early.set(path, token);
    } else expect(outcome).toBe('NOT_WAITING');
  }

  async cancel(runId: string): Promise<void> {
    const run = this.model.get(runId);
    const outcome = await cancel(runId, { store: this.store }).then(
      () => 'kept',
      (error: unknown) => (error as { readonly code: string }).code,
    );
    if (run === undefined) expect(outcome).toBe('UNKNOWN_RUN');
    else if (run.status !== 'SUSPENDED') expect(outcome).toBe('RUN_ENDED');
    else {
      expect(outcome).toBe('kept');
      run.isCancelled = true;
    }
  }

  async fork(runId: string, path: string): Promise<void> {
    const run = this.model.get(runId);
    const state = await this.store.loadRun(runId);
    if (run === undefined || state?.steps.get(path) === undefined) return;
    const forkId = `fork ${String((this.#forks += 1))}`;
    if (this.model.has(forkId)) return;
    const id = await fork(runId, { store: this.store, from: path, runId: forkId });
    const copy = copyOf(run);
    if (path === 'made') {
      copy.open.clear();
      copy.answered.clear();
      copy.asked.clear();
    } else if (path !== 'transfer') {
      copy.open.delete(path);
      copy.answered.delete(path);
      copy.asked.delete(path);
    }
    this.model.set(id, copy);
  }

  async snapshot(runId: string): Promise<void> {
    const run = this.model.get(runId);
    const state = await this.store.loadRun(runId);
    if (run === undefined || state === undefined) return;
    const { snapshotId } = await this.store.snapshots.save('s', state);
    this.#snapshots.push({ snapshotId, run: { ...copyOf(run), status: run.status } });
  }

  async restore(at: number, runId: string): Promise<void> {
    const saved = this.#snapshots[at % Math.max(1, this.#snapshots.length)];
    if (saved === undefined) return;
    const isTaken = this.model.has(runId);
    const restoring = restore(saved.snapshotId, { store: this.store, runId });
    if (isTaken) await expect(restoring).rejects.toMatchObject({ code: 'RUN_EXISTS' });
    else {
      await restoring;
      this.model.set(runId, { ...copyOf(saved.run), status: saved.run.status });
    }
  }

  async delete(runId: string): Promise<void> {
    expect(await this.store.deleteRun(runId)).toBe(this.model.delete(runId));
  }

  async prune(): Promise<void> {
    const ended = [...this.model].filter(([, { status }]) => status !== 'SUSPENDED').map(([runId]) => runId);
    expect([...(await this.store.prune({}))].sort()).toEqual(ended.sort());
    for (const runId of ended) this.model.delete(runId);
  }

  async reopen(): Promise<void> {
    await this.store.close();
    this.store = this.#make();
  }

  /** What the library says of every run is what the model says. */
  async check(): Promise<void> {
    const listed = await this.store.listRuns();
    expect(listed.map(({ runId }) => runId).sort()).toEqual([...this.model.keys()].sort());
    for (const [runId, run] of this.model) {
      const state = await this.store.loadRun(runId);
      const open = state?.status === 'COMPLETED' ? [] : [...run.open.keys()];
      const rows = [...(state?.steps ?? [])].filter(({ status }) => status === 'SUSPENDED');
      expect([runId, state?.status]).toEqual([runId, run.status]);
      expect([runId, rows.map(({ stepId }) => stepId).sort()]).toEqual([runId, open.sort()]);
      const summary = listed.find((one) => one.runId === runId);
      expect(summary?.waiting.map(({ path, asking }) => [path, asking])).toEqual(
        rows.map(({ stepId, asking }) => [stepId, asking]),
      );
      for (const [path, token] of run.answered) {
        if (state?.steps.get(path)?.status === 'COMPLETED') expect(state.steps.get(path)?.output).toBe(token);
      }
    }
  }

  #note(runId: string, { steps }: RunState): void {
    for (const { stepId: path, asking } of steps)
      if (asking !== undefined) this.#askings.push({ runId, path, asking });
  }
}

type Operation = (world: World) => Promise<void>;

const runIds = fc.constantFrom('r', 's');
const anyId = fc.constantFrom('r', 's', 'fork 1', 'fork 2');
const paths = fc.constantFrom(...PATHS);
const positions = fc.nat({ max: 20 });

const said = (text: string, operation: Operation): Operation =>
  Object.assign(operation, { [fc.toStringMethod]: () => text, toString: () => text });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(anyId, fc.constantFrom(1, 1, 1, 2))
      .map(([runId, revision]) =>
        said(`run ${runId} with ${String(revision)}`, (world) => world.run(runId, revision)),
      ),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(anyId, paths, fc.constantFrom('open', 'named', 'stale'), positions)
      .map(([runId, path, which, at]) =>
        said(`answer ${runId} ${path} ${which}`, (world) => world.answer(runId, path, which, at)),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(anyId, paths).map(([runId, path]) =>
      said(`double answer ${runId} ${path}`, async (world) => {
        await world.answer(runId, path, 'open', 0);
        await world.answer(runId, path, 'open', 0);
      }),
    ),
  },
  { weight: 2, arbitrary: anyId.map((runId) => said(`cancel ${runId}`, (world) => world.cancel(runId))) },
  {
    weight: 1,
    arbitrary: fc.constant(
      said('toggle the bank', (world) => {
        world.seen.isDown = !world.seen.isDown;
        return Promise.resolve();
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(runIds, fc.constantFrom('transfer', 'made', ...PATHS))
      .map(([runId, path]) => said(`fork ${runId} from ${path}`, (world) => world.fork(runId, path))),
  },
  { weight: 1, arbitrary: anyId.map((runId) => said(`snapshot ${runId}`, (world) => world.snapshot(runId))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(positions, runIds)
      .map(([at, runId]) => said(`restore as ${runId}`, (world) => world.restore(at, runId))),
  },
  { weight: 1, arbitrary: runIds.map((runId) => said(`delete ${runId}`, (world) => world.delete(runId))) },
  { weight: 1, arbitrary: fc.constant(said('prune', (world) => world.prune())) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom('one', 'other'), fc.boolean()).map(([agentName, hasCodec]) =>
      said(`deploy ${agentName} ${hasCodec ? 'with' : 'without'} a codec`, (world) => {
        world.seen.deployed = { agentName, hasCodec };
        return Promise.resolve();
      }),
    ),
  },
);

async function holds(history: readonly Operation[], world: World, isKept: boolean): Promise<void> {
  for (const [index, operate] of history.entries()) {
    await operate(world);
    if (isKept && index % 7 === 6) await world.reopen();
    await world.check();
  }
}

const HISTORIES = amount(50, 10_000);

describe('what is recorded is used for nothing but what it was made for (P22)', () => {
  afterAll(() => {
    tally('histories', 2 * HISTORIES);
  });

  it(
    'in memory, after any history of operations',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 30 }), (history) =>
          holds(history, new World(() => memoryStore()), false),
        ),
        { numRuns: HISTORIES, seed: seedOr(20_261_128) },
      );
    },
    HISTORIES * 2_000,
  );

  it(
    'in a folder, opened again now and then',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 30 }), async (history) => {
          const folder = mkdtempSync(join(tmpdir(), 'millrace-belongs-'));
          const world = new World(() => lowdbStore(folder, { durability: 'process' }));
          try {
            await holds(history, world, true);
          } finally {
            await world.store.close();
            rmSync(folder, { recursive: true });
          }
        }),
        { numRuns: HISTORIES, seed: seedOr(20_261_128) },
      );
    },
    HISTORIES * 2_000,
  );
});
