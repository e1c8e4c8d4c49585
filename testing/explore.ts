import { setImmediate, setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { VirtualTimeScheduler } from 'rxjs';

import { notAnAgent } from '../lib/definition/checks';
import { definitionOf } from '../lib/definition/definition';
import type { CallCallbacks } from '../lib/engine/engine';
import { StepExecutor } from '../lib/engine/interpreter/stepExecutor';
import type { LocalOptions } from '../lib/engine/local/localEngine';
import { LocalEngine } from '../lib/engine/local/localEngine';
import { resolveStart } from '../lib/engine/resolveStart';
import type { StepTask } from '../lib/engine/task';
import type { Agent } from '../lib/model/agentType';
import type { RunStarted, Transition } from '../lib/model/event';
import type { RunState } from '../lib/model/state';
import { memoryStore } from '../lib/store/memory/memoryStore';
import type { Stop } from '../lib/streams/pull';
import { InterleavingError } from './testingErrors';
import { withScheduler } from './virtual';
import { InvalidArgumentError } from '../lib/model/failure';

/** Which orders are tried, and what must hold in each. */
export interface ExploreOptions<I, O> {
  /** What the workflow is given. */
  readonly input?: I;
  /** How many orders are tried, by the seeds 1, 2, 3 and so on; or the seeds themselves, to see one order again. */
  readonly seeds: number | readonly number[];
  /**
   * What must be true of every run, whatever the order in which its steps end: it throws or gives false when it is not.
   * When left out, every run must end as one without surprises does, with the same output.
   */
  readonly invariant?: (run: ExploredRun<O>) => unknown;
  /** How long a function may take in real time before the run counts as stuck, in milliseconds; 5,000 when left out. */
  readonly patienceMs?: number;
}

/** One run, in one order. */
export interface ExploredRun<O> {
  /** The seed of the order. */
  readonly seed: number;
  /** What happened in which order: the paths of the calls as they ended, and `(time passes)`. */
  readonly order: readonly string[];
  /** Everything that was told. */
  readonly transitions: readonly Transition<O>[];
  /** How the run ended. */
  readonly state: RunState<O>;
}

/** What was tried. */
export interface Exploration {
  /** The seeds, or how many. */
  readonly seeds: number;
  /** How many different orders came up. */
  readonly orders: number;
}

/**
 * Looks for an order of events that breaks a workflow: runs it once a seed, each time letting the calls that are under way
 * end in another order, and time pass between them at another moment. The same seed gives the same order, as long as the
 * agents depend on nothing else.
 *
 * Delays, retries, sleeps and fakes pass in virtual time; functions that are truly async are waited for, and their answers
 * are handed on in the order of the seed. Give a function that makes the workflow anew where its agents keep state.
 *
 * @example
 * ```ts
 * await explore(report, { input: 'book.txt', seeds: 500 });
 * ```
 *
 * @throws InvalidArgumentError when there is no seed, or one that is not a whole number: nothing would be tried.
 * @throws InterleavingError with the seed of the first order that breaks the invariant.
 */
export async function explore<I, O>(
  workflow: Agent<I, O> | (() => Agent<I, O>),
  options: ExploreOptions<I, O>,
): Promise<Exploration> {
  const { seeds, patienceMs = 5_000, input } = options;
  checkSeeds(seeds);
  const make = definitionOf(workflow) === undefined ? (workflow as () => Agent<I, O>) : undefined;
  const explored = (seed: number): Promise<ExploredRun<O>> =>
    oneOrder(make === undefined ? (workflow as Agent<I, O>) : make(), input, seed, patienceMs);
  const invariant = options.invariant ?? sameAs(await explored(0));
  const orders = new Set<string>();
  const chosen = typeof seeds === 'number' ? Array.from({ length: seeds }, (_, index) => index + 1) : seeds;
  for (const seed of chosen) {
    const run = await explored(seed);
    orders.add(run.order.join('\n'));
    try {
      if ((await invariant(run)) === false) throw new Error('the invariant gave false');
    } catch (error) {
      throw new InterleavingError(run.state.name, seed, run.order, error);
    }
  }
  return { seeds: chosen.length, orders: orders.size };
}

function checkSeeds(seeds: number | readonly number[]): void {
  const isGood =
    typeof seeds === 'number'
      ? Number.isInteger(seeds) && seeds >= 1
      : Array.isArray(seeds) && seeds.length > 0 && seeds.every(Number.isInteger);
  if (isGood) return;
  throw new InvalidArgumentError(
    `Cannot explore ${typeof seeds === 'number' ? String(seeds) : `[${String(seeds)}]`} orders`,
    'give how many, a whole number from 1, or a list of whole numbers as seeds',
  );
}

function sameAs<O>({ state }: ExploredRun<O>): (run: ExploredRun<O>) => void {
  return (run) => {
    if (run.state.status !== state.status)
      throw new Error(`the run ended ${run.state.status}, in the plain order ${state.status}`);
    if (!isDeepStrictEqual(run.state.output, state.output))
      throw new Error(`the output is ${shown(run.state.output)}, in the plain order ${shown(state.output)}`);
  };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined ? String(value) : text.slice(0, 200);
}

/** What can happen next: an answer that has come is handed on, or time passes. */
interface Held {
  readonly label: string;
  readonly hand: () => void;
}

/** Calls functions at once, and keeps what they answer until it is handed on. */
class HeldEngine<O> extends LocalEngine<O> {
  /** Calls that have not answered. */
  underWay = 0;
  /** Answers that have come. */
  readonly #held = new Set<Held>();
  readonly #scheduler: VirtualTimeScheduler;

  constructor(options: LocalOptions<O>, scheduler: VirtualTimeScheduler) {
    super(options);
    this.#scheduler = scheduler;
  }

  override signal(): Stop {
    return () => undefined;
  }

  override call(task: StepTask, value: unknown, callbacks: CallCallbacks): Stop {
    let mine: Held | undefined;
    let isUnderWay = true;
    this.underWay += 1;
    const answered = (): void => {
      if (isUnderWay) this.underWay -= 1;
      isUnderWay = false;
    };
    const hold = (hand: () => void): void => {
      answered();
      mine = { label: task.path, hand };
      this.#held.add(mine);
    };
    const holding: CallCallbacks = {
      emit: (of, partial) => callbacks.emit(of, partial),
      log: (of, level, message, data) => {
        callbacks.log(of, level, message, data);
      },
      step: (of, id, agent, input) => callbacks.step(of, id, agent, input),
      shared: (of) => callbacks.shared?.(of),
      update(of, change) {
        callbacks.update?.(of, change);
      },
      isWanted: (of) => callbacks.isWanted?.(of) !== false,
      done(of, output) {
        hold(() => {
          callbacks.done(of, output);
        });
      },
      fail(of, error) {
        hold(() => {
          callbacks.fail(of, error);
        });
      },
    };
    const stop = withScheduler(this.#scheduler, () => super.call(task, value, holding));
    return () => {
      answered();
      if (mine !== undefined) this.#held.delete(mine);
      stop?.();
    };
  }

  /** What can happen next: in the order in which the answers came, or by name, so that nothing but the seed decides. */
  moves(isInOrder: boolean): readonly Held[] {
    const answers = isInOrder
      ? [...this.#held]
      : [...this.#held].sort((a, b) => (a.label < b.label ? -1 : 1));
    const next = this.#scheduler.actions[0] as { readonly delay: number } | undefined;
    if (next === undefined) return answers;
    const pass = (): void => {
      this.#scheduler.maxFrames = next.delay;
      this.#scheduler.flush();
    };
    return [...answers, { label: '(time passes)', hand: pass }];
  }

  make(move: Held): void {
    this.#held.delete(move);
    move.hand();
  }
}

/** A run whose answers are held. */
interface HeldRun<O> {
  readonly engine: HeldEngine<O>;
  readonly transitions: readonly Transition<O>[];
  isOver: boolean;
  /** What broke the machinery. */
  problem?: { readonly error: unknown };
}

async function beginHeldRun<I, O>(agent: Agent<I, O>, input: I | undefined): Promise<HeldRun<O>> {
  if (definitionOf(agent) === undefined) {
    throw notAnAgent('explore', agent);
  }
  const scheduler = new VirtualTimeScheduler(undefined, Infinity);
  const runId = 'explored';
  const claim = await memoryStore().claim(runId);
  const start = resolveStart<O>({
    runId,
    agent,
    input,
    saved: undefined,
    mustExist: false,
    onMismatch: 'refuse',
    checksValues: false,
    at: 0,
    incarnation: undefined,
  });
  const transitions: Transition<O>[] = [];
  const engine = new HeldEngine<O>(
    {
      claim,
      state: start.state,
      scheduler,
      tell: (transition) => transitions.push(transition),
      broken: (error) => {
        run.problem = { error };
      },
    },
    scheduler,
  );
  const run: HeldRun<O> = { engine, transitions, isOver: false };
  const begun = start.event as RunStarted;
  engine.record(begun, () => {
    new StepExecutor({
      runId,
      agent,
      input: start.input,
      ids: start.ids,
      engine,
      known: undefined,
      seq: begun.seq,
      maxCrashes: Infinity,
      ended: () => {
        run.isOver = true;
      },
    }).begin();
  });
  return run;
}

/** Seed 0 stands for the plain order: answers are handed on as they come. */
async function oneOrder<I, O>(
  agent: Agent<I, O>,
  input: I | undefined,
  seed: number,
  patienceMs: number,
): Promise<ExploredRun<O>> {
  const random = randomOf(seed);
  const run = await beginHeldRun(agent, input);
  const { engine, transitions } = run;
  const order: string[] = [];
  let waitedMs = 0;
  const hasEnded = (): boolean => run.isOver || run.problem !== undefined;
  while (!hasEnded()) {
    // What comes from Promises comes first: then it is there whatever the machine is doing.
    if (engine.underWay > 0) for (let turn = 0; turn < 2; turn += 1) await setImmediate();
    const possible = engine.moves(seed === 0);
    const move = possible[Math.floor(random() * possible.length)];
    if (move !== undefined) {
      waitedMs = 0;
      order.push(move.label);
      engine.make(move);
    } else if (!hasEnded()) {
      if (engine.underWay === 0 || waitedMs >= patienceMs)
        throw new InterleavingError(agent.name, seed, order, new Error('the run is stuck'));
      await setTimeout(1);
      waitedMs += 1;
    }
  }
  if (run.problem !== undefined) throw run.problem.error;
  return { seed, order, transitions, state: engine.state() };
}

/**
 * Numbers from 0 up to 1 that only depend on the seed; the seed 0 gives nothing but 0.
 *
 * Mulberry32 (Tommy Ettinger, 2017).
 */
function randomOf(seed: number): () => number {
  if (seed === 0) return () => 0;
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
