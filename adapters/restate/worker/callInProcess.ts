import { asyncScheduler } from 'rxjs';

import { admitTo } from '../../../lib/engine/local/limiter';
import type { Stop } from '../../../lib/streams/pull';
import type { CallResult } from '../protocol/protocol';
import { recordedFailure } from '../protocol/wireFailure';
import type { ReportedCallOptions } from './reportedCall';
import { ReportedCall } from './reportedCall';

/** A call of an agent's function in this process. */
export interface InProcessCall {
  /** Calls it; never rejects. */
  run(): Promise<CallResult>;
  /** Nobody wants the answer any more: aborts the call. */
  stop(): void;
  /** The journal is out of reach: aborts the call, and leaves it without an answer. */
  abandon(): void;
}

/** What is called, and when. */
export interface InProcessOptions extends ReportedCallOptions {
  /** Where the call stands while it is under way. */
  readonly underWay: Set<InProcessCall>;
}

/** Calls the function of an agent once, when the limit of its policy has room: in this process, one object is one limit. */
export function callInProcess(options: InProcessOptions): InProcessCall {
  return new LimitedCall(options);
}

/** A class, because there is one for every step: see `ReportedCall`. */
class LimitedCall implements InProcessCall {
  readonly #options: InProcessOptions;
  #call: ReportedCall | undefined;
  #leaveLimit: Stop | undefined;
  #resolve: ((result: CallResult) => void) | undefined;
  #isStopped = false;
  #isEnded = false;

  constructor(options: InProcessOptions) {
    this.#options = options;
  }

  run(): Promise<CallResult> {
    return new Promise((resolve) => {
      if (this.#isStopped) {
        resolve(stopped());
        return;
      }
      this.#resolve = resolve;
      this.#options.underWay.add(this);
      this.#enter();
    });
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#abort();
    this.#resolve?.(stopped());
  }

  abandon(): void {
    if (!this.#isStopped) this.#abort();
  }

  /** Begins when the limit has room: maybe from within this call, and what is called may end or be stopped there too. */
  #enter(): void {
    const { input, task } = this.#options;
    const { limit } = task.policy;
    if (limit === undefined) {
      this.#begin();
      return;
    }
    try {
      // The rate counts from where the function is called, not from here.
      const enter = (): void => {
        this.#begin();
      };
      this.#leaveLimit = admitTo(limit, { input, limitKey: task.limitKey }, asyncScheduler, enter, task);
      if (this.#isEnded || this.#isStopped) this.#leaveLimit();
    } catch (error) {
      this.#end({ kind: 'failed', failure: recordedFailure(error, task.path), at: asyncScheduler.now() });
    }
  }

  #begin(): void {
    this.#call = new ReportedCall(this.#options, (result) => {
      this.#end(result);
    });
    this.#call.begin();
  }

  #end(result: CallResult): void {
    if (this.#isStopped) return;
    this.#isEnded = true;
    this.#options.underWay.delete(this);
    this.#leaveLimit?.();
    this.#resolve?.(result);
  }

  #abort(): void {
    this.#isStopped = true;
    this.#options.underWay.delete(this);
    this.#call?.stop();
    this.#leaveLimit?.();
  }
}

function stopped(): CallResult {
  return { kind: 'stopped', at: asyncScheduler.now() };
}
