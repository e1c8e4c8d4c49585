import type { Claim, ReceivedMessage } from '../../store/store';
import type { Stop } from '../../streams/pull';

/** Who is told of messages that are no answers. */
export interface MailboxOwner {
  cancel(reason: string | undefined): void;
  warn(message: string): void;
}

type Listener = (value: unknown, done: () => void) => void;

/** The messages from outside that concern one life of a run, by the step they are for; what nobody waits for yet is kept. */
export class Mailbox {
  readonly #claim: Claim;
  readonly #owner: MailboxOwner;
  readonly #waiting: ReceivedMessage[] = [];
  readonly #cancels: ReceivedMessage[] = [];
  readonly #listeners = new Map<string, Listener>();
  #stop: Stop | undefined;

  constructor(claim: Claim, owner: MailboxOwner) {
    this.#claim = claim;
    this.#owner = owner;
  }

  /** Begins to hear. */
  open(): void {
    this.#stop = this.#claim.inbox((message) => {
      this.#take(message);
    });
  }

  /** Hears the answers for a step: those that wait at once, later ones as they come. */
  hear(path: string, answered: Listener): Stop {
    const waiting = this.#waiting;
    this.#listeners.set(path, answered);
    for (const message of waiting.filter((each) => each.kind === 'answer' && each.path === path)) {
      if (this.#listeners.get(path) !== answered) break;
      waiting.splice(waiting.indexOf(message), 1);
      this.#take(message);
    }
    return () => {
      if (this.#listeners.get(path) === answered) this.#listeners.delete(path);
    };
  }

  /** Paths of answers for which nobody listens. */
  unheard(): readonly string[] {
    return this.#waiting.flatMap((message) => (message.kind === 'answer' ? [message.path] : []));
  }

  /** Hears nothing more. A run that has finished needs none of what is left. */
  close(isFinished: boolean): void {
    this.#stop?.();
    for (const message of this.#cancels) message.done();
    if (isFinished) for (const message of this.#waiting) message.done();
  }

  #take(message: ReceivedMessage): void {
    switch (message.kind) {
      case 'cancel':
        this.#cancels.push(message);
        this.#owner.cancel(message.reason);
        break;
      case 'damaged':
        this.#owner.warn(`Cannot read a message for this run: ${message.error.message}`);
        break;
      case 'answer': {
        const answered = this.#listeners.get(message.path);
        if (answered === undefined) this.#waiting.push(message);
        else {
          answered(message.value, () => {
            message.done();
          });
        }
      }
    }
  }
}
