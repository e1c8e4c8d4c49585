import { randomUUID } from 'node:crypto';

import type { Observable } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../lib/codec/json';
import type { Stop } from '../../lib/graph/answer';
import type { CallCallbacks } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import type { Agent } from '../../lib/model/agent';
import type { RunEvent } from '../../lib/model/event';
import { toFailure } from '../../lib/model/failure';
import type { LogLevel } from '../../lib/model/logLevel';
import type { StepTable } from '../../lib/model/stepTable';
import type { AnswerCache } from '../../lib/store/answerCache';
import { callFunction } from '../../operators/engineKit';
import { LARGEST_VALUE } from './limits';
import type { NestedSteps } from './nestedSteps';
import { nestedSteps } from './nestedSteps';
import type { BelowStep, CallId, CallResult } from './protocol';
import type { Teller } from './teller';

/** What is called, and what its call needs. */
export interface ToldCallOptions {
  readonly runId: string;
  readonly task: StepTask;
  readonly input: unknown;
  readonly teller: Teller;
  readonly keepPartials: boolean;
  /** Whether what steps below it have done is told with the answer. */
  readonly keepsBelow: boolean;
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
export class ToldCall implements CallCallbacks {
  readonly #options: ToldCallOptions;
  readonly #ended: (result: CallResult) => void;
  readonly #attempt: number;
  readonly #kept: unknown[] | undefined;
  #id: CallId | undefined;
  #stop: Stop | undefined;
  #nested: NestedSteps | undefined;
  #partials = 0;
  #logs = 0;
  #isEnded = false;
  #isStopped = false;

  constructor(options: ToldCallOptions, ended: (result: CallResult) => void) {
    this.#options = options;
    this.#ended = ended;
    this.#attempt = options.task.attempt;
    this.#kept = options.keepPartials ? [] : undefined;
  }

  begin(): void {
    const { runId, task, input } = this.#options;
    this.#stop = callFunction(runId, task, input, this, asyncScheduler);
  }

  /** Nobody wants the answer any more. */
  stop(): void {
    this.#isStopped = true;
    this.#nested?.close();
    this.#stop?.();
  }

  emit(task: StepTask, value: unknown): void | Promise<void> {
    const index = this.#partials;
    this.#partials += 1;
    this.#kept?.push(value);
    if (isTellable(value)) {
      const { path, definition } = task;
      const at = asyncScheduler.now();
      const { runId } = this.#options;
      this.#tell(`e:${this.#callId().execution}:${path}:${index}`, {
        type: 'step.emitted',
        runId,
        seq: 0,
        at,
        path,
        agent: definition.name,
        attempt: this.#attempt,
        index,
        value,
      });
    }
    return this.#options.live?.(value);
  }

  log(task: StepTask, level: LogLevel, message: string, data?: object | (() => object)): void {
    // What comes late is not told: the end is on its way into the journal.
    if (this.#isEnded) return;
    const details = typeof data === 'function' ? (data as () => object)() : data;
    this.#tell(`l:${this.#callId().execution}:${this.#logs}`, {
      type: 'step.logged',
      runId: this.#options.runId,
      seq: 0,
      at: asyncScheduler.now(),
      path: task.path,
      level,
      message,
      ...(details !== undefined && isTellable(details) && { data: details }),
    });
    this.#logs += 1;
  }

  step<I, O>(_task: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O> {
    const { runId, teller, known, cache } = this.#options;
    this.#nested ??= nestedSteps({ runId, under: this.#callId(), teller, known, cache });
    if (this.#isEnded || this.#isStopped) this.#nested.close();
    return this.#nested.step(id, agent, input);
  }

  done(task: StepTask, output: unknown): void {
    this.#end((at) => doneOr(task, output, at));
  }

  fail(task: StepTask, error: unknown): void {
    this.#end((at) => ({ kind: 'failed', at, failure: toFailure(error, task.path) }));
  }

  #callId(): CallId {
    if (this.#id === undefined) {
      executions += 1;
      const { path } = this.#options.task;
      this.#id = { path, attempt: this.#attempt, execution: `${HERE} ${executions}` };
    }
    return this.#id;
  }

  #tell(key: string, event: RunEvent): void {
    this.#options.teller.add({ key, under: this.#callId(), event });
  }

  #end(outcome: (at: number) => Outcome): void {
    const at = asyncScheduler.now();
    this.#isEnded = true;
    this.#nested?.close();
    const isQuiet = this.#partials === 0 && this.#logs === 0 && this.#nested === undefined;
    // Most calls tell nothing, and a result put together from conditional parts took longer than the call.
    if (isQuiet && this.#kept === undefined && this.#options.teller.told() === 0) this.#ended(outcome(at));
    else void this.#endAfterTelling(at, outcome);
  }

  async #endAfterTelling(at: number, outcome: (at: number) => Outcome): Promise<void> {
    const { teller } = this.#options;
    if (this.#partials > 0 || this.#logs > 0) await teller.settled();
    const below = await this.#doneBelow();
    const tail = this.#id === undefined ? [] : teller.take(this.#id.execution).map(({ event }) => event);
    const failedBelow = this.#nested?.failedBelow ?? [];
    const told = teller.told();
    this.#ended({
      ...outcome(at),
      ...(told > 0 && { told }),
      ...(this.#partials > 0 && { partials: this.#partials }),
      ...(tail.length > 0 && { tail }),
      ...(below.length > 0 && { below }),
      ...(this.#kept !== undefined && { kept: this.#kept }),
      ...(failedBelow.length > 0 && { failedBelow }),
    });
  }

  /** What a saga may have to undo must not be missing: while it cannot be read, the call has no end. */
  async #doneBelow(): Promise<readonly BelowStep[]> {
    const { keepsBelow, known, task } = this.#options;
    if (!keepsBelow || this.#nested === undefined) return [];
    for (;;) {
      try {
        return doneBelow(await known(), task.path);
      } catch {
        // The server was away for longer than its patience; it asks another worker, or is back.
        if (this.#isStopped) return [];
      }
    }
  }
}

type Outcome = Extract<CallResult, { readonly kind: 'done' | 'failed' }>;

function doneBelow(table: StepTable | undefined, path: string): readonly BelowStep[] {
  return [...(table ?? [])]
    .filter(({ status, stepId }) => status === 'COMPLETED' && stepId.startsWith(`${path}/`))
    .map(({ stepId, agent, output }) => ({ path: stepId, agent, output }));
}

/** The output in the form in which it is saved, or why it cannot be. */
function doneOr(task: StepTask, output: unknown, at: number): Outcome {
  try {
    const { output: codec } = task.definition;
    const stored = jsonValue(codec === undefined ? output : codec.encode(output), task.path, {
      bytes: LARGEST_VALUE,
    });
    return { kind: 'done', at, output: stored };
  } catch (error) {
    return { kind: 'failed', at, failure: toFailure(error, task.path) };
  }
}

function isTellable(value: unknown): boolean {
  try {
    return JSON.stringify([value]).length <= LARGEST_VALUE;
  } catch {
    return false;
  }
}
