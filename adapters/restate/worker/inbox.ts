import type { WorkflowContext } from '@restatedev/restate-sdk';

import type { Given } from '../../../lib/engine/engine';
import type { StepResult } from '../../../lib/model/stepResult';
import { fateOf } from '../../../lib/store/messages';
import type { Stop } from '../../../lib/streams/pull';
import type { GivenAnswer } from '../protocol/protocol';
import type { PendingOps } from './pendingOps';

/** Hears an answer for a step. */
type Listener = (value: unknown, done?: () => void, given?: Given) => void;

/** The life for which answers come. */
export interface InboxOwner {
  readonly incarnation: string | undefined;
  /** A step as it stands now. */
  step(path: string): StepResult | undefined;
  warn(message: string): void;
}

/**
 * The answers from outside for one life of a run: those it begins with, and those that come. Reads durable promises
 * `in:<index>`, one after another, from the first time that somebody waits for an answer. An answer stays here until it is done
 * with, because whoever it is for may only ask for it later; one that was meant for another question is dropped.
 */
export class Inbox {
  readonly #context: WorkflowContext;
  readonly #pending: PendingOps;
  readonly #owner: InboxOwner;
  readonly #answers: GivenAnswer[];
  readonly #listeners = new Map<string, Listener>();
  #position = -1;

  /** @param early - Answers that earlier lives have not used. */
  constructor(
    context: WorkflowContext,
    early: readonly GivenAnswer[],
    pending: PendingOps,
    owner: InboxOwner,
  ) {
    this.#context = context;
    this.#pending = pending;
    this.#owner = owner;
    this.#answers = [...early];
  }

  /** Hears the answers for a step: those that are there at once, later ones as they come. */
  signal(path: string, answered: Listener): Stop {
    this.#listeners.set(path, answered);
    if (this.#position < 0) this.#listen();
    // One that does not fit is done with; the next may.
    for (const given of this.#answers.filter((answer) => answer.path === path)) this.#offer(given);
    return () => {
      if (this.#listeners.get(path) === answered) this.#listeners.delete(path);
    };
  }

  /** Whether it waits for another answer. */
  get isListening(): boolean {
    return this.#position >= 0;
  }

  /** Paths of answers for which nobody listens. */
  unheard(): readonly string[] {
    return this.#answers.flatMap(({ path }) => (this.#listeners.has(path) ? [] : [path]));
  }

  /** Answers that nobody has used. */
  unused(): readonly GivenAnswer[] {
    return this.#answers;
  }

  /** Position of the first message that was not read. */
  read(): number {
    return Math.max(this.#position, 0);
  }

  #listen(): void {
    this.#position += 1;
    const next = this.#context.promise<GivenAnswer>(`in:${this.#position}`).get();
    this.#pending.await(next, (value) => {
      const given = value as GivenAnswer;
      this.#answers.push(given);
      this.#listen();
      this.#offer(given);
    });
  }

  #offer(given: GivenAnswer): void {
    const { path, value, at } = given;
    const hearing = { incarnation: this.#owner.incarnation, life: 0, since: 0 };
    const fate = fateOf({ kind: 'answer', ...given, value }, hearing, this.#owner.step(path));
    if (fate === 'void') {
      this.#drop(given);
      // What was meant for an earlier run of this id does not concern this one.
      if (given.incarnation === this.#owner.incarnation)
        this.#owner.warn(`Dropped an answer to step "${path}": its question is no longer open`);
    } else if (fate === 'taken') {
      this.#listeners.get(path)?.(
        value,
        () => {
          this.#drop(given);
        },
        { at },
      );
    }
  }

  #drop(given: GivenAnswer): void {
    const position = this.#answers.indexOf(given);
    if (position >= 0) this.#answers.splice(position, 1);
  }
}
