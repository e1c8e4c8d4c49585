import type { Claim, ReceivedMessage } from '../../store/store';
import type { Stop } from '../../streams/pull';

/** The messages from outside that concern one life of a run. */
export interface Mailbox {
  /** Begins to hear. */
  open(): void;
  /** Hears the answers for a step: those that wait at once, later ones as they come. */
  hear(path: string, answered: (value: unknown, done: () => void) => void): Stop;
  /** Paths of answers for which nobody listens. */
  unheard(): readonly string[];
  /** Hears nothing more. A run that has finished needs none of what is left. */
  close(isFinished: boolean): void;
}

/** Who is told of messages that are no answers. */
export interface MailboxOwner {
  cancel(reason: string | undefined): void;
  warn(message: string): void;
}

/** Sorts messages by the step they are for; what nobody waits for yet is kept. */
export function mailbox(claim: Claim, owner: MailboxOwner): Mailbox {
  const waiting: ReceivedMessage[] = [];
  const cancels: ReceivedMessage[] = [];
  const listeners = new Map<string, (value: unknown, done: () => void) => void>();
  let stop: Stop | undefined;

  const take = (message: ReceivedMessage): void => {
    switch (message.kind) {
      case 'cancel':
        cancels.push(message);
        owner.cancel(message.reason);
        break;
      case 'damaged':
        owner.warn(`Cannot read a message for this run: ${message.error.message}`);
        break;
      case 'answer': {
        const answered = listeners.get(message.path);
        if (answered === undefined) waiting.push(message);
        else {
          answered(message.value, () => {
            message.done();
          });
        }
      }
    }
  };

  return {
    open() {
      stop = claim.inbox(take);
    },
    hear(path, answered) {
      listeners.set(path, answered);
      for (const message of waiting.filter((each) => each.kind === 'answer' && each.path === path)) {
        if (listeners.get(path) !== answered) break;
        waiting.splice(waiting.indexOf(message), 1);
        take(message);
      }
      return () => {
        if (listeners.get(path) === answered) listeners.delete(path);
      };
    },
    unheard: () => waiting.flatMap((message) => (message.kind === 'answer' ? [message.path] : [])),
    close(isFinished) {
      stop?.();
      for (const message of cancels) message.done();
      if (isFinished) for (const message of waiting) message.done();
    },
  };
}
