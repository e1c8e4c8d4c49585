import type { Dispatcher } from 'undici';
import { Agent } from 'undici';

import type { Stop } from '../../../lib/streams/pull';
import { RequestTimeoutError } from '../restateErrors';
import { callAfter } from './pause';

/** One question over HTTP. */
export interface Question {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** JSON text. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** What came back, whatever its status. */
export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** A node of the server, its address read once: to read it takes as long as to send a question. */
export interface Target {
  readonly address: string;
  readonly origin: string;
  /** What stands before each path. */
  readonly prefix: string;
  /** What every question bears, besides its own. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Reads the address of a node.
 *
 * @param address - Such as `http://127.0.0.1:8080`, without a slash at its end.
 * @throws TypeError when it is not a URL.
 */
export function targetOf(address: string): Target {
  const { origin, pathname, username, password } = new URL(address);
  const name = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = name === ':' ? {} : { authorization: `Basic ${Buffer.from(name).toString('base64')}` };
  return { address, origin, prefix: pathname === '/' ? '' : pathname, headers };
}

/** How long to wait for an answer is for whoever asks to say. A connection that nobody uses is kept for a minute, or as long as the server says. */
const CONNECTIONS = new Agent({ headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 60_000 });

/**
 * Asks over connections that are kept. Not with `fetch`, which takes four times the CPU for a question, nor with `node:http`, which takes
 * twice.
 *
 * @throws RequestTimeoutError after `timeoutMs`, an `AbortError` when `signal` is aborted, and what the connection
 * failed with.
 */
export function exchange(target: Target, path: string, question: Question): Promise<Reply> {
  const { signal, timeoutMs } = question;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(aborted());
      return;
    }
    let stopTimer: Stop | undefined;
    const end = (): void => {
      stopTimer?.();
      signal?.removeEventListener('abort', leave);
    };
    const asked = new Asked(
      (reply) => {
        end();
        resolve(reply);
      },
      (error) => {
        end();
        reject(error);
      },
    );
    const leave = (): void => {
      asked.giveUp(aborted());
    };
    signal?.addEventListener('abort', leave);
    if (timeoutMs !== undefined) {
      stopTimer = callAfter(timeoutMs, () => {
        asked.giveUp(new RequestTimeoutError(`${target.address}${path}`, timeoutMs));
      });
    }
    CONNECTIONS.dispatch(optionsOf(target, path, question), asked);
  });
}

function optionsOf(
  { origin, prefix, headers: own }: Target,
  path: string,
  { method, body, headers }: Question,
): Dispatcher.DispatchOptions {
  return {
    origin,
    path: `${prefix}${path}`,
    method,
    headers: { ...own, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body }),
  };
}

/** One question that is under way. */
class Asked implements Dispatcher.DispatchHandler {
  readonly #done: (reply: Reply) => void;
  readonly #fail: (error: Error) => void;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #gaveUp: Error | undefined;
  #status = 0;

  constructor(done: (reply: Reply) => void, fail: (error: Error) => void) {
    this.#done = done;
    this.#fail = fail;
  }

  /** Nobody waits for the answer any more: a question that has not been sent yet is not sent. */
  giveUp(why: Error): void {
    this.#gaveUp = why;
    this.#controller?.abort(why);
    this.#fail(why);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#gaveUp !== undefined) controller.abort(this.#gaveUp);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#done({ status: this.#status, text: Buffer.concat(this.#chunks).toString() });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }
}

function aborted(): Error {
  return Object.assign(new Error('Nobody waits for the answer any more'), { name: 'AbortError' });
}
