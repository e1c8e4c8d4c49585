import type { Agent, AgentPolicy, StepContext } from '../../lib/model/agentType';
import { MillraceError } from '../../lib/model/failure';
import { agent } from '../../operators/agents/agent';
import { madeWith } from '../../operators/agents/withPolicy';

/** How an answer is read. */
export interface FetchOptions<I, O> extends AgentPolicy<I> {
  /** What becomes of an answer with a status below 400; its JSON when left out, undefined for 204, 205 and 304, which have no body. */
  readonly read?: (response: Response, context: StepContext) => O | PromiseLike<O>;
  /** What fetches; the global `fetch` when left out. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/**
 * An agent that asks a server. Leaving the run cuts the connection. An answer with a status of 400 or more is a failure with that status,
 * which `retry` understands: what the server says in `Retry-After` is waited for, and what a repetition cannot help is not repeated.
 *
 * @param request - What is sent; its own signal is heard too.
 * @throws HttpError (the step fails) for a status of 400 or more.
 *
 * @example
 * ```ts
 * const weather = fetchAgent('weather', (city: string) => new Request(`https://wttr.in/${city}?format=j1`), { retry: 3 });
 * ```
 */
export function fetchAgent<I, O = unknown>(
  name: string,
  request: (input: I, context: StepContext) => Request | string | URL,
  options: FetchOptions<I, O> = {},
): Agent<I, O> {
  const { read = jsonOf<O>, fetch: ask = fetch, ...policy } = options;
  const call = async (input: I, context: StepContext): Promise<O> => {
    const asked = request(input, context);
    const { signal: own } = asked instanceof Request ? asked : { signal: undefined };
    const signal = own === undefined ? context.signal : AbortSignal.any([context.signal, own]);
    const response = await ask(new Request(asked, { signal }));
    if (response.status >= 400) throw await httpError(name, response);
    return read(response, context);
  };
  const made = [request, read, ask === fetch ? 'fetch' : ask].map(String);
  return madeWith(agent(name, call, policy) as Agent<I, O>, made);
}

/** The JSON of an answer; undefined where its status says that it has no body. */
async function jsonOf<O>(response: Response): Promise<O> {
  return (EMPTY_STATUSES.has(response.status) ? undefined : await response.json()) as O;
}

/** No Content, Reset Content, Not Modified. */
const EMPTY_STATUSES: ReadonlySet<number> = new Set([204, 205, 304]);

/** Most characters of a body that an error repeats. */
const MOST_OF_BODY = 500;

async function httpError(name: string, response: Response): Promise<HttpError> {
  let body = '';
  try {
    body = (await response.text()).slice(0, MOST_OF_BODY);
  } catch {
    // The status says enough.
  }
  return new HttpError(name, response, body);
}

/** A server has refused, or failed. */
export class HttpError extends MillraceError {
  override readonly name = 'HttpError';
  readonly code = 'HTTP_STATUS';
  /** The status of the answer. */
  readonly status: number;
  /** The headers of the answer. */
  readonly headers: Headers;

  constructor(agentName: string, { status, statusText, headers }: Response, body: string) {
    const what = `${String(status)}${statusText === '' ? '' : ` ${statusText}`}${body === '' ? '' : `: ${body}`}`;
    super(`"${agentName}" was answered with ${what}`, 'look at the status', { tellsNext: false });
    this.status = status;
    this.headers = headers;
  }
}
