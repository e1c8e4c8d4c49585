import type { RunStatus } from '../../model/state';
import type { StepResult } from '../../model/stepResult';
import type { Hearing } from '../../store/messages';
import { canHear, fateOf } from '../../store/messages';
import { hasTaken, signalIn } from '../../store/signalAnswer';
import type { Claim, ReceivedMessage } from '../../store/store';
import type { Stop } from '../../streams/pull';
import type { Given } from '../engine';

/** Who is told of messages that are no answers. */
export interface MailboxOwner {
  cancel(reason: string | undefined): void;
  warn(message: string): void;
  /** A step as it stands now. */
  step(path: string): StepResult | undefined;
}

/** Hears an answer for a step. */
export type Listener = (value: unknown, done: () => void, given: Given) => void;

type ReceivedAnswer = Extract<ReceivedMessage, { kind: 'answer' }>;

/**
 * The messages from outside that concern one life of a run, by the step they are for. What nobody waits for yet is kept; what
 * was meant for another run, life or question is void, and removed.
 */
export class Mailbox {
  readonly #claim: Claim;
  readonly #owner: MailboxOwner;
  readonly #hearing: Hearing;
  readonly #waiting: ReceivedAnswer[] = [];
  readonly #cancels: ReceivedMessage[] = [];
  /** Most runs ask nobody. */
  #listeners: Map<string, Listener> | undefined;
  #stop: Stop | undefined;
  #closedAs: RunStatus | undefined;

  constructor(claim: Claim, owner: MailboxOwner, hearing: Hearing) {
    this.#claim = claim;
    this.#owner = owner;
    this.#hearing = hearing;
  }

  /**
   * Removes the answers whose signals steps have taken: to be called before the run loses the rows of steps that its definition has no
   * more, since afterwards nobody knows.
   */
  forgetUsed(): void {
    const rows = [...(this.#claim.state?.steps ?? [])];
    if (!rows.some(({ signalIds }) => signalIds !== undefined)) return;
    const stop = this.#claim.inbox((message) => {
      if (this.#isUsed(message)) message.done();
    });
    stop();
  }

  /** Begins to hear. */
  open(): void {
    const stop = this.#claim.inbox((message) => {
      this.#take(message);
    });
    // What has waited may have ended the life before this call came back.
    if (this.#closedAs !== undefined) stop();
    else this.#stop = stop;
  }

  /** Hears the answers for a step: those that wait at once, later ones as they come. */
  hear(path: string, answered: Listener): Stop {
    (this.#listeners ??= new Map()).set(path, answered);
    for (const message of this.#waiting.filter((each) => each.path === path)) {
      this.#waiting.splice(this.#waiting.indexOf(message), 1);
      this.#take(message);
    }
    return () => {
      if (this.#listeners?.get(path) === answered) this.#listeners.delete(path);
    };
  }

  /** Paths of answers for which nobody listens. */
  unheard(): readonly string[] {
    return this.#waiting.map(({ path }) => path);
  }

  /**
   * Hears nothing more. A run that has completed needs none of what is left; one that failed or was cancelled may never be resumed,
   * and no signal waits for that.
   */
  close(status: RunStatus): void {
    this.#closedAs = status;
    this.#stop?.();
    for (const message of this.#cancels) message.done();
    for (const message of this.#waiting) {
      const isOver = status === 'COMPLETED' || isLeftBehind(message, status);
      if (isOver || this.#fateOf(message) === 'void') this.#forget(message);
    }
  }

  #take(message: ReceivedMessage): void {
    if (this.#isUsed(message)) {
      message.done();
      return;
    }
    if (this.#closedAs !== undefined) {
      // Anything else stays for a life to come.
      if (message.kind === 'answer' && isLeftBehind(message, this.#closedAs)) this.#forget(message);
      return;
    }
    if (message.kind === 'damaged') {
      this.#owner.warn(`Cannot read a message for this run: ${message.error.message}`);
      return;
    }
    const fate = this.#fateOf(message);
    if (fate === 'void') this.#drop(message);
    else if (message.kind === 'cancel') {
      this.#cancels.push(message);
      this.#owner.cancel(message.reason);
    } else {
      const answered = fate === 'taken' ? this.#listeners?.get(message.path) : undefined;
      if (answered === undefined) this.#waiting.push(message);
      else {
        answered(
          message.value,
          () => {
            // Its question is still open: it was refused.
            if (this.#fateOf(message) === 'taken') this.#forget(message);
            else message.done();
          },
          { at: message.at, signalId: message.signal?.signalId },
        );
      }
    }
  }

  #fateOf(message: Exclude<ReceivedMessage, { kind: 'damaged' }>): ReturnType<typeof fateOf> {
    const row = message.kind === 'answer' ? this.#owner.step(message.path) : undefined;
    return fateOf(message, this.#hearing, row);
  }

  /** A signal that this run has been given and has no use for is there for others. */
  #forget(message: Exclude<ReceivedMessage, { kind: 'damaged' }>): void {
    const signal = message.kind === 'answer' ? signalIn(message) : undefined;
    const done = (): void => {
      message.done();
    };
    if (signal === undefined || this.#claim.signals === undefined) done();
    else this.#claim.signals.putBack(signal, done);
  }

  /** Whether a step has taken the signal that it was made of: the process before this one died before it could remove it. */
  #isUsed(message: ReceivedMessage): boolean {
    if (message.kind !== 'answer' || message.signal === undefined) return false;
    const { path, signal } = message;
    // A resumed run has lost the rows of steps that its definition has no more.
    const rows = [this.#owner.step(path), this.#claim.state?.steps.get(path)];
    return rows.some((row) => hasTaken(row, signal.signalId));
  }

  #drop(message: Exclude<ReceivedMessage, { kind: 'damaged' }>): void {
    this.#forget(message);
    // What was meant for an earlier run of this id does not concern this one.
    if (message.incarnation !== this.#hearing.incarnation) return;
    this.#owner.warn(
      message.kind === 'answer'
        ? `Dropped an answer to step "${message.path}": its question is no longer open`
        : `Dropped a cancel that was meant for life ${String(message.life)}`,
    );
  }
}

/** Whether it is a signal that a run has been given which may never go on. */
function isLeftBehind({ signal }: ReceivedAnswer, status: RunStatus): boolean {
  return signal !== undefined && !canHear(status);
}
