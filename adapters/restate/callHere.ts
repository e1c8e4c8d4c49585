import { randomUUID } from 'node:crypto';

import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../lib/codec/json';
import type { StepTask } from '../../lib/graph/stepTask';
import type { LimitPolicy } from '../../lib/model/agent';
import type { RunEvent } from '../../lib/model/event';
import { toFailure } from '../../lib/model/failure';
import type { AnswerCache } from '../../lib/store/answerCache';
import type { StepTable } from '../../lib/model/stepTable';
import type { Stop } from '../../lib/graph/answer';
import { callFunction, limiterOf } from '../../operators/engineKit';
import { LARGEST_VALUE } from './limits';
import type { NestedSteps } from './nestedSteps';
import { nestedSteps } from './nestedSteps';
import type { BelowStep, CallId, CallResult } from './protocol';
import type { Teller } from './teller';

/** Tells the executions of this process from those of others. */
const HERE = randomUUID();
let executions = 0;

/** A call of an agent's function in this process. */
export interface HereCall {
  /** Calls it; never rejects. */
  run(): Promise<CallResult>;
  /** Nobody wants the answer any more: aborts the call. */
  stop(): void;
  /** The journal is out of reach: aborts the call, and leaves it without an answer. */
  abandon(): void;
}

/** What is called, and what its call needs. */
export interface HereOptions {
  readonly runId: string;
  readonly task: StepTask;
  readonly input: unknown;
  readonly teller: Teller;
  readonly keepPartials: boolean;
  /** Whether what steps below it have done is told with the answer. */
  readonly keepsBelow: boolean;
  /** Answers for steps below it. */
  readonly cache: AnswerCache;
  /** How many such calls this process makes at once; one object is one limit. */
  readonly limit?: LimitPolicy | undefined;
  /** What earlier calls of this step have left of steps below it. */
  readonly known: () => Promise<StepTable | undefined>;
  /** Hears partial results in this process; where a Promise comes back, the next is only asked for afterwards. */
  readonly live?: (value: unknown) => void | Promise<void>;
}

/** Calls the function of an agent once. What it tells on the way is told beside the journal; what comes of it goes into it. */
export function callHere(options: HereOptions): HereCall {
  const { runId, task, teller } = options;
  let stopCall: (() => void) | undefined;
  let closeNested: (() => void) | undefined;
  let settle: ((result: CallResult) => void) | undefined;
  let leaveLimit: Stop | undefined;
  let isStopped = false;
  const stopped = (): CallResult => ({
    kind: 'stopped',
    at: asyncScheduler.now(),
  });

  const call = (resolve: (result: CallResult) => void): void => {
    executions += 1;
    const under: CallId = { path: task.path, attempt: task.attempt, execution: `${HERE} ${executions}` };
    const kept: unknown[] | undefined = options.keepPartials ? [] : undefined;
    let nested: NestedSteps | undefined;
    closeNested = () => {
      nested?.close();
    };
    let partials = 0;
    let logs = 0;
    let isEnded = false;
    const at = (): number => asyncScheduler.now();
    const base = { runId, seq: 0, path: task.path };

    const end = (outcome: () => Outcome): void => {
      const ended = at();
      isEnded = true;
      nested?.close();
      void quiet(teller, partials + logs).then(async () => {
        const below =
          options.keepsBelow && nested !== undefined ? doneBelow(await options.known(), task.path) : [];
        const tail = teller.take(under.execution).map(({ event }) => event);
        const failedBelow = nested?.failedBelow ?? [];
        const told = teller.told();
        const common = {
          at: ended,
          ...(told > 0 && { told }),
          ...(partials > 0 && { partials }),
          ...(tail.length > 0 && { tail }),
          ...(below.length > 0 && { below }),
          ...(kept !== undefined && { kept }),
          ...(failedBelow.length > 0 && { failedBelow }),
        };
        resolve({ ...common, ...outcome() });
      });
    };

    stopCall = callFunction(
      runId,
      { ...task, phase: 'running' },
      options.input,
      {
        emit(_task, value) {
          const index = partials;
          partials += 1;
          kept?.push(value);
          const event: RunEvent = {
            ...base,
            type: 'step.emitted',
            at: at(),
            agent: task.definition.name,
            attempt: task.attempt,
            index,
            value,
          };
          if (isTellable(value))
            teller.add({ key: `e:${under.execution}:${task.path}:${index}`, under, event });
          return options.live?.(value);
        },
        log(_task, level, message, data) {
          // What comes late is not told: the end is on its way into the journal.
          if (isEnded) return;
          const details = typeof data === 'function' ? (data as () => object)() : data;
          const event: RunEvent = {
            ...base,
            type: 'step.logged',
            at: at(),
            level,
            message,
            ...(details !== undefined && isTellable(details) && { data: details }),
          };
          teller.add({ key: `l:${under.execution}:${logs}`, under, event });
          logs += 1;
        },
        step(_task, id, agent, input) {
          nested ??= nestedSteps({ runId, under, teller, known: options.known, cache: options.cache });
          if (isEnded || isStopped) nested.close();
          return nested.step(id, agent, input);
        },
        done(_task, output) {
          end(() => doneOr(task, output));
        },
        fail(_task, error) {
          end(() => ({ kind: 'failed', failure: toFailure(error, task.path) }));
        },
      },
      asyncScheduler,
    );
  };

  /** Begins when the limit has room; what a call answers comes later than that. */
  const enter = (begin: () => void, resolve: (result: CallResult) => void): void => {
    const { limit, input } = options;
    if (limit === undefined) {
      begin();
      return;
    }
    try {
      leaveLimit = limiterOf(limit, asyncScheduler).admit(limit.key?.(input as never) ?? '', begin);
    } catch (error) {
      resolve({ kind: 'failed', failure: toFailure(error, task.path), at: asyncScheduler.now() });
    }
  };

  const abort = (): void => {
    isStopped = true;
    closeNested?.();
    stopCall?.();
    leaveLimit?.();
  };

  return {
    run: () =>
      new Promise((resolve) => {
        if (isStopped) {
          resolve(stopped());
          return;
        }
        settle = resolve;
        enter(() => {
          call((result) => {
            leaveLimit?.();
            resolve(result);
          });
        }, resolve);
      }),
    stop() {
      if (isStopped) return;
      abort();
      settle?.(stopped());
    },
    abandon() {
      if (!isStopped) abort();
    },
  };
}

type Outcome =
  | { readonly kind: 'done'; readonly output?: unknown }
  | { readonly kind: 'failed'; readonly failure: ReturnType<typeof toFailure> };

function doneBelow(table: StepTable | undefined, path: string): readonly BelowStep[] {
  return [...(table ?? [])]
    .filter(({ stepId, status }) => status === 'COMPLETED' && stepId.startsWith(`${path}/`))
    .map(({ stepId, agent, output }) => ({ path: stepId, agent, output }));
}

/** The output in the form in which it is saved, or why it cannot be. */
function doneOr(task: StepTask, output: unknown): Outcome {
  try {
    const { output: codec } = task.definition;
    const stored = jsonValue(codec === undefined ? output : codec.encode(output), task.path, {
      bytes: LARGEST_VALUE,
    });
    return { kind: 'done', output: stored };
  } catch (error) {
    return { kind: 'failed', failure: toFailure(error, task.path) };
  }
}

/** What is on its way must have arrived before the end is in the journal: whoever reads the end finds it. */
async function quiet(teller: Teller, parts: number): Promise<void> {
  if (parts === 0) return;
  await teller.settled();
}

function isTellable(value: unknown): boolean {
  try {
    return JSON.stringify([value]).length <= LARGEST_VALUE;
  } catch {
    return false;
  }
}
