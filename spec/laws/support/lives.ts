import { createHash } from 'node:crypto';

import fc from 'fast-check';
import type { Observable } from 'rxjs';
import { of, retry, take, tap } from 'rxjs';

import * as asItIs from '../../../index';
import type { Agent, RunEvent, RunState, StepContext, Store, Transition } from '../../../index';
import { openFailures } from '../../../lib/model/openFailures';
import type * as testing from '../../../testing';
import type { Library, Shape } from './arbitraryStructure';
import {
  agentsOf,
  answerTo,
  arbitraryShape,
  arbitrarySiblings,
  hasKind,
  withoutReasons,
} from './arbitraryStructure';

/** What is carried out, what fails in its first life, and where that is cut. */
export interface Case {
  readonly shape: Shape;
  readonly seed: number;
  /** Of 256 calls so many fail, by path. */
  readonly rate: number;
  /** After how many events a life is cut, where it is. */
  readonly cut: number;
}

const caseOf = (shape: fc.Arbitrary<Shape>, ...rates: readonly number[]): fc.Arbitrary<Case> =>
  fc.record({
    shape,
    seed: fc.nat({ max: 1e6 }),
    rate: fc.constantFrom(...rates),
    cut: fc.integer({ min: 1, max: 40 }),
  });

export const arbitraryCase = caseOf(arbitraryShape, 30, 85, 85, 180);

/** Every other one has structures beside one another, so that several failures are open at a time. */
export const arbitraryWideCase = fc.oneof(arbitraryCase, caseOf(arbitrarySiblings, 85, 180, 180));

/** Whether a call fails: by its path, and how often it has been called. */
type Schedule = (path: string, call: number) => boolean;

const never: Schedule = () => false;

/** One in four failures goes by itself when the step is called again. */
function scheduleOf(seed: number, rate: number): Schedule {
  return (path, call) => {
    const [draw = 0, kind = 0] = createHash('sha256')
      .update(`${String(seed)} ${path}`)
      .digest();
    return draw < rate && (kind >= 64 || call === 1);
  };
}

const isLeaf = (agent: string): boolean => agent.startsWith('leaf');

/** Steps of which nothing more is to be done. */
const completed = ({ steps }: RunState): Set<string> =>
  new Set([...steps].filter(({ status }) => status === 'COMPLETED').map(({ stepId }) => stepId));

/** Leaves whose failures are facts. */
function facts({ steps }: RunState): ReadonlySet<string> {
  const open = new Set(openFailures(steps).map(({ stepId }) => stepId));
  return new Set(
    [...steps]
      .filter(({ status, stepId, agent }) => status === 'FAILED' && isLeaf(agent) && !open.has(stepId))
      .map(({ stepId }) => stepId),
  );
}

/** More lives than any of these structures has questions to ask. */
const MOST_LIVES = 60;

/** The lives of one structure, whose leaves fail while they are told to, and what the law says of them. */
export class Lives {
  readonly work: Agent<unknown, unknown>;
  readonly shape: Shape;
  readonly #lib: Library;
  readonly #suffix: string;
  readonly #calls: string[] = [];
  readonly #counts = new Map<string, number>();
  #fails: Schedule = never;

  /** @param suffix - Of the names of its leaves: runs that share a store must not share the answers of other structures. */
  constructor(lib: Library, shape: Shape, suffix: string) {
    this.#lib = lib;
    this.#suffix = suffix;
    this.shape = shape;
    this.work = agentsOf(lib, shape, suffix, {
      called: ({ path }: StepContext, canFail) => {
        this.#calls.push(path);
        const count = (this.#counts.get(path) ?? 0) + 1;
        this.#counts.set(path, count);
        if (canFail && this.#fails(path, count)) throw new Error(`${path} is down`);
      },
    });
  }

  let(fails: Schedule): void {
    this.#fails = fails;
    this.#calls.length = 0;
    this.#counts.clear();
  }

  begin(store: Store, runId: string, signal?: AbortSignal): Observable<Transition> {
    return this.#lib.run(this.work, 'in', { store, runId, ...(signal !== undefined && { signal }) });
  }

  /** Life after life, each question answered in between, until the run has not come to rest because of one. */
  async untilEnd(store: Store, runId: string): Promise<RunState> {
    for (let lives = 0; lives < MOST_LIVES; lives += 1) {
      const { state } = await told(this.begin(store, runId));
      if (state.status !== 'SUSPENDED') return state;
      await this.answerAll(store, state);
    }
    throw new Error(`it still waits after ${String(MOST_LIVES)} lives`);
  }

  async answerAll(store: Store, { runId, steps }: RunState): Promise<void> {
    for (const { status, stepId, asking, deadline, request } of steps) {
      if (status === 'SUSPENDED' && asking !== undefined && deadline === undefined)
        await this.#lib.answer(runId, stepId, answerTo(request), { store });
    }
  }

  /**
   * Carries a run on, with nothing failing any more, and checks that this life is enough, calls what had not completed, nothing
   * else and nothing twice, and ends as if nothing had failed but what the record takes for a fact.
   *
   * @param begun - A life that has gone on from there already.
   * @returns How many leaves had failed that a resume tries again.
   */
  async goesOn(store: Store, before: RunState, begun?: Life): Promise<number> {
    const { runId } = before;
    const called = new Set<string>();
    if (begun === undefined) this.let(never);
    let state = before;
    let life = begun ?? (await told(this.begin(store, runId)));
    for (let lives = 1; lives < MOST_LIVES; lives += 1) {
      this.#checkLife(state, life);
      for (const path of this.#calls.splice(0)) called.add(path);
      ({ state } = life);
      if (state.status !== 'SUSPENDED') break;
      await this.answerAll(store, state);
      life = await told(this.begin(store, runId));
    }
    expect([state.status, state.error]).toEqual(['COMPLETED', undefined]);
    const done = completed(before);
    expect(
      [...state.steps]
        .filter(({ status, agent, cached }) => status === 'COMPLETED' && isLeaf(agent) && cached !== true)
        .map(({ stepId }) => stepId)
        .filter((path) => !done.has(path) && !called.has(path)),
    ).toEqual([]);
    expect(withoutReasons(state.output)).toEqual(
      withoutReasons(await undisturbed(this.shape, this.#suffix, facts(before))),
    );
    return openFailures(before.steps).filter(({ agent }) => isLeaf(agent)).length;
  }

  #checkLife(before: RunState, { events, state }: Life): void {
    expect(state.life).toBe(before.status === 'COMPLETED' ? before.life : before.life + 1);
    const done = completed(before);
    const known = facts(before);
    expect(this.#calls.filter((path) => done.has(path) || known.has(path))).toEqual([]);
    expect(this.#calls.length).toBe(new Set(this.#calls).size);
    expect(
      events.flatMap((event) =>
        (event.type === 'step.started' || event.type === 'step.suspended') && done.has(event.path)
          ? [event.path]
          : [],
      ),
    ).toEqual([]);
  }
}

/** What was told in one life. */
interface Life {
  readonly events: readonly RunEvent[];
  readonly state: RunState;
}

async function told(transitions: Observable<Transition>): Promise<Life> {
  const events: RunEvent[] = [];
  let last: Transition | undefined;
  await new Promise<void>((resolve, reject) => {
    transitions.subscribe({
      next(transition) {
        events.push(transition.event);
        last = transition;
      },
      error(error: unknown) {
        if (error instanceof Error && error.name !== 'RunError') reject(error);
        else resolve();
      },
      complete: resolve,
    });
  });
  if (last === undefined) throw new Error('nothing was told');
  return { events, state: last.state };
}

/** The same without a cache: whether another step has left an answer there hangs on which of them was quicker, and an answer hides a fact. */
const uncached = (shape: Shape): Shape =>
  JSON.parse(JSON.stringify(shape).replaceAll('"policy":"cache"', '"policy":"none"')) as Shape;

/** What the run would have come to, had nothing failed but what its record takes for a fact. */
async function undisturbed(shape: Shape, suffix: string, known: ReadonlySet<string>): Promise<unknown> {
  const other = new Lives(asItIs, uncached(shape), suffix);
  other.let((path) => known.has(path));
  const state = await other.untilEnd(asItIs.memoryStore(), 'r');
  expect(['undisturbed', state.status, state.error]).toEqual(['undisturbed', 'COMPLETED', undefined]);
  return state.output;
}

/**
 * How a run is left, and how it goes on; `name` is the id of the run.
 *
 * @returns How many leaves had failed that a resume tries again.
 */
export type Way = (lib: Library & typeof testing, drawn: Case, store: Store, name: string) => Promise<number>;

/** A life in which leaves fail, and the ones that its questions need. */
async function failedLife(lives: Lives, { seed, rate }: Case, store: Store, name: string): Promise<RunState> {
  lives.let(scheduleOf(seed, rate));
  return lives.untilEnd(store, name);
}

/** A life in which leaves fail. */
export function failing(
  lib: Library,
  { shape, seed, rate }: Case,
  store: Store,
  name: string,
): Observable<Transition> {
  const lives = new Lives(lib, shape, name);
  lives.let(scheduleOf(seed, rate));
  return lives.begin(store, name);
}

/** The state of the run in the store. */
async function loaded(store: Store, name: string): Promise<RunState> {
  const state = await store.loadRun(name);
  if (state === undefined) throw new Error(`run "${name}" is gone`);
  return state;
}

/** Hears a stream that fails, retries by itself and goes on: the state in which it failed, and the life after that. */
async function mendedOnTheWay(
  lives: Lives,
  transitions: Observable<Transition>,
): Promise<{ before?: RunState; life: Life }> {
  let before: RunState | undefined;
  const { events, state } = await told(
    transitions.pipe(
      tap(({ event, state: failed }) => {
        if (event.type !== 'run.failed' || before !== undefined) return;
        before = failed;
        lives.let(never);
      }),
    ),
  );
  if (before === undefined) return { life: { events, state } };
  const since = events.findIndex(({ type }) => type === 'run.failed') + 1;
  return { before, life: { events: events.slice(since), state } };
}

/** The same for a run with questions: they are answered until it has failed, and gone on by itself. */
async function retriedBy(
  again: (lives: Lives) => Observable<Transition>,
  lib: Library,
  drawn: Case,
  store: Store,
  name: string,
): Promise<number> {
  const lives = new Lives(lib, drawn.shape, name);
  lives.let(scheduleOf(drawn.seed, drawn.rate));
  for (;;) {
    const { before, life } = await mendedOnTheWay(lives, again(lives));
    if (before !== undefined) return lives.goesOn(store, before, life);
    if (life.state.status !== 'SUSPENDED') return 0;
    await lives.answerAll(store, life.state);
  }
}

const resumed: Way = async (lib, drawn, store, name) => {
  const lives = new Lives(lib, drawn.shape, name);
  const before = await failedLife(lives, drawn, store, name);
  if (drawn.seed % 2 === 0 && before.status !== 'COMPLETED') await lives.answerAll(store, before);
  return lives.goesOn(store, before);
};

const retried: Way = (lib, drawn, store, name) =>
  retriedBy((lives) => lives.begin(store, name).pipe(retry(1)), lib, drawn, store, name);

const retriedEach: Way = (lib, drawn, store, name) =>
  retriedBy(
    (lives) =>
      of<unknown>('in').pipe(
        lib.runEach(lives.work, { store, runId: () => name, retry: { count: 1, delayMs: 0 } }),
      ),
    lib,
    drawn,
    store,
    name,
  );

const forked: Way = async (lib, drawn, store, name) => {
  const lives = new Lives(lib, drawn.shape, name);
  const { steps, status } = await failedLife(lives, drawn, store, name);
  const all = [...steps].map(({ stepId }) => stepId);
  const from =
    status === 'COMPLETED' || drawn.seed % 2 === 0 ? all[drawn.seed % Math.max(1, all.length)] : undefined;
  const runId = `${name} forked`;
  await lib.fork(name, { store, runId, ...(from !== undefined && { from }) });
  return lives.goesOn(store, await loaded(store, runId));
};

/** The first life is left after some events. */
async function cutLife(
  lives: Lives,
  { seed, rate, cut }: Case,
  store: Store,
  name: string,
): Promise<Transition> {
  lives.let(scheduleOf(seed, rate));
  let last: Transition | undefined;
  await told(
    lives.begin(store, name).pipe(
      take(cut),
      tap((transition) => {
        last = transition;
      }),
    ),
  );
  return last as unknown as Transition;
}

const left: Way = async (lib, drawn, store, name) => {
  const lives = new Lives(lib, drawn.shape, name);
  await cutLife(lives, drawn, store, name);
  return lives.goesOn(store, await loaded(store, name));
};

const restored: Way = async (lib, drawn, store, name) => {
  const lives = new Lives(lib, drawn.shape, name);
  const { state } = await cutLife(lives, drawn, store, name);
  const { snapshotId } = await store.snapshots.save('s', state);
  const runId = `${name} restored`;
  await lib.restore(snapshotId, { store, runId });
  return lives.goesOn(store, await loaded(store, runId));
};

const cancelled: Way = async (lib, drawn, store, name) => {
  const lives = new Lives(lib, drawn.shape, name);
  lives.let(scheduleOf(drawn.seed, drawn.rate));
  const abort = new AbortController();
  let events = 0;
  await told(
    lives.begin(store, name, abort.signal).pipe(
      tap(() => {
        events += 1;
        if (events === drawn.cut) abort.abort();
      }),
    ),
  );
  return lives.goesOn(store, await loaded(store, name));
};

/** Fails a second time, with other failures, before nothing fails any more. */
const failedTwice: Way = async (lib, drawn, store, name) => {
  const lives = new Lives(lib, drawn.shape, name);
  await failedLife(lives, drawn, store, name);
  const before = await failedLife(lives, { ...drawn, seed: drawn.seed + 1 }, store, name);
  return lives.goesOn(store, before);
};

/** The process dies between the failure of a step and that of the run, or anywhere. */
const crashed: Way = async (lib, drawn, _, name) => {
  const lives = new Lives(lib, drawn.shape, name);
  const store = lib.recordingStore(lib.memoryStore());
  await failedLife(lives, drawn, store, name);
  const events = store.recorded(name)?.events ?? [];
  const failures = events.flatMap(({ type }, index) => (type === 'step.failed' ? [index] : []));
  const at = drawn.seed % 4 === 0 ? undefined : failures[drawn.cut % Math.max(1, failures.length)];
  const chosen = at ?? drawn.cut % events.length;
  const point = [...lib.crashPoints(store, name)][chosen] as testing.CrashPoint;
  return lives.goesOn(point.store, point.state);
};

export type WayName = keyof typeof ways;

export const ways = {
  resumed,
  retried,
  crashed,
  retriedEach,
  forked,
  restored,
  left,
  cancelled,
  failedTwice,
};

/** Undoing on request is for good. */
export const canBeCancelled = ({ shape }: Case): boolean => !hasKind(shape, 'undoable');
