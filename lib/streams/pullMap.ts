import type { Observable, OperatorFunction, Unsubscribable } from 'rxjs';
import { Subject, takeUntil, takeWhile } from 'rxjs';

import { Fifo } from './fifo';
import { currentPace, withPace } from './pace';
import type { OpenPull, Pull, PullReceiver } from './pull';
import { fromPull, pullFrom, pullOf, pushAll } from './pull';
import { carried, currentItem, deliver } from './streamItem';

/**
 * `mergeMap` that carries demand and never deepens the stack: it asks for an input only when there is room for it, and does so
 * in a loop, however many inputs end at once. Inputs that a source pushes too early wait. The result can be pulled itself.
 *
 * An error of the source is passed on after the answers to all inputs before it. An error of `project`, or of the stream it
 * returned, stops the others and ends the stream.
 *
 * @param sourceFailed - Called with an error of the source before that is passed on.
 */
export function pullMap<I, O>(
  project: (input: I, index: number) => Observable<O>,
  concurrency: number,
  sourceFailed?: (error: unknown) => void,
): OperatorFunction<I, O> {
  return (source) => {
    const open: OpenPull<O> = (receiver) =>
      new MappedPull({ source, project, concurrency, sourceFailed }, receiver);
    return pullOf(source) === undefined ? pushAll(open) : fromPull(open);
  };
}

interface Mapping<I, O> {
  readonly source: Observable<I>;
  readonly project: (input: I, index: number) => Observable<O>;
  readonly concurrency: number;
  readonly sourceFailed: ((error: unknown) => void) | undefined;
}

/** The stream made from one input, while it is under way. */
interface Running {
  readonly leave: Subject<void>;
  subscription?: Unsubscribable;
}

/** Inputs under way and answers not yet taken are together at most `concurrency`. */
class MappedPull<I, O> implements Pull {
  readonly #mapping: Mapping<I, O>;
  readonly #receiver: PullReceiver<O>;
  readonly #inputs: Pull;
  /** That of whoever reads the answers: streams that begin later come at it too. */
  readonly #pace = currentPace();
  readonly #ready = new Fifo<O>();
  readonly #running = new Set<Running>();
  #index = 0;
  #wanted = 0;
  #isAsking = false;
  #isGiving = false;
  #isOver = false;
  /** How the source ended; what is under way goes on. */
  #ended: { readonly error?: unknown } | undefined;
  /** The error that ended everything. */
  #failed: { readonly error: unknown } | undefined;

  constructor(mapping: Mapping<I, O>, receiver: PullReceiver<O>) {
    this.#mapping = mapping;
    this.#receiver = receiver;
    this.#inputs = pullFrom(mapping.source, {
      item: (input) => {
        this.#isAsking = false;
        this.#begin(input as I);
        this.#ask();
      },
      end: () => {
        this.#ended = {};
        this.#give();
      },
      fail: (error) => {
        mapping.sourceFailed?.(error);
        this.#ended = { error };
        this.#give();
      },
    });
  }

  next(): void {
    this.#wanted += 1;
    this.#give();
    this.#ask();
  }

  stop(): void {
    this.#isOver = true;
    this.#leaveAll();
  }

  /** Asks for an input when there is room. Called from within an earlier input, it returns first: the input comes afterwards. */
  #ask(): void {
    if (this.#isAsking || this.#isOver || this.#ended !== undefined || this.#failed !== undefined) return;
    if (this.#running.size + this.#ready.length >= this.#mapping.concurrency) return;
    this.#isAsking = true;
    this.#inputs.next();
  }

  #begin(input: I): void {
    let answers: Observable<O>;
    try {
      answers = this.#mapping.project(input, this.#index++);
    } catch (error) {
      this.#fail(error);
      return;
    }
    // What is done with an input of a stream that remembers belongs to its item, which is handled when this has ended.
    const item = currentItem();
    const release = item?.hold();
    const left$ = new Subject<void>();
    const one: Running = { leave: left$ };
    this.#running.add(one);
    // Checked after each value: the subscriber may leave while this stream is still subscribing.
    const wanted = answers.pipe(
      takeWhile((value) => {
        this.#ready.push(carried(value, item));
        this.#give();
        return !this.#isOver && this.#failed === undefined;
      }),
      takeUntil(left$),
    );
    const observer = {
      error: (error: unknown) => {
        this.#fail(error);
      },
      complete: () => {
        if (this.#isOver || this.#failed !== undefined) return;
        this.#running.delete(one);
        this.#give();
        release?.();
        this.#ask();
      },
    };
    one.subscription = withPace(this.#pace, () => wanted.subscribe(observer));
    if (this.#isOver || this.#failed !== undefined) one.subscription.unsubscribe();
  }

  #fail(error: unknown): void {
    if (this.#failed !== undefined || this.#isOver) return;
    this.#failed = { error };
    try {
      this.#leaveAll();
    } finally {
      this.#give();
    }
  }

  /** What is under way is left too where the teardown of the source throws. */
  #leaveAll(): void {
    try {
      this.#inputs.stop();
    } finally {
      this.#stopRunning();
    }
  }

  #stopRunning(): void {
    const running = [...this.#running];
    this.#running.clear();
    const errors: unknown[] = [];
    for (const one of running) {
      try {
        // One that is still subscribing is told so in another way.
        if (one.subscription === undefined) one.leave.next();
        else one.subscription.unsubscribe();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Passes on the answers that are wanted, and after them the end. */
  #give(): void {
    if (this.#isGiving) return;
    this.#isGiving = true;
    try {
      while (this.#wanted > 0 && this.#ready.length > 0 && !this.#isOver) {
        this.#wanted -= 1;
        deliver(this.#ready.shift(), this.#item);
      }
      if (this.#wanted > 0 && !this.#isOver) this.#finish();
    } finally {
      this.#isGiving = false;
    }
  }

  readonly #item = (value: O): void => {
    this.#receiver.item(value);
  };

  #finish(): void {
    const how = this.#failed ?? (this.#running.size === 0 ? this.#ended : undefined);
    if (how === undefined) return;
    this.#isOver = true;
    if ('error' in how) this.#receiver.fail(how.error);
    else this.#receiver.end();
  }
}
