/** What can be told to a run from outside. */
export type RunMessage = AnswerMessage | CancelMessage;

interface MeantForRun {
  /** The run that is meant, where its id may have been used before; the one that is there when left out. */
  readonly incarnation?: string;
  /** When it was posted, epoch milliseconds. */
  readonly at?: number;
}

/** Answers a question of a run. */
export interface AnswerMessage extends MeantForRun {
  readonly kind: 'answer';
  /** Path of the step that waits. */
  readonly path: string;
  /** The answer. */
  readonly value: unknown;
  /**
   * The question that is meant. When left out, the one that is open at this step when the message is posted, or the first that
   * the step will ask.
   */
  readonly asking?: string;
  /** The signal that it was made of: where the answer is void, that goes back to where it was kept. */
  readonly signal?: { readonly signalId: string; readonly name: string; readonly until?: number };
}

/** Cancels a life of a run. */
export interface CancelMessage extends MeantForRun {
  readonly kind: 'cancel';
  /** Why; absent when nobody said. */
  readonly reason?: string;
  /** Number of the life that is meant; when left out, the one under way when the message is posted, or else the next. */
  readonly life?: number;
}
