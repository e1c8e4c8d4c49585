import { randomUUID } from 'node:crypto';

import type { Observable } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../../lib/codec/jsonValue';
import type { CallCallbacks } from '../../../lib/engine/engine';
import { callFunction } from '../../../lib/engine/local/callFunction';
import type { StepTask } from '../../../lib/engine/task';
import { StateValueError } from '../../../lib/errors/runErrors';
import type { Agent, Services } from '../../../lib/model/agentType';
import { bailIn } from '../../../lib/model/bail';
import type { LogLevel, RunEvent } from '../../../lib/model/event';
import type { RunIdentity } from '../../../lib/model/incarnation';
import type { StepTable } from '../../../lib/model/stepTable';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Stop } from '../../../lib/streams/pull';
import { IngressError } from '../protocol/ingress';
import { pause } from '../protocol/pause';
import type { NestedResult, CallId, CallResult } from '../protocol/protocol';
import type { KeptPartials } from '../protocol/wireEvent';
import { jsonBytes, keptPartials, toWire } from '../protocol/wireEvent';
import { recordedFailure } from '../protocol/wireFailure';
import { LARGEST_MESSAGE, LARGEST_VALUE } from '../protocol/wireLimits';
import type { EventPublisher } from './eventPublisher';
import { NestedEngine } from './nestedEngine';

/** What is called, and what its call needs. */
export interface ReportedCallOptions {
  readonly run: RunIdentity;
  readonly task: StepTask;
  readonly input: unknown;
  readonly publisher: EventPublisher;
  readonly keepPartials: boolean;
  readonly services?: Services | undefined;
  /** Whether what steps below it have done is told with the answer. */
  readonly keepsNested: boolean;
  /** Whether what is kept of steps below it, of another input or agent, is dropped. */
  readonly onMismatch: 'refuse' | 'actual';
  /** Answers for steps below it. */
  readonly cache: AnswerCache;
  /** What earlier calls of this step have left of steps below it. */
  readonly known: () => Promise<StepTable | undefined>;
  /** Hears partial results in this process; where a Promise comes back, the next is only asked for afterwards. */
  readonly live?: (value: unknown) => void | Promise<void>;
}

/** Tells the executions of this process from those of others. */
const HERE = randomUUID();
let executions = 0;

/**
 * One call of an agent's function. What it tells on the way is told beside the journal; what comes of it is handed to
 * `ended`, once what was told has arrived: whoever reads the end finds the rest.
 *
 * A class, because there is one for every step and a dozen closures each would cost more than most functions.
 */
export class ReportedCall implements CallCallbacks {
  readonly #options: ReportedCallOptions;
  readonly #ended: (result: CallResult) => void;
  readonly #attempt: number;
  /** What others read live must be what they would read after a resume, so both are checked. */
  readonly #kept: KeptPartials | undefined;
  #id: CallId | undefined;
  #stop: Stop | undefined;
  #nested: NestedEngine | undefined;
  #reading: AbortController | undefined;
  #partials = 0;
  #logs = 0;
  #isEnded = false;
  #isStopped = false;

  constructor(options: ReportedCallOptions, ended: (result: CallResult) => void) {
    const { task, keepPartials, live } = options;
    this.#options = options;
    this.#ended = ended;
    this.#attempt = task.attempt;
    this.#kept = keepPartials || live !== undefined ? keptPartials(task.path) : undefined;
  }

  begin(): void {
    const { run, task, input, services } = this.#options;
    this.#stop = callFunction(run, task, input, this, asyncScheduler, services);
    // It may have been stopped, or have failed, while it was still being called.
    if (!this.isWanted()) this.#stop?.();
  }

  /** Nobody wants the answer any more. */
  stop(): void {
    this.#isStopped = true;
    this.#stop?.();
    this.#nested?.close();
    this.#reading?.abort();
  }

  isWanted(): boolean {
    return !this.#isEnded && !this.#isStopped;
  }

  emit(task: StepTask, given: unknown): void | Promise<void> {
    if (!this.isWanted()) return undefined;
    let value = given;
    try {
      if (this.#kept !== undefined) value = this.#kept.add(given);
    } catch (error) {
      // Here and not where it is read: only what ends the call is in the journal.
      this.fail(task, error);
      this.#stop?.();
      return undefined;
    }
    const index = this.#partials;
    this.#partials += 1;
    const { run, live } = this.#options;
    const { runId } = run;
    const { path, definition } = task;
    const [at, attempt] = [asyncScheduler.now(), this.#attempt];
    const told = { runId, seq: 0, at, path, agent: definition.name, attempt, index, value };
    this.#tell(`e:${this.#callId().execution}:${path}:${index}`, { type: 'step.emitted', ...told });
    return live?.(value);
  }

  log(task: StepTask, level: LogLevel, message: string, data?: object | (() => object)): void {
    // What comes late is not told: the end is on its way into the journal.
    if (this.#isEnded) return;
    this.#tell(`l:${this.#callId().execution}:${this.#logs}`, {
      type: 'step.logged',
      runId: this.#options.run.runId,
      seq: 0,
      at: asyncScheduler.now(),
      path: task.path,
      level,
      message,
      ...(data !== undefined && { data }),
    });
    this.#logs += 1;
  }

  step<I, O>(task: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O> {
    const { run, publisher, known, cache, services, onMismatch } = this.#options;
    const cannotWait = (error: Error): void => {
      this.fail(task, error);
      this.#stop?.();
    };
    this.#nested ??= new NestedEngine({
      run,
      under: this.#callId(),
      publisher,
      known,
      cache,
      services,
      onMismatch,
      cannotWait,
    });
    if (!this.isWanted()) this.#nested.close();
    return this.#nested.step(id, agent, input);
  }

  done(task: StepTask, output: unknown): void {
    if (!this.#isEnded) this.#end(doneEnd(task, output, asyncScheduler.now()));
  }

  fail(task: StepTask, error: unknown): void {
    if (!this.#isEnded) this.#end(failedEnd(task, error, asyncScheduler.now()));
  }

  #callId(): CallId {
    if (this.#id === undefined) {
      executions += 1;
      const { path } = this.#options.task;
      this.#id = { path, attempt: this.#attempt, execution: `${HERE} ${executions}` };
    }
    return this.#id;
  }

  #tell(key: string, given: RunEvent): void {
    const event = toWire(given);
    if (event !== undefined) this.#options.publisher.add({ key, under: this.#callId(), event });
  }

  #end(end: CallEnd): void {
    this.#isEnded = true;
    this.#nested?.close();
    const isQuiet = this.#partials === 0 && this.#logs === 0 && this.#nested === undefined;
    // Most calls tell nothing, and a result put together from conditional parts took longer than the call.
    if (isQuiet && this.#kept === undefined && this.#options.publisher.told() === 0) this.#ended(end);
    else void this.#endAfterTelling(end);
  }

  async #endAfterTelling(end: CallEnd): Promise<void> {
    const { publisher, task, keepPartials } = this.#options;
    const kept = keepPartials ? this.#kept?.values : undefined;
    const last = await this.#below().then(
      (below) => (kept === undefined && below.length === 0 ? end : endWith(task, end, kept, below)),
      (error: unknown) => failedEnd(task, error, end.at),
    );
    const tail = this.#id === undefined ? [] : await publisher.take(this.#id.execution);
    const { failedBelow = [], heardFailures: heard = [] } = this.#nested ?? {};
    const told = publisher.told();
    this.#ended({
      ...last,
      ...(told > 0 && { told }),
      ...(this.#partials > 0 && { partials: this.#partials }),
      ...(tail.length > 0 && { tail: tail.map(({ event }) => event) }),
      ...(failedBelow.length > 0 && { failedBelow }),
      ...(heard.length > 0 && { heard }),
    });
  }

  /** What a saga may have to undo of steps that the function asked for. */
  async #below(): Promise<readonly NestedResult[]> {
    const { keepsNested, known, task } = this.#options;
    if (!keepsNested || this.#nested === undefined) return [];
    this.#reading = new AbortController();
    if (this.#isStopped) this.#reading.abort();
    return nestedResults(known, task.path, this.#reading.signal);
  }
}

/** How a call ended by itself. */
export type CallEnd = Extract<CallResult, { readonly kind: 'done' | 'failed' }>;

/** A call that has failed. */
function failedEnd(task: StepTask, error: unknown, at: number): CallEnd {
  return { kind: 'failed', at, failure: recordedFailure(error, task.path) };
}

/** The output in the form in which it is saved, or why it cannot be. */
function doneEnd(task: StepTask, output: unknown, at: number): CallEnd {
  try {
    const early = bailIn(output);
    if (early !== undefined) {
      const stored = jsonValue(early.value, task.path, { bytes: LARGEST_VALUE });
      return { kind: 'done', at, output: stored, bailed: true };
    }
    const { output: codec } = task.definition;
    const stored = jsonValue(codec === undefined ? output : codec.encode(output), task.path, {
      bytes: LARGEST_VALUE,
    });
    return { kind: 'done', at, output: stored };
  } catch (error) {
    return failedEnd(task, error, at);
  }
}

/**
 * The end with what is kept beside it, as one entry of the journal: a failure where all of it together is larger than one
 * value may be. What was done below stays with the failure, because a saga has to undo it.
 */
function endWith(
  task: StepTask,
  end: CallEnd,
  kept: readonly unknown[] | undefined,
  below: readonly NestedResult[],
): CallEnd {
  const beside = { ...(kept !== undefined && { kept }), ...(below.length > 0 && { below }) };
  const output = end.kind === 'done' ? end.output : undefined;
  const bytes = jsonBytes(output) + jsonBytes(kept) + below.reduce((sum, step) => sum + jsonBytes(step), 0);
  if (bytes <= LARGEST_VALUE) return { ...end, ...beside };
  const why = `larger than ${LARGEST_VALUE} bytes together with the partial results that are kept and what steps below it gave`;
  const failed =
    end.kind === 'failed' ? end : failedEnd(task, new StateValueError(task.path, '', why), end.at);
  return { ...failed, ...beside, ...(below.length > 0 && { below: nestedThatFit(below) }) };
}

/** No entry can carry more, and one that is too large would be written again for ever. */
function nestedThatFit(below: readonly NestedResult[]): readonly NestedResult[] {
  let bytes = 0;
  return below.filter((step) => (bytes += jsonBytes(step)) <= LARGEST_MESSAGE / 2);
}

/**
 * What steps asked for by a function have done. A saga may have to undo it, so it must not be missing: while it cannot be
 * read, it is asked for again, until nobody wants it any more.
 *
 * @param known - Reads what is known of steps below this one.
 * @throws IngressError when the server refuses to say: it always will.
 */
async function nestedResults(
  known: () => Promise<StepTable | undefined>,
  path: string,
  signal: AbortSignal,
): Promise<readonly NestedResult[]> {
  while (!signal.aborted) {
    try {
      return completedNested(await known(), path);
    } catch (error) {
      if (error instanceof IngressError && isFinal(error.status)) throw error;
      // The server was away for longer than its patience; it asks another worker, or is back.
      await pause(AGAIN_MS, signal);
    }
  }
  return [];
}

const AGAIN_MS = 250;

/** A question that was too slow, or one of too many, is answered another time. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function completedNested(table: StepTable | undefined, path: string): readonly NestedResult[] {
  return [...(table ?? [])]
    .filter(({ status, stepId }) => status === 'COMPLETED' && stepId.startsWith(`${path}/`))
    .map(({ stepId, agent, output }) => ({ path: stepId, agent, output }));
}
