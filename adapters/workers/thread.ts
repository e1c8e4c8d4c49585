import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { MessagePort } from 'node:worker_threads';

import { isObservable } from 'rxjs';

import { bailIn } from '../../lib/model/bail';
import type { LogLevel } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import { toFailure } from '../../lib/model/failure';

/** One call, as it comes into a thread. */
export interface ThreadCall {
  readonly file: string;
  readonly name: string;
  readonly input: unknown;
  readonly runId: string;
  readonly path: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** The shared state when the call began. */
  readonly shared?: unknown;
  readonly port: MessagePort;
}

/** What is told while the call goes on: first that it begins, which does not count, and the answer last. */
export type ThreadMessage =
  | { readonly kind: 'begins' }
  | { readonly kind: 'answer'; readonly value: unknown; readonly isBail: boolean }
  | { readonly kind: 'partial'; readonly value: unknown }
  | { readonly kind: 'update'; readonly action: unknown }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly data?: object };

/** How a call ended; `told` counts the messages. */
export type ThreadAnswer = { readonly told: number } & (
  { readonly ok: true } | { readonly ok: false; readonly failure: Failure }
);

/** What a function in a thread is given beside its input. */
export interface ThreadContext extends Pick<
  ThreadCall,
  'runId' | 'path' | 'attempt' | 'idempotencyKey' | 'shared'
> {
  /** Tells a partial result. */
  emit(partial: unknown): void;
  /** Writes a line into the log of the run. */
  log(level: LogLevel, message: string, data?: object | (() => object)): void;
  /** Changes the shared state by the `reduce` of the workflow; a function cannot be sent out of a thread. */
  update(action: unknown): void;
}

/**
 * Calls a function of another module in this thread. What the pool loads and calls.
 *
 * @internal
 */
export async function callHere(call: ThreadCall): Promise<ThreadAnswer> {
  const { file, name, input, port, ...place } = call;
  port.postMessage({ kind: 'begins' } satisfies ThreadMessage);
  let told = 0;
  const tell = (message: ThreadMessage): void => {
    port.postMessage(message);
    // Not before: what cannot be copied is not sent, and whoever waits for so many would wait for ever.
    told += 1;
  };
  const context: ThreadContext = {
    ...place,
    /** Tells a partial result. */
    emit(value) {
      copying(`a partial result of "${name}"`, () => {
        tell({ kind: 'partial', value });
      });
    },
    /** Writes a line into the log of the run. */
    log(level, message, data) {
      const details = typeof data === 'function' ? (data as () => object)() : data;
      copying(`the details of a log entry of "${name}"`, () => {
        tell({ kind: 'log', level, message, ...(details !== undefined && { data: details }) });
      });
    },
    /** Changes the shared state by the `reduce` of the workflow. */
    update(action) {
      if (typeof action === 'function')
        throw misuse(
          `Cannot send a function out of the thread of "${name}"; give the workflow shared.reduce, and update() what it takes`,
        );
      copying(`an update of "${name}"`, () => {
        tell({ kind: 'update', action });
      });
    },
  };
  try {
    const exported = await load(file);
    const work = exported[name];
    if (typeof work !== 'function') {
      throw misuse(`Cannot call "${name}" in a thread: ${file} exports no such function`);
    }
    const value = await settle(
      name,
      (work as (given: unknown, context: ThreadContext) => unknown)(input, context),
      context,
    );
    // What marks it is lost between threads.
    const bail = bailIn(value);
    // Not as what this function returns: the pool loses the whole thread over what cannot be copied.
    copying(`the answer of "${name}"`, () => {
      tell({ kind: 'answer', value: bail === undefined ? value : bail.value, isBail: bail !== undefined });
    });
    return { ok: true, told };
  } catch (error) {
    // A path in it is one of a run within this thread.
    const { path: _, ...failure } = toFailure(error);
    return { ok: false, failure, told };
  } finally {
    port.close();
  }
}

/** Sends something to another thread, or says what cannot be copied. */
function copying(what: string, send: () => void): void {
  try {
    send();
  } catch (cause) {
    const { message } = cause as Error;
    throw misuse(`Cannot send ${what} from its thread: ${message}`);
  }
}

/** What an `InvalidArgumentError` tells, without loading the library into every thread. */
function misuse(message: string): Error {
  const described = { name: 'InvalidArgumentError', code: 'INVALID_ARGUMENT', retryable: false };
  return Object.assign(new Error(message), described);
}

/** What an `EmptyAnswerError` tells; in a thread nothing folds what a stream gives. */
function withoutValue(name: string): Error {
  const described = { name: 'EmptyAnswerError', code: 'EMPTY_ANSWER' };
  const message = `Cannot take an output from "${name}": the stream it returned ended without a value; let it give one`;
  return Object.assign(new Error(message), described);
}

const ONLY_IMPORTED: ReadonlySet<unknown> = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE']);

/** `require` first: it takes what a hook compiles, as in tests. */
async function load(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return createRequire(__filename)(file) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (!ONLY_IMPORTED.has((error as { readonly code?: unknown }).code)) throw error;
    return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  }
}

/** The one answer of what a function returned; of a stream the last value, and all of them are told. */
async function settle(name: string, answer: unknown, context: ThreadContext): Promise<unknown> {
  const value = await answer;
  let last: { readonly item: unknown } | undefined;
  let bailed: unknown;
  const take = (item: unknown): void => {
    if (bailIn(item) !== undefined) {
      bailed = item;
      return;
    }
    last = { item };
    context.emit(item);
  };
  if (isObservable(value)) await value.forEach(take);
  else if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value)
    for await (const item of value as AsyncIterable<unknown>) take(item);
  else return value;
  if (bailed !== undefined) return bailed;
  if (last === undefined) throw withoutValue(name);
  return last.item;
}
