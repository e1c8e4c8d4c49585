import { asyncScheduler } from 'rxjs';

import { InvalidArgumentError, MillraceError } from '../../../lib/model/failure';
import { EngineUnreachableError } from '../restateErrors';
import type { Target } from './exchange';
import { exchange, targetOf } from './exchange';
import { recoveryOf } from './recovery';

/** What a gateway answers for a server that it does not reach. */
const AWAY = new Set([502, 503, 504]);

/** An answer of the server that is no success. */
export class IngressError extends MillraceError {
  override readonly name = 'IngressError';
  readonly code = 'INGRESS_REFUSED';
  readonly status: number;

  constructor(status: number, url: string, message: string) {
    super(`Restate answered ${status} to ${url}: ${message}`, "look into the server's log", {
      tellsNext: false,
    });
    this.status = status;
  }

  /** Whether the server has not answered at all, but a gateway before it. */
  get isAway(): boolean {
    return AWAY.has(this.status);
  }
}

/** Talks to the server over HTTP, to another node when one does not answer. */
export interface Ingress {
  /**
   * Asks once more and elsewhere while no node answers. What is asked for may be done twice.
   *
   * @throws IngressError when the answer is no success.
   * @throws EngineUnreachableError when no node has answered for `patienceMs`.
   */
  request(path: string, options?: AskOptions): Promise<unknown>;
}

/** What is asked, and for how long. */
export interface AskOptions {
  readonly method?: 'GET' | 'POST' | 'PATCH';
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Milliseconds after which another node is asked. */
  readonly timeoutMs?: number;
  /** How long nodes may be away before it fails, in milliseconds. */
  readonly patienceMs?: number;
  /** Whether the first connection that is lost ends it: for what must not be asked for twice unseen. */
  readonly isAskedOnce?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses that are given back as answers instead of thrown: to make an error for each costs more than to ask. */
  readonly answers?: ReadonlySet<number>;
}

const PAUSE_MS = 100;
const PROBE_MS = 2_000;

/**
 * Talks to these nodes, to one of them as long as it answers.
 *
 * @param addresses - The nodes, such as `http://127.0.0.1:8080`.
 * @param patienceMs - How long all of them may be away before a request fails, in milliseconds.
 * @throws InvalidArgumentError for an address that is not a URL with `http://` or `https://`, or has a query.
 */
export function ingressOf(addresses: readonly string[], patienceMs: number): Ingress {
  const nodes = addresses.map(nodeAt);
  const bases = nodes.map(({ address }) => address);
  const recovery = recoveryOf();
  let current = 0;

  /** Asks what is answered at once; whatever the answer is, somebody has answered. */
  async function probe(path: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await once(nodes[current % nodes.length] as Target, path, {
        timeoutMs: PROBE_MS,
        ...(signal !== undefined && { signal }),
      });
    } catch (error) {
      if (error instanceof IngressError && !error.isAway) return;
      current += 1;
      throw error;
    }
  }

  /** Asks one node, once. */
  async function once(node: Target, path: string, options: AskOptions): Promise<unknown> {
    const { body, method = body === undefined ? 'GET' : 'POST', timeoutMs, signal, headers } = options;
    const { status, text } = await exchange(node, path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(headers !== undefined && { headers }),
      ...(signal !== undefined && { signal }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    if (options.answers?.has(status) === true) return status;
    if (status < 200 || status > 299)
      throw new IngressError(status, `${node.address}${path}`, messageIn(text));
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }

  return {
    async request(path, options = {}) {
      const { patienceMs: patience = patienceMs, signal, isAskedOnce = false } = options;
      const until = asyncScheduler.now() + patience;
      const quick = quickPath(path);
      for (;;) {
        try {
          if (quick !== undefined) await recovery.pass(() => probe(quick, signal), until, signal);
        } catch (error) {
          throw signal?.aborted === true ? error : new EngineUnreachableError(bases, patience, error);
        }
        const node = nodes[current % nodes.length] as Target;
        try {
          return await once(node, path, options);
        } catch (error) {
          const isAnswer = error instanceof IngressError && !error.isAway;
          if (isAnswer || signal?.aborted === true) throw error;
          const isTimeout = (error as Error).name === 'TimeoutError';
          if (!isTimeout) recovery.lost(error as Error);
          current += 1;
          // A question that was held open is asked anew by whoever asked it.
          if (isTimeout && (bases.length === 1 || asyncScheduler.now() >= until)) throw error;
          if (isAskedOnce) throw error;
          if (asyncScheduler.now() >= until)
            throw isTimeout ? error : new EngineUnreachableError(bases, patience, error);
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
      }
    },
  };
}

function nodeAt(address: string): Target {
  if (!/^https?:\/\/[^?#]+$/i.test(address) || !URL.canParse(address))
    throw new InvalidArgumentError(
      `Cannot talk to Restate at "${address}"`,
      'give an address such as http://127.0.0.1:8080',
    );
  return targetOf(address.replace(/\/+$/, ''));
}

/** The path of a handler of a service. */
export function handlerPath(service: string, key: string, handler: string): string {
  return `/${service}/${encodeURIComponent(key)}/${handler}`;
}

/** The path of what Restate itself offers about a workflow. */
export function workflowPath(service: string, key: string, what: 'attach' | 'output'): string {
  return `/restate/workflow/${service}/${encodeURIComponent(key)}/${what}`;
}

/** The path of what came of a call with an idempotency key. */
export function callPath(service: string, key: string, handler: string, idempotencyKey: string): string {
  return `/restate/invocation/${service}/${encodeURIComponent(key)}/${handler}/${idempotencyKey}/output`;
}

/** What is answered at once by the same part of the server that answers at a path; undefined for the admin. */
function quickPath(path: string): string | undefined {
  const [, first, second, third, fourth] = path.split('/');
  if (first === 'restate' && second === 'invocation') return path;
  if (first === 'restate' && second === 'workflow') return `/restate/workflow/${third}/${fourth}/output`;
  return third === undefined ? undefined : `/restate/workflow/${first}/${second}/output`;
}

function messageIn(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}
