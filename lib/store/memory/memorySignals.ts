import { jsonValue } from '../../codec/jsonValue';
import type { AnswerMessage } from '../../model/message';
import type { KeptSignal, NewSignal, SignalBox, SignalRest } from '../signalRest';

interface Hearer {
  readonly name: string | undefined;
  readonly listener: (signal: KeptSignal) => void;
}

/** Signals that are forgotten with the process. */
export class MemorySignals implements SignalRest, SignalBox {
  readonly #kept = new Map<string, KeptSignal>();
  readonly #hearers = new Set<Hearer>();
  readonly #nextId: () => string;
  readonly #post: (runId: string, answer: AnswerMessage) => boolean;

  /** @param post - Puts an answer into the inbox of a run; false when the run hears nothing any more. */
  constructor(nextId: () => string, post: (runId: string, answer: AnswerMessage) => boolean) {
    this.#nextId = nextId;
    this.#post = post;
  }

  async add(signal: NewSignal): Promise<KeptSignal> {
    const { signalId = this.#nextId(), ...given } = signal;
    const kept = { ...(JSON.parse(JSON.stringify(jsonValue(given, ''))) as NewSignal), signalId };
    for (const other of this.#kept.values())
      if ((other.until ?? Infinity) <= kept.at) this.#kept.delete(other.signalId);
    this.#kept.set(signalId, kept);
    for (const { name, listener } of [...this.#hearers])
      if (this.#kept.has(signalId) && (name ?? kept.name) === kept.name) listener(kept);
    return Promise.resolve(kept);
  }

  list(name?: string): Promise<readonly KeptSignal[]> {
    return Promise.resolve(this.#of(name));
  }

  remove(signalId: string): Promise<boolean> {
    return Promise.resolve(this.#kept.delete(signalId));
  }

  hear(name: string | undefined, listener: (signal: KeptSignal) => void): () => void {
    const hearer = { name, listener };
    this.#hearers.add(hearer);
    for (const signal of this.#of(name))
      if (this.#kept.has(signal.signalId) && this.#hearers.has(hearer)) listener(signal);
    return () => {
      this.#hearers.delete(hearer);
    };
  }

  async give({ signalId }: KeptSignal, runId: string, answer: AnswerMessage): Promise<boolean> {
    const kept = this.#kept.get(signalId);
    if (kept === undefined) return Promise.resolve(false);
    // Before anybody hears of the answer: who has it does not find the signal as well.
    this.#kept.delete(signalId);
    const isGiven = this.#post(runId, answer);
    if (!isGiven) this.#kept.set(signalId, kept);
    return Promise.resolve(isGiven);
  }

  putBack(signal: KeptSignal, done: () => void): void {
    void this.add(signal);
    done();
  }

  #of(name: string | undefined): readonly KeptSignal[] {
    const all = [...this.#kept.values()].sort((a, b) => (a.signalId < b.signalId ? -1 : 1));
    return name === undefined ? all : all.filter((signal) => signal.name === name);
  }
}
