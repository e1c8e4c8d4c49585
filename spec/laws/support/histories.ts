import fc from 'fast-check';
import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, tap } from 'rxjs';

import type { Agent, RunState, StepContext, Store, Wire } from '../../../index';
import type { Library } from './arbitraryStructure';

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

/** What is deployed: of which two agents the first is asked for requests, what each has for a codec, and the version of a third. */
interface Deployed {
  readonly agentName: string;
  readonly codecs: 'none' | 'first' | 'second' | 'both';
  readonly version: string;
}

const pathOf = (id: string): string => `items["${id}"]/ok`;
const KEYS = ['a', 'b'];
const PATHS = KEYS.map(pathOf);

/** What the agents saw and gave, for the checks behind each operation. */
interface Seen {
  readonly keys: Map<string, string>;
  /** The number of the run that is under way. */
  run: number;
  /** Whether the last step fails. */
  isDown: boolean;
  /** Whether the first of two agents fails, so that the second one is asked. */
  isFirstDown: boolean;
  deployed: Deployed;
  /** What a service says that is asked once for each version and revision, whoever asks. */
  rate: number;
  /** What the last step sends, which its function decides as it runs. */
  toSend: string;
  transferred:
    | {
        readonly answers: readonly number[];
        readonly by: string;
        readonly rate: number;
        readonly sent: string;
      }
    | undefined;
}

/** Spoils what another agent gave: nobody must read a value in a form in which it was not written. */
function requestsOf(by: string): t.Type<Request[], Request[]> {
  const isOurs = (request: Request): boolean => request.by === by;
  return new t.Type<Request[], Request[]>(
    by,
    (value): value is Request[] => Array.isArray(value),
    (value) => t.success((value as Request[]).map((one) => (isOurs(one) ? one : { ...one, by: 'spoiled' }))),
    (requests) => requests.map((one) => (isOurs(one) ? one : { ...one, by: 'spoiled' })),
  );
}

function definition(lib: Library, seen: Seen): Agent<Given, unknown> {
  const { agent, approval, each, fallback, workflow } = lib;
  const { agentName, codecs, version } = seen.deployed;
  // Also a run that is called the same, and does the same, is another one.
  const note = (key: string, of: readonly unknown[]): void => {
    const now = JSON.stringify([seen.run, ...of]);
    expect(seen.keys.get(key) ?? now).toBe(now);
    seen.keys.set(key, now);
  };
  const make = (by: string, { items }: Given, { idempotencyKey, path, runId }: StepContext): Request[] => {
    note(idempotencyKey, [runId, path, items, by]);
    return items.map((item) => ({ ...item, by }));
  };
  const codecOf = (by: string, isCoded: boolean): { readonly output?: t.Type<Request[], Request[]> } =>
    isCoded ? { output: requestsOf(by) } : {};
  const first = agent(
    agentName,
    (given: Given, context) => {
      const requests = make(agentName, given, context);
      if (seen.isFirstDown) throw new Error(`${agentName} is down`);
      return requests;
    },
    codecOf(agentName, codecs === 'first' || codecs === 'both'),
  );
  const second = agent(
    'second',
    ({ input }: { readonly input: Given }, context) => make('second', input, context),
    codecOf('second', codecs === 'second' || codecs === 'both'),
  );
  const rate = agent(
    'rate',
    (_: Given, { idempotencyKey, path, runId }) => {
      note(idempotencyKey, [runId, path, version]);
      return (seen.rate += 1);
    },
    { cache: {}, version },
  );
  const ask = approval<number, Request>('ok', t.number);
  interface Transfer {
    readonly made: Request[];
    readonly answers: number[];
    readonly rate: number;
  }
  const send = agent('send', (what: string, { idempotencyKey, path, runId }) => {
    note(idempotencyKey, [runId, path, what]);
    return what;
  });
  const transfer = agent('transfer', async (given: Transfer, { idempotencyKey, path, runId, step }) => {
    note(idempotencyKey, [runId, path, given]);
    const { made: requests, answers } = given;
    const sent = await firstValueFrom(step('send', send, seen.toSend));
    seen.transferred = { answers, by: requests.map(({ by }) => by).join(), rate: given.rate, sent };
    if (seen.isDown) throw new Error('the bank is down');
    return answers;
  });
  return workflow('pay', (given: Wire<Given>, step) => {
    const requests = step('made', fallback('made', first, second), given);
    const rated = step('rate', rate, given);
    const answers = step('items', each('items', ask, { key: ({ id }: Request) => id }), requests);
    return step('transfer', transfer, { made: requests, answers, rate: rated });
  });
}

/** A question as the model knows it: an object of its own for each asking. */
interface Question {
  readonly queue: number[];
}

interface ModelRun {
  /** Two of them never have the same, whatever they are called. */
  readonly number: number;
  given: Given;
  /** What the latest life ran with; undefined before the first. */
  ran: { readonly given: Given; readonly agentName: string; readonly version: string } | undefined;
  status: 'SUSPENDED' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
  /** Who has made the requests. */
  by: string | undefined;
  /** Who was asked first for them. */
  first: string | undefined;
  rate: number | undefined;
  readonly open: Map<string, Question>;
  readonly answered: Map<string, number>;
  readonly asked: Set<string>;
  readonly early: Map<string, number>;
  isCancelled: boolean;
}

/** What the service has said, by version and revision: nobody asks it the same again until the run that did is forgotten. */
interface ModelService {
  readonly said: Map<string, { readonly rate: number; readonly run: ModelRun }>;
  calls: number;
}

const copyOf = (run: ModelRun, number: number): ModelRun => ({
  ...run,
  number,
  status: 'CANCELLED',
  open: new Map([...run.open.keys()].map((path) => [path, { queue: [] }])),
  answered: new Map(run.answered),
  asked: new Set(run.open.keys()),
  early: new Map(),
  isCancelled: false,
});

/** One life in the model: how the run stands after it, and what the last step was called with, if it was. */
function liveOn(
  run: ModelRun,
  { deployed, isDown, isFirstDown, toSend }: Seen,
  service: ModelService,
): Seen['transferred'] {
  const { given, ran } = run;
  const { agentName, version } = deployed;
  const isOtherInput = ran !== undefined && JSON.stringify(ran.given) !== JSON.stringify(given);
  const isChanged = isOtherInput || (run.by !== undefined && run.first !== agentName);
  const isRated = isOtherInput || (ran !== undefined && ran.version !== version);
  if (run.status === 'COMPLETED' && !isChanged && !isRated) return undefined;
  run.ran = { given, agentName, version };
  if (isChanged) {
    run.open.clear();
    run.answered.clear();
    run.by = undefined;
  }
  if (isRated) run.rate = undefined;
  if (run.isCancelled) {
    run.isCancelled = false;
    run.status = 'CANCELLED';
    return undefined;
  }
  if (run.by === undefined) {
    run.by = isFirstDown ? 'second' : agentName;
    run.first = agentName;
  }
  if (run.rate === undefined) {
    const question = JSON.stringify([version, given]);
    if (!service.said.has(question)) service.said.set(question, { rate: (service.calls += 1), run });
    run.rate = service.said.get(question)?.rate;
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
  if (run.open.size > 0) {
    run.status = 'SUSPENDED';
    return undefined;
  }
  run.status = isDown ? 'FAILED' : 'COMPLETED';
  const answers = given.items.map(({ id }) => run.answered.get(pathOf(id)) ?? NaN);
  return { answers, by: given.items.map(() => run.by).join(), rate: run.rate ?? NaN, sent: toSend };
}

/** How far a stream has come, and what it has counted. */
interface ModelStream {
  offset: number;
  sum: number;
}

/** The world of one history: the library and its model, side by side. */
export class World {
  readonly model = new Map<string, ModelRun>();
  readonly #streams = new Map<string, ModelStream>();
  /** What sources hold now: it is other than what they held before. */
  #edition = 1;
  readonly seen: Seen = {
    keys: new Map(),
    run: 0,
    isDown: false,
    isFirstDown: false,
    deployed: { agentName: 'one', codecs: 'none', version: '1' },
    rate: 0,
    toSend: 'a',
    transferred: undefined,
  };
  readonly #service: ModelService = { said: new Map(), calls: 0 };
  readonly #lib: Library;
  /** Ids of questions that were open once, of any run. */
  readonly #askings: { readonly asking: string; readonly question: Question | undefined }[] = [];
  readonly #snapshots: { readonly snapshotId: string; readonly run: ModelRun }[] = [];
  readonly #make: () => Store;
  store: Store;
  #token = 0;
  #runs = 0;
  #forks = 0;

  constructor(lib: Library, make: () => Store) {
    this.#lib = lib;
    this.#make = make;
    this.store = make();
  }

  async run(runId: string, revision: number): Promise<void> {
    const given: Given = {
      revision,
      items: KEYS.map((id, index) => ({ id, sum: index === 0 ? revision : 1 })),
    };
    const run = this.model.get(runId) ?? {
      number: this.#next(),
      given,
      ran: undefined,
      status: 'SUSPENDED',
      by: undefined,
      first: undefined,
      rate: undefined,
      open: new Map<string, Question>(),
      answered: new Map<string, number>(),
      asked: new Set<string>(),
      early: new Map<string, number>(),
      isCancelled: false,
    };
    run.given = given;
    this.model.set(runId, run);
    const right = liveOn(run, this.seen, this.#service);
    this.seen.transferred = undefined;
    this.seen.run = run.number;
    const options = { store: this.store, runId, onMismatch: 'actual' } as const;
    const state = await this.#lib.execute(definition(this.#lib, this.seen), given, options);
    expect([runId, state.error?.message]).toEqual([
      runId,
      run.status === 'FAILED' ? 'the bank is down' : undefined,
    ]);
    expect([runId, this.seen.transferred]).toEqual([runId, right]);
    this.#note(runId, state);
  }

  async answer(runId: string, path: string, which: 'open' | 'named' | 'stale', at: number): Promise<void> {
    const run = this.model.get(runId);
    const question = run?.open.get(path);
    const token = (this.#token += 1);
    let asking: string | undefined;
    if (which === 'named') asking = (await this.store.loadRun(runId))?.steps.get(path)?.asking;
    if (which === 'stale') {
      const stale = this.#askings[at % Math.max(1, this.#askings.length)];
      if (stale === undefined || stale.question === question) return;
      ({ asking } = stale);
    }
    const outcome = await this.#lib
      .answer(runId, path, token, {
        store: this.store,
        ...(asking !== undefined && { asking }),
      })
      .then(
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
    const outcome = await this.#lib.cancel(runId, { store: this.store }).then(
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
    const id = await this.#lib.fork(runId, { store: this.store, from: path, runId: forkId });
    const copy = copyOf(run, this.#next());
    if (path === 'made') {
      copy.by = undefined;
      copy.open.clear();
      copy.answered.clear();
      copy.asked.clear();
    } else if (path === 'rate') copy.rate = undefined;
    else if (path !== 'transfer') {
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
    this.#snapshots.push({ snapshotId, run: { ...copyOf(run, this.#next()), status: run.status } });
  }

  async restore(at: number, runId: string): Promise<void> {
    const saved = this.#snapshots[at % Math.max(1, this.#snapshots.length)];
    if (saved === undefined) return;
    const isTaken = this.model.has(runId);
    const restoring = this.#lib.restore(saved.snapshotId, { store: this.store, runId });
    if (isTaken) await expect(restoring).rejects.toMatchObject({ code: 'RUN_EXISTS' });
    else {
      await restoring;
      this.model.set(runId, { ...copyOf(saved.run, this.#next()), status: saved.run.status });
    }
  }

  async delete(runId: string): Promise<void> {
    expect(await this.store.deleteRun(runId)).toBe(this.#forget(runId));
  }

  async prune(): Promise<void> {
    const ended = [...this.model].filter(([, { status }]) => status !== 'SUSPENDED').map(([runId]) => runId);
    expect([...(await this.store.prune({}))].sort()).toEqual(ended.sort());
    for (const runId of ended) this.#forget(runId);
  }

  /**
   * Reads so many items of a stream on from where it stands; with `isLeft` the last of them is not taken. A stream belongs to its
   * name: what becomes of a run that is called the same does not concern it.
   */
  async read(name: string, count: number, isLeft: boolean): Promise<void> {
    const stream = this.#streams.get(name) ?? { offset: 0, sum: 0 };
    const edition = this.#edition;
    const from = stream.offset;
    const right: number[] = [];
    for (let at = from; at < from + count; at += 1) {
      stream.sum += edition * at;
      right.push(stream.sum);
    }
    const { fromOffset, scanned } = this.#lib;
    let asked: number | undefined;
    const sums: number[] = [];
    const items = function* (offset = 0): Generator<{ readonly offset: number; readonly value: number }> {
      asked = offset;
      for (let at = offset; at < offset + count; at += 1) yield { offset: at + 1, value: edition * at };
    };
    const reading = fromOffset(items, { name, store: this.store }).pipe(
      scanned('sum', (sum: number, value: number) => sum + value, 0),
      tap((sum) => {
        sums.push(sum);
        if (isLeft && sums.length === count) throw new Error('left');
      }),
    );
    await lastValueFrom(reading, { defaultValue: 0 }).catch((error: unknown) => {
      if ((error as Error).message !== 'left') throw error;
    });
    expect([name, asked ?? 0, sums]).toEqual([name, from, right]);
    if (isLeft) stream.sum -= edition * (from + count - 1);
    stream.offset = from + count - (isLeft ? 1 : 0);
    if (stream.offset > 0 || this.#streams.has(name)) this.#streams.set(name, stream);
  }

  async forgetStream(name: string): Promise<void> {
    this.#edition += 1;
    await this.store.streams.delete(name);
    this.#streams.delete(name);
  }

  #forget(runId: string): boolean {
    for (const [question, { run }] of this.#service.said)
      if (run === this.model.get(runId)) this.#service.said.delete(question);
    return this.model.delete(runId);
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
      for (const { request } of rows) expect([runId, (request as Request).by]).toEqual([runId, run.by]);
    }
    // One that has taken nothing may be listed, and has no offset.
    const streams = (await this.store.streams.list()).filter(({ name, offsets }) => name in offsets);
    expect(streams.map(({ name, offsets }) => [name, offsets[name]]).sort()).toEqual(
      [...this.#streams].map(([name, { offset }]) => [name, offset]).sort(),
    );
  }

  #next(): number {
    return (this.#runs += 1);
  }

  #note(runId: string, { steps }: RunState): void {
    for (const { stepId: path, asking } of steps)
      if (asking !== undefined)
        this.#askings.push({ asking, question: this.model.get(runId)?.open.get(path) });
  }
}

export type Operation = (world: World) => Promise<void>;

const runIds = fc.constantFrom('r', 's');
const anyId = fc.constantFrom('r', 's', 'fork 1', 'fork 2');
const paths = fc.constantFrom(...PATHS);
const positions = fc.nat({ max: 20 });

const said = (text: string, operation: Operation): Operation =>
  Object.assign(operation, { [fc.toStringMethod]: () => text, toString: () => text });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(anyId, fc.constantFrom(1, 1, 1, 2)).map(([runId, revision]) =>
      said(`answer everything of ${runId} and run it with ${String(revision)}`, async (world) => {
        for (const path of PATHS) await world.answer(runId, path, 'open', 0);
        await world.run(runId, revision);
      }),
    ),
  },
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
    weight: 2,
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
      .tuple(runIds, fc.constantFrom('transfer', 'made', 'rate', ...PATHS))
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
    weight: 2,
    arbitrary: fc
      .record({
        agentName: fc.constantFrom('one', 'one', 'other'),
        codecs: fc.constantFrom('none' as const, 'first' as const, 'second' as const, 'both' as const),
        version: fc.constantFrom('1', '1', '2'),
      })
      .map((deployed) =>
        said(`deploy ${JSON.stringify(deployed)}`, (world) => {
          world.seen.deployed = deployed;
          return Promise.resolve();
        }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('a', 'b').map((what) =>
      said(`send ${what}`, (world) => {
        world.seen.toSend = what;
        return Promise.resolve();
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      said('toggle the first agent', (world) => {
        world.seen.isFirstDown = !world.seen.isFirstDown;
        return Promise.resolve();
      }),
    ),
  },
);

export async function belongs(history: readonly Operation[], world: World, isKept: boolean): Promise<void> {
  for (const [index, operate] of history.entries()) {
    await operate(world);
    if (isKept && index % 7 === 6) await world.reopen();
    await world.check();
  }
}

const ofStreams: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc
      .tuple(runIds, fc.integer({ min: 1, max: 3 }), fc.boolean())
      .map(([name, count, isLeft]) =>
        said(`read ${String(count)} of stream ${name}${isLeft ? ', the last in vain' : ''}`, (world) =>
          world.read(name, count, isLeft),
        ),
      ),
  },
  {
    weight: 1,
    arbitrary: runIds.map((name) => said(`forget stream ${name}`, (world) => world.forgetStream(name))),
  },
);

/** What people do to a few run ids, one after the other. */
export const historiesOfRuns = fc.array(operation, { minLength: 5, maxLength: 30 });

/** The same, and to streams of the same names. */
export const histories = fc.array(
  fc.oneof({ weight: 8, arbitrary: operation }, { weight: 1, arbitrary: ofStreams }),
  { minLength: 5, maxLength: 34 },
);
