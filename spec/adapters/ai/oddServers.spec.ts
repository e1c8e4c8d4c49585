import {
  aiSdkModel,
  anthropicModel,
  langChainModel,
  openAiModel,
  openAiResponsesModel,
  toolsFromMcp,
} from '../../../adapters/ai';
import { execute, memoryStore } from '../../../index';
import type { Message, Model, ModelAnswer, ModelRequest } from '../../../lib/definition/languageModel';

interface Piece {
  readonly index?: number;
  readonly id?: string;
  readonly function: { readonly name?: string; readonly arguments?: string };
}

/** What a model says whose server streams these pieces of calls. */
async function answered(pieces: readonly Piece[]): Promise<ModelAnswer> {
  const chunks = [
    ...pieces.map((piece) => ({ choices: [{ delta: { tool_calls: [piece] } }] })),
    { choices: [{ delta: {}, finish_reason: 'tool_calls' }] },
  ];
  const create = () => Promise.resolve(chunks.values());
  const model = openAiModel('m', { chat: { completions: { create } } }, { model: 'm' });
  const { output, error } = await execute(model, { messages: [{ role: 'user', content: 'go' }] });
  if (output === undefined) throw new Error(error?.message);
  return output;
}

const calls = [
  { id: 'a', tool: 'search', arguments: { q: 1 } },
  { id: 'b', tool: 'fetch', arguments: { q: 2 } },
];

describe('openAiModel(), with servers that only speak like OpenAI', () => {
  it.each([
    ['in pieces at places of their own', [0, 1]],
    ['all at place 0', [0, 0]],
    ['without a place', [undefined, undefined]],
  ])('tells calls apart that come %s', async (_, [first, second]) => {
    const at = (index: number | undefined): Partial<Piece> => (index === undefined ? {} : { index });
    const { toolCalls } = await answered([
      { ...at(first), id: 'a', function: { name: 'search', arguments: '{"q"' } },
      { ...at(first), function: { arguments: ':1}' } },
      { ...at(second), id: 'b', function: { name: 'fetch', arguments: '{"q":2}' } },
    ]);
    expect(toolCalls).toEqual(calls);
  });

  it('takes for one call what comes in pieces with an id each', async () => {
    const { toolCalls } = await answered([
      { index: 0, id: 'x1', function: { name: 'search', arguments: '{"q"' } },
      { index: 0, id: 'x2', function: { arguments: ':1}' } },
    ]);
    expect(toolCalls).toEqual([{ id: 'x2', tool: 'search', arguments: { q: 1 } }]);
  });
});

describe('aiSdkModel() and openAiModel()', () => {
  it('keep an answer whose provider counts NaN tokens, or sends a piece without choices', async () => {
    const parts = [
      { type: 'text-delta', text: 'hi' },
      { type: 'finish', finishReason: 'stop', totalUsage: { inputTokens: NaN, outputTokens: 3 } },
    ];
    const sdk = { streamText: () => ({ fullStream: from(parts) }), jsonSchema: (schema: unknown) => schema };
    const chunks = [
      { choices: null, usage: { prompt_tokens: NaN, completion_tokens: 3 } },
      { choices: [{ delta: { content: 'hi' }, finish_reason: 'stop' }] },
    ];
    const create = () => Promise.resolve(chunks.values());
    const usage = { inputTokens: 0, outputTokens: 3, tokens: 3 };

    for (const model of [
      aiSdkModel('m', sdk, 'm'),
      openAiModel('m', { chat: { completions: { create } } }, { model: 'm' }),
    ]) {
      const request: ModelRequest = { messages: [{ role: 'user', content: 'go' }] };
      const { output, error } = await execute(model, request, { store: memoryStore() });
      expect([error, output]).toEqual([undefined, { text: 'hi', toolCalls: [], finish: 'stop', usage }]);
    }
  });
});

describe('what a model is sent', () => {
  type Send = (body: Readonly<Record<string, unknown>>) => Promise<never>;
  const makers: Readonly<Record<string, (create: Send) => Model>> = {
    'chat completions': (create) => openAiModel('m', { chat: { completions: { create } } }, { model: 'm' }),
    responses: (create) => openAiResponsesModel('m', { responses: { create } }, { model: 'm' }),
    messages: (create) => anthropicModel('m', { messages: { create } }, { model: 'm' }),
    'the AI SDK': (create) => {
      const streamText = (body: never): never => {
        void create(body).catch(() => undefined);
        throw new Error('enough');
      };
      return aiSdkModel('m', { streamText, jsonSchema: (schema: unknown) => schema }, 'm');
    },
    LangChain: (create) => {
      const model = { stream: (all: never) => create({ messages: all }), bindTools: (): unknown => model };
      return langChainModel('m', model);
    },
  };

  async function sent(name: string, request: ModelRequest): Promise<unknown> {
    let seen: unknown;
    const make = makers[name] as (typeof makers)[string];
    const model = make((body) => {
      seen = body['messages'] ?? body['input'];
      return Promise.reject(new Error('enough'));
    });
    await execute(model, request);
    return seen;
  }

  it.each(Object.keys(makers))('has arguments that were no JSON as an object: %s', async (name) => {
    const call = { id: 'c1', tool: 'search', arguments: '{"q": "riv' };
    const messages: readonly Message[] = [
      { role: 'user', content: 'go' },
      { role: 'assistant', content: '', toolCalls: [call] },
      { role: 'tool', callId: 'c1', tool: 'search', content: 'It failed: no JSON', isError: true },
    ];
    const wrapped = { arguments: '{"q": "riv' };
    const text = JSON.stringify(await sent(name, { messages }));
    expect(
      [JSON.stringify(wrapped), JSON.stringify(JSON.stringify(wrapped))].filter((one) => text.includes(one)),
    ).toHaveLength(1);
  });

  it('has no empty turn where that would be refused, and all that follows', async () => {
    const messages: readonly Message[] = [
      { role: 'user', content: 'go' },
      { role: 'assistant', content: '' },
      { role: 'user', content: 'go on' },
    ];
    const said = (text: string) => ({ type: 'text', text });
    expect(await sent('messages', { messages })).toEqual([
      { role: 'user', content: [said('go'), said('go on')] },
    ]);
    for (const name of ['the AI SDK', 'LangChain'])
      expect([name, await sent(name, { messages })]).toEqual([name, [messages[0], messages[2]]]);
  });

  it.each(Object.keys(makers))('has names of tools that every provider takes: %s', async (name) => {
    const call = { id: 'c1', tool: '날씨', arguments: {} };
    const tools = ['날씨', '지도', 'tool', 'files/read.txt'].map((tool) => ({
      name: tool,
      description: 'd',
      parameters: { type: 'object' },
    }));
    const messages: readonly Message[] = [
      { role: 'user', content: 'go' },
      { role: 'assistant', content: '', toolCalls: [call] },
      { role: 'tool', callId: 'c1', tool: '날씨', content: 'rain' },
    ];
    const text = JSON.stringify(await sent(name, { messages, tools }));
    expect(text).not.toContain('날씨');
    expect(text).toContain('"tool_2"');
  });

  it('has them back in the answer under their own names', async () => {
    const names: unknown[] = [];
    const create = ({
      tools,
    }: {
      readonly tools: readonly { readonly function: { readonly name: string } }[];
    }) => {
      names.push(...tools.map((one) => one.function.name));
      const asked = names.map((name, index) => ({
        index,
        id: `c${String(index)}`,
        function: { name, arguments: '{}' },
      }));
      const chunk = { choices: [{ delta: { tool_calls: asked }, finish_reason: 'tool_calls' }] };
      return Promise.resolve([chunk].values());
    };
    const own = ['날씨', '지도', 'tool', 'files/read.txt'];
    const tools = own.map((name) => ({ name, description: 'd', parameters: { type: 'object' } }));
    const model = openAiModel('m', { chat: { completions: { create } } }, { model: 'm' });
    const { output } = await execute(model, { messages: [{ role: 'user', content: 'go' }], tools });

    expect(names).toEqual(['tool_2', 'tool_3', 'tool', 'files_read_txt']);
    expect(output?.toolCalls.map(({ tool }) => tool)).toEqual(own);
  });

  it('names the form of its answer as OpenAI allows, whatever its agent is called', async () => {
    const output = { name: '날씨 report', schema: { type: 'object' } };
    const names: unknown[] = [];
    const create = (body: {
      readonly response_format?: { readonly json_schema: { readonly name: string } };
      readonly text?: { readonly format: { readonly name: string } };
    }): Promise<never> => {
      names.push(body.response_format?.json_schema.name ?? body.text?.format.name);
      return Promise.reject(new Error('enough'));
    };
    const messages: readonly Message[] = [{ role: 'user', content: 'go' }];
    await execute(openAiModel('m', { chat: { completions: { create } } }, { model: 'm' }), {
      messages,
      output,
    });
    await execute(openAiResponsesModel('m', { responses: { create } }, { model: 'm' }), { messages, output });
    expect(names).toEqual(['___report', '___report']);
  });
});

describe('aiSdkModel()', () => {
  it('asks for no tool that the provider has run itself', async () => {
    const found = { toolCallId: 's', toolName: 'web_search', providerExecuted: true };
    const parts = [
      { type: 'tool-call', ...found, input: { query: 'rivers' } },
      { type: 'tool-result', ...found, output: [] },
      { type: 'text-delta', text: 'There are three.' },
      { type: 'tool-call', toolCallId: 'a', toolName: 'look', input: { at: 1 } },
      { type: 'finish', finishReason: 'tool-calls' },
    ];
    const sdk = { streamText: () => ({ fullStream: from(parts) }), jsonSchema: (schema: unknown) => schema };
    const { output } = await execute(aiSdkModel('m', sdk, 'm'), {
      messages: [{ role: 'user', content: 'go' }],
    });
    expect(output?.toolCalls).toEqual([{ id: 'a', tool: 'look', arguments: { at: 1 } }]);
  });
});

describe('langChainModel(), with a model that does not stream', () => {
  it('passes on calls whose arguments are no JSON', async () => {
    const chunk = {
      content: '',
      tool_calls: [{ id: 'a', name: 'search', args: { q: 1 } }],
      invalid_tool_calls: [{ id: 'b', name: 'fetch', args: '{"q"', error: 'Malformed args.' }],
    };
    const model = langChainModel('m', { stream: () => Promise.resolve(from([chunk])) });
    const { output } = await execute(model, { messages: [{ role: 'user', content: 'go' }] });
    expect(output?.toolCalls).toEqual([
      { id: 'a', tool: 'search', arguments: { q: 1 } },
      { id: 'b', tool: 'fetch', arguments: '{"q"' },
    ]);
  });
});

describe('toolsFromMcp() with a timeoutMs', () => {
  it('leaves it to that one when a call has taken too long, not to the minute of the client', async () => {
    const timeouts: unknown[] = [];
    const client = {
      listTools: () => Promise.resolve({ tools: [{ name: 'slow', inputSchema: { type: 'object' } }] }),
      callTool: (_params: never, _schema: undefined, options: { readonly timeout?: number }) => {
        timeouts.push(options.timeout);
        return Promise.resolve({ content: [] });
      },
    };
    for (const policy of [{ timeoutMs: 300_000 }, {}]) {
      const [slow] = await toolsFromMcp(client as never, policy);
      await execute(slow?.agent as never, {} as never);
    }
    expect(timeouts).toEqual([2 ** 31 - 1, undefined]);
  });
});

async function* from<T>(parts: readonly T[]): AsyncGenerator<T> {
  for (const part of parts) yield await Promise.resolve(part);
}

describe('toolsFromMcp(), with a server whose pages do not end', () => {
  const page = (name: string) => [{ name, inputSchema: { type: 'object' } }];

  it.each([
    ['an empty cursor', ['']],
    ['null', [null]],
    ['the cursor that was asked for', ['2', '2']],
  ])('ends at %s', async (_, cursors) => {
    let asked = 0;
    const client = {
      listTools: () => {
        const nextCursor = cursors[asked];
        asked += 1;
        if (asked > 9) throw new Error('asked for ever');
        return Promise.resolve({ tools: page(`t${String(asked)}`), nextCursor });
      },
      callTool: () => Promise.reject(new Error('not called')),
    };

    const tools = await toolsFromMcp(client);

    expect(tools.map(({ agent }) => agent.name)).toEqual(cursors.map((__, at) => `t${String(at + 1)}`));
  });
});
