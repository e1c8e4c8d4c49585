import type { AnswerMessage } from '../model/message';

/** What happened outside, such as a payment, kept until a run takes it that waits for it. */
export interface KeptSignal {
  /** Made by the store, in the order in which signals came. */
  readonly signalId: string;
  /** What it is about; agents made by `waitFor` wait for it under this name. */
  readonly name: string;
  /** What it says; plain JSON. */
  readonly value?: unknown;
  /** When it was given, epoch milliseconds. */
  readonly at: number;
  /** Epoch milliseconds from which on nobody takes it any more; absent when it is kept until somebody does. */
  readonly until?: number;
}

/** A signal that the store has not named yet; `signalId` only where it is put back. */
export type NewSignal = Omit<KeptSignal, 'signalId'> & { readonly signalId?: string };

/** Signals that no run has taken yet. Anybody may add one; takes no lock. */
export interface SignalRest {
  /** Keeps a signal, as durably as the store promises. What has expired by its `at` is forgotten. */
  add(signal: NewSignal): Promise<KeptSignal>;
  /** Those that are kept, of one name or of all, oldest first. */
  list(name?: string): Promise<readonly KeptSignal[]>;
  /** Takes one back; false when it is not there, or a run has taken it. */
  remove(signalId: string): Promise<boolean>;
}

/** The signals of a store as those see them who carry out its runs. */
export interface SignalBox {
  /**
   * Tells the signals of a name, or all: those that are kept, oldest first, from within this call; later ones within a quarter of a
   * second. One that is put back, or could not be handed over, is told again. Returns how to stop.
   */
  hear(name: string | undefined, listener: (signal: KeptSignal) => void): () => void;
  /**
   * Hands a signal over to a question of a run, as an answer in its inbox. Whatever happens, it is there or here afterwards, never at
   * both places; false when somebody else has it, or the run has ended or is gone. Where it cannot be written the signal stays, and
   * this rejects. When the run is deleted, pruned or replaced, what it has not used is here again.
   */
  give(signal: KeptSignal, runId: string, answer: AnswerMessage): Promise<boolean>;
  /**
   * Puts back what a run has been given and has not used, because its question was answered otherwise, or the run has ended; calls
   * `done` then.
   */
  putBack(signal: KeptSignal, done: () => void): void;
}
