import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { MessagePort } from 'node:worker_threads';

import { isObservable } from 'rxjs';

import type { LogLevel } from '../../lib/model/logLevel';

/** One call, as it comes into a thread. */
export interface ThreadCall {
  readonly file: string;
  readonly name: string;
  readonly input: unknown;
  readonly runId: string;
  readonly path: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly port: MessagePort;
}

/** What is told while the call goes on. */
export type ThreadMessage =
  | { readonly kind: 'partial'; readonly value: unknown }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly data?: object };

/** How a call ended; `told` counts the messages before. */
export type ThreadAnswer = { readonly told: number } & (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly name: string; readonly message: string; readonly retryable: boolean }
);

/** What a function in a thread is given beside its input. */
export interface ThreadContext extends Pick<ThreadCall, 'runId' | 'path' | 'attempt' | 'idempotencyKey'> {
  emit(partial: unknown): void;
  log(level: LogLevel, message: string, data?: object | (() => object)): void;
}

/**
 * Calls a function of another module in this thread. What the pool loads and calls.
 *
 * @internal
 */
export async function callHere(call: ThreadCall): Promise<ThreadAnswer> {
  const { file, name, input, port, ...place } = call;
  let told = 0;
  const tell = (message: ThreadMessage): void => {
    told += 1;
    port.postMessage(message);
  };
  const context: ThreadContext = {
    ...place,
    emit(value) {
      tell({ kind: 'partial', value });
    },
    log(level, message, data) {
      const details = typeof data === 'function' ? (data as () => object)() : data;
      tell({ kind: 'log', level, message, ...(details !== undefined && { data: details }) });
    },
  };
  try {
    const exported = await load(file);
    const work = exported[name];
    if (typeof work !== 'function') {
      throw Object.assign(
        new TypeError(`Cannot call "${name}" in a thread: ${file} exports no such function`),
        {
          retryable: false,
        },
      );
    }
    const value = await settle(
      (work as (given: unknown, context: ThreadContext) => unknown)(input, context),
      context,
    );
    return { ok: true, value, told };
  } catch (error) {
    const thrown = error as {
      readonly name?: unknown;
      readonly message?: unknown;
      readonly retryable?: unknown;
    };
    return {
      ok: false,
      name: typeof thrown.name === 'string' ? thrown.name : 'Error',
      message: typeof thrown.message === 'string' ? thrown.message : String(error),
      retryable: thrown.retryable !== false,
      told,
    };
  } finally {
    port.close();
  }
}

/** `require` first: it takes what a hook compiles, as in tests. */
async function load(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return createRequire(__filename)(file) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'ERR_REQUIRE_ESM') throw error;
    return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
  }
}

/** The one answer of what a function returned; of a stream the last value, and all of them are told. */
async function settle(answer: unknown, context: ThreadContext): Promise<unknown> {
  const value = await answer;
  if (isObservable(value)) {
    let last: unknown;
    await value.forEach((item) => {
      last = item;
      context.emit(item);
    });
    return last;
  }
  if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value) {
    let last: unknown;
    for await (const item of value as AsyncIterable<unknown>) {
      last = item;
      context.emit(item);
    }
    return last;
  }
  return value;
}
