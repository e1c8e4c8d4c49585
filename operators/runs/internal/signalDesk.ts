import type { Definition } from '../../../lib/definition/definition';
import { definitionOf, isStructure } from '../../../lib/definition/definition';
import type { Agent } from '../../../lib/model/agentType';
import { toFailure } from '../../../lib/model/failure';
import type { RunState } from '../../../lib/model/state';
import type { KeptSignal, SignalBox } from '../../../lib/store/signalRest';
import { canHear } from '../../../lib/store/messages';
import { answerOf } from '../../../lib/store/signalAnswer';
import type { RunSummary } from '../../../lib/store/store';
import type { Stop } from '../../../lib/streams/pull';

/** What the desk needs of who serves. */
export interface DeskOwner {
  now(): number;
  load(runId: string): Promise<RunState | undefined>;
  /** Whether somebody carries the run on: then it hears signals by itself. */
  isUnderWay(runId: string): boolean;
  /** The run has to be carried on to find out whether it takes a signal. */
  wake(runId: string): void;
  warn(runId: string, error: unknown): void;
}

/** A question of a resting run that a signal may answer. */
interface Wish {
  readonly runId: string;
  readonly path: string;
  readonly asking: string;
  /** Signals that it does not take, as far as can be told here. */
  readonly seen: Set<string>;
  /** What it waits with, once that was read. */
  known:
    | { readonly agent: string; readonly request: unknown; readonly incarnation: string | undefined }
    | undefined;
}

/**
 * Hands signals to runs that rest and wait for one: to the one that has waited longest, as far as this has seen. Whether a signal is
 * meant for a step is asked of the definition, without carrying the run on; where that does not show the step, as below
 * `context.step`, the run is woken, and looks for itself.
 */
export class SignalDesk {
  readonly #owner: DeskOwner;
  readonly #takes: ReadonlyMap<string, Definition | 'several'>;
  readonly #kept = new Map<string, KeptSignal>();
  /** By the names of the signals, then by run and question. */
  readonly #wishes = new Map<string, Map<string, Wish>>();
  readonly #namesOf = new Map<string, readonly string[]>();
  #signals: SignalBox | undefined;
  #stop: Stop | undefined;
  #turn: Promise<void> = Promise.resolve();
  /** What was told of signals that could not be handed over, since one was. */
  readonly #troubles = new Set<string>();

  constructor(agents: Iterable<Agent<never, unknown>>, owner: DeskOwner) {
    this.#owner = owner;
    this.#takes = takersIn(agents);
  }

  open(signals: SignalBox): void {
    this.#signals = signals;
    this.#stop = signals.hear(undefined, (signal) => {
      this.#kept.set(signal.signalId, signal);
      if (this.#wishes.has(signal.name)) this.#enqueue(() => this.#offer(signal));
    });
  }

  close(): void {
    this.#stop?.();
    this.#signals = undefined;
    this.#wishes.clear();
  }

  /** A run has come to rest, or has begun. */
  look({ runId, status, waiting }: Pick<RunSummary, 'runId' | 'status' | 'waiting'>): void {
    const before = this.#forget(runId);
    const wanted = status === 'SUSPENDED' ? waiting.filter(({ signal }) => signal !== undefined) : [];
    if (wanted.length === 0 || this.#signals === undefined) return;
    this.#namesOf.set(
      runId,
      wanted.map(({ signal }) => signal as string),
    );
    for (const { path, asking, signal: name = '' } of wanted) {
      const wishes = this.#wishes.get(name) ?? new Map<string, Wish>();
      this.#wishes.set(name, wishes);
      const key = `${runId} ${asking}`;
      wishes.set(key, before.get(key) ?? { runId, path, asking, seen: new Set(), known: undefined });
      for (const signal of this.#kept.values())
        if (signal.name === name) this.#enqueue(() => this.#offer(signal));
    }
  }

  #forget(runId: string): ReadonlyMap<string, Wish> {
    const forgotten = new Map<string, Wish>();
    for (const name of this.#namesOf.get(runId) ?? []) {
      const wishes = this.#wishes.get(name);
      for (const [key, wish] of wishes ?? []) {
        if (wish.runId !== runId) continue;
        forgotten.set(key, wish);
        wishes?.delete(key);
      }
      if (wishes?.size === 0) this.#wishes.delete(name);
    }
    this.#namesOf.delete(runId);
    return forgotten;
  }

  /** One after another: what came first is handed out first. */
  #enqueue(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch((error: unknown) => {
      // Every look tries again: the same trouble is told once.
      const { message } = toFailure(error);
      if (this.#troubles.has(message)) return;
      this.#troubles.add(message);
      this.#owner.warn('', error);
    });
  }

  async #offer(signal: KeptSignal): Promise<void> {
    const { signalId, name, until = Infinity } = signal;
    for (const wish of [...(this.#wishes.get(name)?.values() ?? [])]) {
      if (!this.#kept.has(signalId)) return;
      if (until <= this.#owner.now()) {
        this.#kept.delete(signalId);
        return;
      }
      if (wish.seen.has(signalId) || this.#owner.isUnderWay(wish.runId)) continue;
      const { runId, path, asking } = wish;
      wish.known ??= await this.#read(wish);
      if (wish.known === undefined || this.#signals === undefined) continue;
      wish.seen.add(signalId);
      const { agent, request, incarnation } = wish.known;
      const takes = this.#isFor(agent, signal.value, request);
      if (takes === 'unknown') this.#owner.wake(runId);
      if (takes !== true) continue;
      let isGiven: boolean;
      try {
        isGiven = await this.#signals.give(signal, runId, answerOf(signal, { path, asking, incarnation }));
      } catch (error) {
        // It is told again, and offered again then.
        wish.seen.delete(signalId);
        throw error;
      }
      this.#troubles.clear();
      // It has ended or is gone: the next may have it.
      if (!isGiven && !canHear((await this.#owner.load(runId))?.status)) continue;
      this.#kept.delete(signalId);
      if (isGiven) this.#wishes.get(name)?.delete(`${runId} ${asking}`);
      return;
    }
  }

  async #read({ runId, path, asking }: Wish): Promise<Wish['known']> {
    const state = await this.#owner.load(runId);
    const row = state?.steps.get(path);
    if (row?.status !== 'SUSPENDED' || row.asking !== asking) return undefined;
    return { agent: row.agent, request: row.request, incarnation: state?.incarnation };
  }

  #isFor(agent: string, value: unknown, request: unknown): boolean | 'unknown' {
    const definition = this.#takes.get(agent);
    if (typeof definition !== 'object' || !isStructure(definition)) return 'unknown';
    try {
      return definition.takes?.(value, request) ?? 'unknown';
    } catch {
      // The run says so in its log.
      return 'unknown';
    }
  }
}

/** The agents that wait for signals, by their names. */
function takersIn(agents: Iterable<Agent<never, unknown>>): ReadonlyMap<string, Definition | 'several'> {
  const takers = new Map<string, Definition | 'several'>();
  const seen = new Set<Definition>();
  const waiting = [...agents].map(definitionOf);
  for (const definition of waiting) {
    if (definition === undefined || seen.has(definition) || !isStructure(definition)) continue;
    seen.add(definition);
    waiting.push(...definition.parts.map(({ agent }) => definitionOf(agent)));
    const { name, takes } = definition;
    if (takes !== undefined) takers.set(name, takers.has(name) ? 'several' : definition);
  }
  return takers;
}
