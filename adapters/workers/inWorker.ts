import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import { MessageChannel } from 'node:worker_threads';

import Piscina from 'piscina';

import type { CallContext } from '../../lib/engine/local/callFunction';
import type { Agent, StepContext } from '../../lib/model/agentType';
import { bail } from '../../lib/model/bail';
import type { AgentOptions } from '../../operators/agents/agent';
import { agent } from '../../operators/agents/agent';
import { madeWith } from '../../operators/agents/withPolicy';
import type { ThreadAnswer, ThreadCall, ThreadMessage } from './thread';
import { StepError } from '../../lib/errors/stepErrors';
import { InvalidArgumentError, toFailure } from '../../lib/model/failure';

/** How a function is called in the pool, and how its step is carried out. */
export interface InWorkerOptions<I, O> extends AgentOptions<I, O> {
  /** The pool; one for the whole process, with a thread for every core, when left out. */
  readonly pool?: Piscina;
  /** Name of the agent; that of the function when left out. */
  readonly as?: string;
}

/**
 * Makes an agent of a function that another file exports, and calls it in a thread of a pool: for work that keeps a core
 * busy. Input, output and partial results are copied between threads.
 *
 * The function gets the input and a context with `runId`, `path`, `attempt`, `idempotencyKey`, `emit` and `log`, `shared` as it was when
 * the call began, and `update` for what the `reduce` of the workflow takes, and may return a value, a Promise, an Observable or an AsyncIterable. When nobody wants the answer any more its thread is ended,
 * in the middle of a loop too, and the pool starts another one.
 *
 * @param file - Absolute path or `file:` URL of the module; in CommonJS `require.resolve('./heavy')`.
 * @throws InvalidArgumentError when the file is not absolute.
 *
 * @example
 * ```ts
 * const factor = inWorker<number, number[]>(require.resolve('./factor'), 'factor');
 * ```
 */
export function inWorker<I, O>(
  file: string | URL,
  name: string,
  { pool, as = name, ...options }: InWorkerOptions<I, O> = {},
): Agent<I, O> {
  const filename = file instanceof URL || file.startsWith('file:') ? fileURLToPath(file) : file;
  if (!isAbsolute(filename)) {
    throw new InvalidArgumentError(
      `Cannot call "${name}" in a thread: "${filename}" is no absolute path`,
      'give the absolute path of its file, such as require.resolve() gives',
    );
  }
  const call = (input: I, context: StepContext): Promise<O> =>
    callInThread<O>(pool ?? sharedPool(), { file: filename, name, input }, context);
  const called = agent(as, call as (input: I, context: StepContext) => unknown, options as object);
  return madeWith(called as unknown as Agent<I, O>, [filename, name]);
}

/**
 * A pool for `inWorker()`; `destroy()` ends its threads.
 *
 * @param threads - At most so many; one for each core when left out.
 * @param options - `file`: what the threads load, where a bundler has moved it: the path of `millrace/workers/thread`, built
 *   as an entry of its own.
 * @throws InvalidArgumentError when that file is not there.
 */
export function threadPool(
  threads: number = availableParallelism(),
  { file = require.resolve('./thread') }: { readonly file?: string } = {},
): Piscina {
  if (!existsSync(file)) {
    throw new InvalidArgumentError(
      `Cannot start threads: there is no file "${file}"`,
      'let your bundler build millrace/workers/thread as an entry of its own, and give its path: threadPool(4, { file })',
    );
  }
  const isSource = file.endsWith('.ts');
  return new Piscina({
    filename: file,
    name: 'callHere',
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: 5_000,
    // From the sources, as in tests and examples, threads compile what they load.
    ...(isSource && { execArgv: ['-r', 'ts-node/register/transpile-only'] }),
  });
}

let shared: Piscina | undefined;

function sharedPool(): Piscina {
  return (shared ??= threadPool());
}

async function callInThread<O>(
  pool: Piscina,
  call: Pick<ThreadCall, 'file' | 'name' | 'input'>,
  context: StepContext & Partial<Pick<CallContext, 'hold'>>,
): Promise<O> {
  // Until its thread begins, this call waits for others.
  const begins = context.hold?.();
  const leave = await placeIn(pool, context.signal);
  const { port1: here, port2: there } = new MessageChannel();
  const { runId, path, attempt, idempotencyKey } = context;
  const { shared } = context;
  const task: ThreadCall = { ...call, runId, path, attempt, idempotencyKey, shared, port: there };
  const heard = listen(here, context, begins);
  try {
    const answer = (await pool.run(task, { signal: context.signal, transferList: [there] })) as ThreadAnswer;
    // The end may overtake the last of what is told.
    const value = await heard(answer.told);
    if (answer.ok) return value as O;
    throw new StepError(answer.failure, undefined);
  } catch (error) {
    const { name, message } = toFailure(error);
    if (name !== 'DataCloneError') throw error;
    throw new InvalidArgumentError(
      `Cannot send the input of "${call.name}" to its thread: ${message}`,
      'give what can be copied, no functions',
    );
  } finally {
    leave();
    here.close();
  }
}

/** The calls of a pool: those under way, and in order those that wait for a thread. */
interface Calls {
  underWay: number;
  readonly waiting: Set<() => void>;
}

const callsIn = new WeakMap<Piscina, Calls>();

/**
 * Waits until a thread can take one more call. What comes back gives the place to the next one.
 *
 * The pool has a queue of its own, but where the calls in threads and in the queue are aborted together it starts no thread
 * for those behind them, when it keeps none (`minThreads: 0`). So it is only given what it can begin.
 */
async function placeIn(pool: Piscina, signal: AbortSignal): Promise<() => void> {
  const calls = callsIn.get(pool) ?? { underWay: 0, waiting: new Set() };
  callsIn.set(pool, calls);
  const { maxThreads, concurrentTasksPerWorker } = pool.options;
  if (calls.underWay >= maxThreads * concurrentTasksPerWorker) {
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        calls.waiting.delete(enter);
        reject(new DOMException('The call waited for a thread, and nobody wants it any more', 'AbortError'));
      };
      if (signal.aborted) {
        giveUp();
        return;
      }
      calls.waiting.add(enter);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  } else calls.underWay += 1;
  return () => {
    const [next] = calls.waiting;
    if (next === undefined) calls.underWay -= 1;
    else {
      calls.waiting.delete(next);
      next();
    }
  };
}

/**
 * Passes on what the thread tells. The function that comes back waits until so many messages have come, or nobody wants them
 * any more, and gives the answer among them.
 */
function listen(
  port: MessagePort,
  context: StepContext,
  begins: (() => void) | undefined,
): (count: number) => Promise<unknown> {
  let count = 0;
  let wanted = Infinity;
  let answer: unknown;
  let refused: { readonly error: unknown } | undefined;
  /** What cannot be changed fails the call, as it would if the function was called here. */
  const update = (action: unknown): void => {
    try {
      context.update(action as never);
    } catch (error) {
      refused ??= { error };
    }
  };
  let enough: (() => void) | undefined;
  port.on('message', (message: ThreadMessage) => {
    if (message.kind === 'begins') {
      begins?.();
      return;
    }
    if (message.kind === 'answer') answer = message.isBail ? bail(message.value) : message.value;
    else if (message.kind === 'partial') context.emit(message.value);
    else if (message.kind === 'update') update(message.action);
    else context.log(message.level, message.message, message.data);
    count += 1;
    if (count >= wanted) enough?.();
  });
  return async (told) => {
    await new Promise<void>((resolve) => {
      wanted = told;
      enough = resolve;
      if (count >= told || context.signal.aborted) resolve();
      context.signal.addEventListener('abort', enough, { once: true });
    });
    if (refused !== undefined) throw refused.error;
    return answer;
  };
}
