import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';

import type { Stop } from '../../../lib/streams/pull';
import { RequestTimeoutError } from '../restateErrors';
import { callAfter } from './pause';

/** One question over HTTP. */
export interface Question {
  readonly method: string;
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

const HTTP = new HttpAgent({ keepAlive: true, scheduling: 'lifo' });
const HTTPS = new HttpsAgent({ keepAlive: true, scheduling: 'lifo' });

/** A node of the server, its address read once: to read it takes as long as to send a question. */
export interface Target {
  readonly address: string;
  readonly isSecure: boolean;
  /** What stands before each path. */
  readonly prefix: string;
  readonly options: RequestOptions;
}

/**
 * Reads the address of a node.
 *
 * @param address - Such as `http://127.0.0.1:8080`, without a slash at its end.
 * @throws TypeError when it is not a URL.
 */
export function targetOf(address: string): Target {
  const url = new URL(address);
  const isSecure = url.protocol === 'https:';
  const { protocol, hostname, port, auth } = urlToHttpOptions(url);
  return {
    address,
    isSecure,
    prefix: url.pathname === '/' ? '' : url.pathname,
    options: { protocol, hostname, port, auth, agent: isSecure ? HTTPS : HTTP },
  };
}

/**
 * Asks over connections that are kept. Not with `fetch`: it took twice the CPU for a run of short steps.
 *
 * @throws RequestTimeoutError after `timeoutMs`, an `AbortError` when `signal` is aborted, and what the connection
 * failed with.
 */
export function exchange(target: Target, path: string, question: Question): Promise<Reply> {
  const { signal } = question;
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
    const fail = (error: Error): void => {
      end();
      reject(error);
    };
    const asked = ask(target, path, question, fail, (reply) => {
      end();
      resolve(reply);
    });
    const leave = (): void => {
      asked.destroy(aborted());
    };
    signal?.addEventListener('abort', leave);
    if (question.timeoutMs !== undefined) {
      stopTimer = callAfter(question.timeoutMs, () => {
        asked.destroy(new RequestTimeoutError(`${target.address}${path}`, question.timeoutMs ?? 0));
      });
    }
  });
}

function ask(
  { options, prefix, isSecure }: Target,
  path: string,
  { method, body, headers }: Question,
  fail: (error: Error) => void,
  done: (reply: Reply) => void,
): ClientRequest {
  const asked = (isSecure ? httpsRequest : httpRequest)(
    {
      ...options,
      path: `${prefix}${path}`,
      method,
      headers: {
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
        ...headers,
      },
    },
    (response) => {
      collect(response, fail, done);
    },
  );
  asked.on('error', fail);
  asked.end(body);
  return asked;
}

function collect(
  response: IncomingMessage,
  fail: (error: Error) => void,
  done: (reply: Reply) => void,
): void {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
  });
  response.on('error', fail);
  response.on('end', () => {
    done({ status: response.statusCode ?? 0, text });
  });
}

function aborted(): Error {
  return Object.assign(new Error('Nobody waits for the answer any more'), { name: 'AbortError' });
}
