import fc from 'fast-check';
import type { Observable } from 'rxjs';
import { defer, from, switchMap } from 'rxjs';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { serviceFor } from '../../adapters/restate/client/engineContext';
import * as library from '../../index';
import type { Agent, RunState, Store, Transition } from '../../index';
import { forkedState } from '../../lib/engine/invalidate';
import * as testing from '../../testing';
import type { Library, Shape } from '../laws/support/arbitraryStructure';
import type { Operation } from '../laws/support/histories';
import { belongs, historiesOfRuns, World } from '../laws/support/histories';
import type { Case, WayName } from '../laws/support/lives';
import { arbitraryCase, canBeCancelled, ways } from '../laws/support/lives';
import { amount, seedOr, tally } from '../support/torture';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate } from './support/restateServer';

type Lib = Library & typeof testing;
type Options = { readonly store?: Store; readonly runId?: string } & Readonly<Record<string, unknown>>;
type Any = Agent<unknown, unknown>;

/** The library with a server in the place of a store. What is run is served first; each place has runs of its own. */
class Place {
  readonly lib: Lib;
  readonly store: Store;
  readonly #server: RestateServer;
  readonly #prefix: string;
  readonly #engine: RestateEngine;
  readonly #workers = new Map<string, Promise<RestateWorker>>();
  readonly #agents = new Map<string, Any>();

  constructor(server: RestateServer, prefix: string) {
    this.#server = server;
    this.#prefix = `on ${prefix}`;
    this.#engine = restateEngine({ ...server, patienceMs: 60_000 });
    const { run, runEach, execute, answer, cancel, fork } = library as unknown as Record<
      'run' | 'runEach' | 'execute' | 'answer' | 'cancel' | 'fork',
      (...all: unknown[]) => never
    >;
    const here = this.#here.bind(this);
    const changed = {
      run: (work: Any, input: unknown, options: Options) =>
        defer(() => this.#serve(work, options.runId)).pipe(switchMap(() => run(work, input, here(options)))),
      runEach: (work: Any, options: Options & { readonly runId: () => string }) => (inputs: unknown) =>
        from(this.#serve(work, options.runId())).pipe(
          switchMap(() =>
            (
              runEach(work, { ...here(options), runId: () => this.#id(options.runId()) }) as (
                of: unknown,
              ) => []
            )(inputs),
          ),
        ),
      execute: async (work: Any, input: unknown, options: Options) => {
        await this.#serve(work, options.runId);
        return execute(work, input, here(options)) as RunState;
      },
      answer: (runId: string, path: string, value: unknown, options: Options) =>
        answer(this.#id(runId), path, value, here(options)) as unknown,
      cancel: (runId: string, options: Options) => cancel(this.#id(runId), here(options)) as unknown,
      fork: async (runId: string, options: Options) => {
        await (fork(this.#id(runId), here(options)) as Promise<string>);
        const of = this.#agents.get(this.#id(runId));
        if (of !== undefined) this.#agents.set(this.#id(String(options.runId)), of);
        return options.runId;
      },
    };
    this.lib = { ...library, ...testing, ...changed } as unknown as Lib;
    this.store = { loadRun: (runId: string) => this.#loadRun(runId) } as unknown as Store;
  }

  /**
   * The same where a fork begins when it is run: its server begins it at once, with what fails then still failing. Until then it is loaded
   * as it will stand.
   */
  get whereForksWait(): { readonly lib: Lib; readonly store: Store } {
    const waiting = new Map<string, { readonly origin: string; readonly options: ForkOptions }>();
    const { lib, store } = this;
    const run = (work: Any, input: unknown, options: Options): Observable<Transition> => {
      const { runId = '' } = options;
      const asked = waiting.get(runId);
      if (asked === undefined) return lib.run(work, input, options);
      waiting.delete(runId);
      return from(lib.fork(asked.origin, asked.options)).pipe(
        switchMap(() => this.#engine.attach(work, this.#id(runId))),
      );
    };
    const fork = (origin: string, options: ForkOptions): Promise<string> => {
      waiting.set(options.runId, { origin, options });
      return Promise.resolve(options.runId);
    };
    const loadRun = async (runId: string): Promise<RunState | undefined> => {
      const asked = waiting.get(runId);
      if (asked === undefined) return store.loadRun(runId);
      const before = await store.loadRun(asked.origin);
      // The first life on a server is number 1, in a store the second one of two.
      return before && { ...forkedState(before, asked.options), life: 0 };
    };
    return { lib: { ...lib, run, fork } as unknown as Lib, store: { loadRun } as unknown as Store };
  }

  async close(): Promise<void> {
    // What goes on without its worker would go on for ever.
    await this.#comeToRest();
    for (const worker of this.#workers.values()) await (await worker).close();
  }

  /** Of a run here; states bear it too. */
  #id(runId: string): string {
    return runId.startsWith(`${this.#prefix} `) ? runId : `${this.#prefix} ${runId}`;
  }

  #here({ store: _store, runId, ...others }: Options): object {
    return { ...others, engine: this.#engine, ...(typeof runId === 'string' && { runId: this.#id(runId) }) };
  }

  async #serve(work: Any, runId = ''): Promise<void> {
    this.#agents.set(this.#id(runId), work);
    const { ingress, admin } = this.#server;
    const name = serviceFor(work);
    const worker = this.#workers.get(name) ?? serveRestate([work], { port: 0, ingress, admin });
    this.#workers.set(name, worker);
    await worker;
  }

  /** Once nothing is under way any more: the server goes on by itself where somebody has answered. */
  async #loadRun(runId: string): Promise<RunState | undefined> {
    await this.#comeToRest();
    const work = this.#agents.get(this.#id(runId));
    return work && this.#engine.loadRun(work, this.#id(runId));
  }

  /** Fails where nothing has moved for a minute, however long all of it takes: a busy machine is slow, which is no fault. */
  async #comeToRest(): Promise<void> {
    let seen = '';
    let since = Date.now();
    for (;;) {
      // An admin that does not answer is no news.
      const open = await this.#underWay().catch(() => undefined);
      if (open?.length === 0) return;
      const now = open === undefined ? seen : JSON.stringify(open.map((one) => [one.id, one.journal_size]));
      if (now !== seen) since = Date.now();
      seen = now;
      if (Date.now() - since > STILL_MS)
        throw new Error(`Nothing has moved for ${STILL_MS} ms: ${JSON.stringify(open)}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async #underWay(): Promise<readonly Invocation[]> {
    // Questions for events are held open for a while, also when nobody waits for the answer any more.
    const query = `select id, target, status, journal_size, last_failure from sys_invocation where status not in ('completed', 'scheduled') and target_handler_name <> 'events' and (target_service_name = 'millrace.answers' or target_service_key like '%${this.#prefix} %') order by id`;
    const answer = await fetch(`${this.#server.admin}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query }),
    });
    return ((await answer.json()) as { readonly rows: readonly Invocation[] }).rows;
  }
}

interface ForkOptions {
  readonly store: Store;
  readonly runId: string;
  readonly from?: string;
}

/** What the server has under way. */
interface Invocation {
  readonly id: string;
  readonly target: string;
  readonly status: string;
  readonly journal_size: number;
  readonly last_failure: string | null;
}

const STILL_MS = 60_000;

/** The world of a history where an answer, a cancel and a fork are taken up at once, by the server. */
class ServedWorld extends World {
  /** Whether what the last step was called with is kept: the server has called it before `run` looks. */
  #isKept = false;

  constructor(place: Place, version: string) {
    super(place.lib, () => place.store);
    let transferred: (typeof this.seen)['transferred'];
    Object.defineProperty(this.seen, 'transferred', {
      get: () => transferred,
      set: (given: typeof transferred) => {
        if (given !== undefined || !this.#isKept) transferred = given;
      },
    });
    // The server calls steps as soon as somebody has answered or forked, before `run` says whose they are. No id is used again there, so the id
    // alone says which run it is.
    Object.defineProperty(this.seen, 'run', { get: () => 0, set: () => undefined });
    // The server remembers answers for everybody.
    this.seen.deployed = { agentName: `one ${version}`, codecs: 'both', version };
  }

  override async answer(...given: Parameters<World['answer']>): Promise<void> {
    this.seen.transferred = undefined;
    await super.answer(...given);
    if (this.model.get(given[0])?.status === 'SUSPENDED') await this.#goOn(given[0]);
  }

  override async cancel(runId: string): Promise<void> {
    await super.cancel(runId);
    const run = this.model.get(runId);
    if (run?.isCancelled !== true) return;
    run.isCancelled = false;
    run.status = 'CANCELLED';
  }

  override async fork(runId: string, path: string): Promise<void> {
    const before = new Set(this.model.keys());
    this.seen.transferred = undefined;
    await super.fork(runId, path);
    for (const id of this.model.keys()) if (!before.has(id)) await this.#goOn(id);
  }

  override async check(): Promise<void> {
    for (const [runId, run] of this.model) {
      const state = await this.store.loadRun(runId);
      const rows = [...(state?.steps ?? [])].filter(({ status }) => status === 'SUSPENDED');
      const open = state?.status === 'COMPLETED' ? [] : [...run.open.keys()];
      expect([runId, state?.status]).toEqual([runId, run.status]);
      expect([runId, rows.map(({ stepId }) => stepId).sort()]).toEqual([runId, open.sort()]);
      for (const [path, token] of run.answered)
        if (state?.steps.get(path)?.status === 'COMPLETED') expect(state.steps.get(path)?.output).toBe(token);
      for (const { request } of rows)
        expect([runId, (request as { readonly by: string }).by]).toEqual([runId, run.by]);
    }
  }

  async #goOn(runId: string): Promise<void> {
    await this.store.loadRun(runId);
    this.#isKept = true;
    try {
      await this.run(runId, this.model.get(runId)?.given.revision ?? 1);
    } finally {
      this.#isKept = false;
    }
  }
}

const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere('the laws of runs, on Restate', () => {
  let server: RestateServer;
  let places = 0;
  beforeAll(async () => {
    server = await startRestate();
  });
  afterAll(() => server.stop());

  const within = async (work: (place: Place, name: string) => Promise<void>): Promise<void> => {
    const name = String((places += 1));
    // What has ended stays for a day, and makes every look longer.
    if (places % 40 === 0) {
      await server.stop();
      server = await startRestate();
    }
    const place = new Place(server, name);
    try {
      await work(place, name);
    } finally {
      await place.close();
    }
  };

  const WAYS = [
    'resumed',
    'retried',
    'retriedEach',
    'forked',
    'left',
    'cancelled',
    'failedTwice',
  ] as const satisfies readonly WayName[];

  it('one resume is enough, whatever had failed (P21)', async () => {
    const numRuns = amount(WAYS.length, 350);
    let turn = 0;
    await fc.assert(
      fc.asyncProperty(
        arbitraryCase.filter(({ shape }) => isServable(shape, false)),
        async (drawn: Case) => {
          const way = WAYS[(turn += 1) % WAYS.length] as WayName;
          if (way === 'cancelled' && !canBeCancelled(drawn)) return;
          await within(async (place, name) => {
            const { lib, store } = way === 'forked' ? place.whereForksWait : place;
            await ways[way](lib, drawn, store, `r${name}`).catch((error: unknown) => {
              throw new Error(`${way}: ${JSON.stringify(drawn)}`, { cause: error });
            });
          });
        },
      ),
      { numRuns, seed: seedOr(21), endOnFailure: true },
    );
    tally('structures on Restate', numRuns);
  }, 3_600_000);

  it('what is recorded is used for nothing but what it was made for (P22)', async () => {
    const numRuns = amount(6, 300);
    // A server has neither snapshots nor a way to forget runs, and what is deployed is another run.
    const isThere = (operation: Operation): boolean =>
      !/^(deploy|delete|prune|snapshot|restore)/.test(String(operation));
    await fc.assert(
      fc.asyncProperty(historiesOfRuns, async (history) => {
        await within((place, name) => belongs(history.filter(isThere), new ServedWorld(place, name), false));
      }),
      { numRuns, seed: seedOr(20_261_129), endOnFailure: true },
    );
    tally('histories on Restate', numRuns);
  }, 3_600_000);
});

/** Questions are what P22 is about there, and a step that a function asks for can ask nobody. */
function isServable(shape: Shape, isNested: boolean): boolean {
  if (shape.kind === 'ask' || (shape.kind === 'askInTime' && isNested)) return false;
  if (shape.kind === 'policy') return isServable(shape.part, isNested);
  const isFunction = shape.kind === 'steps' || shape.kind === 'caught';
  return !('parts' in shape) || shape.parts.every((part) => isServable(part, isNested || isFunction));
}
