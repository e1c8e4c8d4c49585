import { asyncScheduler } from 'rxjs';

import { EngineUnreachableError } from './engineUnreachableError';

/** An answer of the server that is no success. */
export class IngressError extends Error {
  override readonly name = 'IngressError';
  readonly status: number;

  constructor(status: number, url: string, message: string) {
    super(`Restate answered ${status} to ${url}: ${message}`);
    this.status = status;
  }
}

/** Talks to the server over HTTP, to another node when one does not answer. */
export interface Ingress {
  /** Asks once more and elsewhere while no node answers. What is asked for may be done twice. */
  request(path: string, options?: AskOptions): Promise<unknown>;
}

export interface AskOptions {
  readonly method?: 'GET' | 'POST' | 'PATCH';
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Milliseconds after which another node is asked. */
  readonly timeoutMs?: number;
  /** How long nodes may be away before it fails, in milliseconds. */
  readonly patienceMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const PAUSE_MS = 100;
const AWAY = new Set([502, 503, 504]);

/**
 * @param addresses - The nodes, such as `http://127.0.0.1:8080`.
 */
export function ingressOf(addresses: readonly string[], patienceMs: number): Ingress {
  const bases = addresses.map((address) => address.replace(/\/+$/, ''));
  let current = 0;

  async function once(base: string, path: string, options: AskOptions): Promise<unknown> {
    const { body, method = body === undefined ? 'GET' : 'POST', timeoutMs, signal, headers } = options;
    const limits = [signal, timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)];
    const response = await fetch(`${base}${path}`, {
      method,
      signal: AbortSignal.any(limits.filter((limit) => limit !== undefined)),
      ...(body !== undefined && { body: JSON.stringify(body) }),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    });
    const text = await response.text();
    if (!response.ok) throw new IngressError(response.status, `${base}${path}`, messageIn(text));
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }

  return {
    async request(path, options = {}) {
      const until = asyncScheduler.now() + (options.patienceMs ?? patienceMs);
      for (;;) {
        const base = bases[current % bases.length] as string;
        try {
          return await once(base, path, options);
        } catch (error) {
          const isAnswer = error instanceof IngressError && !AWAY.has(error.status);
          if (isAnswer || options.signal?.aborted === true) throw error;
          current += 1;
          // A question that was held open is asked anew by whoever asked it.
          if ((error as Error).name === 'TimeoutError' && bases.length === 1) throw error;
          if (asyncScheduler.now() >= until) {
            throw (error as Error).name === 'TimeoutError'
              ? error
              : new EngineUnreachableError(bases, options.patienceMs ?? patienceMs, error);
          }
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
      }
    },
  };
}

/** The path of a handler of a service. */
export function handlerPath(service: string, key: string, handler: string): string {
  return `/${service}/${encodeURIComponent(key)}/${handler}`;
}

/** The path of what Restate itself offers about a workflow. */
export function workflowPath(service: string, key: string, what: 'attach' | 'output'): string {
  return `/restate/workflow/${service}/${encodeURIComponent(key)}/${what}`;
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}
