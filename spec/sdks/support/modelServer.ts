import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does with a request; the name of the model says it. */
export type Scenario =
  'plain' | 'tools' | 'busy' | 'refused' | 'broken' | 'malformed' | 'cut' | 'empty' | 'slow';

/** A server that speaks like the providers: chat completions, responses and messages, streamed. */
export interface ModelServer {
  readonly url: string;
  /** The bodies it was sent. */
  readonly bodies: readonly Readonly<Record<string, unknown>>[];
  /** When each request came, in milliseconds. */
  readonly times: readonly number[];
  /** Resolves with the moment at which a client left while it was answered. */
  left(): Promise<number>;
  close(): Promise<void>;
}

type Told = readonly (readonly [event: string | undefined, data: unknown])[];

const WORDS = ['It ', 'rains.'];
const ARGUMENTS = ['{"city":', '"Seoul"}'];

export async function modelServer(): Promise<ModelServer> {
  const bodies: Readonly<Record<string, unknown>>[] = [];
  const times: number[] = [];
  let leave: (at: number) => void = () => undefined;
  let left = new Promise<number>((resolve) => (leave = resolve));
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = JSON.parse(text) as Readonly<Record<string, unknown>>;
    bodies.push(body);
    times.push(performance.now());
    response.on('close', () => {
      if (!response.writableEnded) leave(performance.now());
    });
    await answer(request.url ?? '', body['model'] as Scenario, bodies.length, response);
  };
  const server: Server = createServer((request, response) => {
    void handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    bodies,
    times,
    async left() {
      const at = await left;
      left = new Promise((resolve) => (leave = resolve));
      return at;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

async function answer(url: string, scenario: Scenario, nth: number, response: ServerResponse): Promise<void> {
  const refuse = (status: number, headers: Readonly<Record<string, string>> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify({ error: { type: 'some_error', message: `status ${String(status)}` } }));
  };
  if (scenario === 'busy' && nth === 1) refuse(429, { 'retry-after': '2' });
  else if (scenario === 'refused') refuse(400);
  else if (scenario === 'broken' && nth === 1) refuse(500);
  else {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (scenario === 'malformed') response.end('data: {"choices": [{"delta"\n\n');
    else if (scenario === 'empty') response.end();
    else await stream(toldBy(url, scenario), scenario, response);
  }
}

async function stream(told: Told, scenario: Scenario, response: ServerResponse): Promise<void> {
  for (const [index, [event, data]] of told.entries()) {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`);
    if (scenario === 'cut' && index === 2) {
      response.destroy();
      return;
    }
    // Never ends by itself: somebody has to leave.
    if (scenario === 'slow' && index === 2) await once(response, 'close');
    if (response.destroyed) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  response.end();
}

function toldBy(url: string, scenario: Scenario): Told {
  if (url.endsWith('/chat/completions')) return chat(scenario);
  return url.endsWith('/responses') ? responses(scenario) : messages(scenario);
}

function chat(scenario: Scenario): Told {
  const chunk = (delta: object, finish: string | null = null): readonly [undefined, unknown] => [
    undefined,
    {
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [{ index: 0, delta, finish_reason: finish }],
    },
  ];
  const call = (at: object) => chunk({ tool_calls: [{ index: 0, ...at }] });
  const said =
    scenario === 'tools'
      ? [
          call({ id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }),
          ...ARGUMENTS.map((text) => call({ function: { arguments: text } })),
          chunk({}, 'tool_calls'),
        ]
      : [...WORDS.map((content) => chunk({ content })), chunk({}, 'stop')];
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
  return [
    chunk({ role: 'assistant', content: '' }),
    ...said,
    [undefined, { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage }],
    [undefined, '[DONE]'],
  ];
}

function responses(scenario: Scenario): Told {
  let sequence = 0;
  const event = (type: string, fields: object): readonly [string, unknown] => [
    type,
    { type, sequence_number: (sequence += 1), ...fields },
  ];
  const call = { type: 'function_call', id: 'f', call_id: 'call_1', name: 'weather', status: 'completed' };
  const item =
    scenario === 'tools'
      ? { ...call, arguments: ARGUMENTS.join('') }
      : { type: 'message', id: 'm', role: 'assistant', content: [] };
  const said =
    scenario === 'tools'
      ? ARGUMENTS.map((delta) =>
          event('response.function_call_arguments.delta', { output_index: 0, item_id: 'f', delta }),
        )
      : WORDS.map((delta) =>
          event('response.output_text.delta', { output_index: 0, content_index: 0, item_id: 'm', delta }),
        );
  const response = {
    id: 'r',
    object: 'response',
    status: 'completed',
    output: [item],
    usage: { input_tokens: 7, output_tokens: 3 },
  };
  return [
    event('response.created', { response: { ...response, status: 'in_progress', output: [] } }),
    event('response.output_item.added', { output_index: 0, item }),
    ...said,
    event('response.output_item.done', { output_index: 0, item }),
    event('response.completed', { response }),
  ];
}

function messages(scenario: Scenario): Told {
  const event = (type: string, fields: object = {}): readonly [string, unknown] => [
    type,
    { type, ...fields },
  ];
  const isTools = scenario === 'tools';
  const block = isTools
    ? { type: 'tool_use', id: 'call_1', name: 'weather', input: {} }
    : { type: 'text', text: '' };
  const deltas = isTools
    ? ARGUMENTS.map((partial_json) => ({ type: 'input_json_delta', partial_json }))
    : WORDS.map((text) => ({ type: 'text_delta', text }));
  return [
    event('message_start', {
      message: {
        id: 'm',
        type: 'message',
        role: 'assistant',
        content: [],
        model: 'm',
        usage: { input_tokens: 7, output_tokens: 1 },
      },
    }),
    event('content_block_start', { index: 0, content_block: block }),
    ...deltas.map((delta) => event('content_block_delta', { index: 0, delta })),
    event('content_block_stop', { index: 0 }),
    event('message_delta', {
      delta: { stop_reason: isTools ? 'tool_use' : 'end_turn' },
      usage: { output_tokens: 3 },
    }),
    event('message_stop'),
  ];
}
