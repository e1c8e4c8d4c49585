import type { Agent, Store } from '../../../index';
import { agent, chain, execute, memoryStore, withPolicy, workflow } from '../../../index';
import type { Model } from '../../../adapters/ai';
import {
  aiSdkModel,
  anthropicModel,
  fetchAgent,
  langChainModel,
  openAiModel,
  openAiResponsesModel,
  tool,
  toolLoop,
  toolsFromMcp,
} from '../../../adapters/ai';

const request = { messages: [{ role: 'user', content: 'Who are you?' }] } as const;

/** A client of `openai` that answers with the names of its server and of the model that was asked. */
const openAi = (baseURL?: string, calls: string[] = []) => {
  const create = async ({ model }: { model: string }) => {
    calls.push(model);
    return Promise.resolve(
      (function* () {
        yield { choices: [{ delta: { content: `${model} of ${String(baseURL)}` } }] };
        yield { choices: [{ delta: {}, finish_reason: 'stop' }] };
      })(),
    );
  };
  return { ...(baseURL !== undefined && { baseURL }), chat: { completions: { create } } } as never;
};

const asked = async (store: Store, model: Agent<never, unknown>, input: unknown = request) => {
  const { output, error } = await execute(model as Agent<unknown, unknown>, input, { store });
  return error?.message ?? (output as { text?: string }).text ?? output;
};

const mcp = (who: string) =>
  ({
    listTools: async () => Promise.resolve({ tools: [{ name: 'search', inputSchema: { type: 'object' } }] }),
    callTool: async () => Promise.resolve({ content: [{ type: 'text', text: `from ${who}` }] }),
  }) as never;

type Policy = Parameters<typeof withPolicy<unknown, unknown, unknown, unknown>>[1];

const refused = /may be that of another server or model than ".*" asks; give cache: \{ key \} or version/;

describe('cache of an agent that an adapter makes', () => {
  it('tells models, servers and further fields of the request apart', async () => {
    const store = memoryStore();
    const model = (server: string, options: { model: string; body?: object }) =>
      openAiModel('gpt', openAi(server, calls), { ...options, cache: {} } as never);
    const calls: string[] = [];
    const answers: unknown[] = [];
    for (const one of [
      model('a', { model: 'mini' }),
      model('a', { model: 'large' }),
      model('b', { model: 'mini' }),
      model('a', { model: 'mini' }),
    ])
      answers.push(await asked(store, one));
    await asked(store, model('a', { model: 'mini', body: { temperature: 1 } }));
    await asked(store, model('a', { model: 'mini', body: { temperature: 0 } }));

    expect(answers).toEqual(['mini of a', 'large of a', 'mini of b', 'mini of a']);
    expect(calls).toEqual(['mini', 'large', 'mini', 'mini', 'mini']);
  });

  it.each<[string, (policy: Policy) => unknown]>([
    ['openAiModel', (policy) => openAiModel('m', openAi(), { model: 'x', ...policy })],
    [
      'openAiModel with a body that is not JSON',
      (policy) => openAiModel('m', openAi('a'), { model: 'x', body: { now: new Date(0) }, ...policy }),
    ],
    ['openAiResponsesModel', (policy) => openAiResponsesModel('m', {} as never, { model: 'x', ...policy })],
    ['anthropicModel', (policy) => anthropicModel('m', {} as never, { model: 'x', ...policy })],
    ['aiSdkModel', (policy) => aiSdkModel('m', {} as never, { modelId: 'x', provider: 'y' }, policy)],
    ['langChainModel', (policy) => langChainModel('m', { model: 'x' } as never, policy)],
    ['toolsFromMcp', async (policy) => toolsFromMcp(mcp('a'), policy)],
  ])('is refused where %s cannot tell whom it asks, unless a key or a version does', async (_, make) => {
    const made = async (policy: Policy) => Promise.resolve(policy).then(make);

    await expect(made({ cache: {} })).rejects.toThrow(refused);
    await expect(made({ cache: { ttlMs: 5 } })).rejects.toMatchObject({ name: 'DefinitionError' });
    await expect(made({ cache: { key: () => 'k' } })).resolves.toBeDefined();
    await expect(made({ cache: {}, version: 'server a' })).resolves.toBeDefined();
    await expect(made({})).resolves.toBeDefined();
  });

  it('is refused at withPolicy(), around it and at a step too', async () => {
    const [search] = await toolsFromMcp(mcp('a'));
    const ask = search!.agent as Agent<unknown, unknown>;
    const whole = chain(
      'whole',
      agent('before', (n: unknown) => n),
      ask,
    );

    expect(() => withPolicy(ask, { cache: {} })).toThrow(refused);
    expect(() => withPolicy(whole, { cache: {} })).toThrow(/"search" asks/);
    expect(() => workflow('w', (input, step) => step('s', ask, input, { cache: {} }))).toThrow(refused);
    expect(() => withPolicy(whole, { cache: {}, version: 1 })).not.toThrow();
    expect(() => withPolicy(chain('v', withPolicy(ask, { version: 1 })), { cache: {} })).not.toThrow();
  });

  it('asks each MCP server whose tools have a version of their own', async () => {
    const store = memoryStore();
    const [a] = await toolsFromMcp(mcp('A'), { cache: {}, version: 'A' });
    const [b] = await toolsFromMcp(mcp('B'), { cache: {}, version: 'B' });

    expect(await asked(store, a!.agent, { q: 1 })).toBe('from A');
    expect(await asked(store, b!.agent, { q: 1 })).toBe('from B');
  });

  it('tells the functions of fetchAgent apart', async () => {
    const store = memoryStore();
    const options = {
      fetch: async ({ url }: Request) => Promise.resolve(new Response(JSON.stringify(url))),
      cache: {},
    };
    const a = fetchAgent('f', (q: string) => `https://a.test/${q}`, options);
    const b = fetchAgent('f', (q: string) => `https://b.test/${q}`, options);
    const read = fetchAgent('f', (q: string) => `https://a.test/${q}`, { ...options, read: () => 'read' });

    expect(await asked(store, a, 'q')).toBe('https://a.test/q');
    expect(await asked(store, b, 'q')).toBe('https://b.test/q');
    expect(await asked(store, read, 'q')).toBe('read');
  });

  it('tells tool loops apart by what they tell the model, and refuses one whose tools cannot be told apart', async () => {
    const store = memoryStore();
    let calls = 0;
    const model = agent('model', () => ({
      text: String((calls += 1)),
      toolCalls: [],
      finish: 'stop',
    })) as unknown as Model;
    const looped = (system: string, description = 'adds') =>
      toolLoop('loop', {
        model,
        system,
        tools: [
          tool(
            agent('add', (n: unknown) => n),
            { description, parameters: { type: 'object' } },
          ),
        ],
        cache: {},
      });
    for (const one of [looped('a'), looped('b'), looped('a', 'sums'), looped('a')])
      await asked(store, one, 'Hello');
    const tools = await toolsFromMcp(mcp('a'));

    expect(calls).toBe(3);
    expect(() => toolLoop('loop', { model, tools, cache: {} })).toThrow(refused);
  });
});
