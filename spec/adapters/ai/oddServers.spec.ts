import { aiSdkModel, openAiModel, toolsFromMcp } from '../../../adapters/ai';
import { execute, memoryStore } from '../../../index';
import type { ModelAnswer, ModelRequest } from '../../../lib/definition/languageModel';

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
