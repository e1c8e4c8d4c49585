import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { lastValueFrom } from 'rxjs';
import { z } from 'zod';

import type { Tool } from '../../adapters/ai/index';
import { toolLoop, toolsFromMcp } from '../../adapters/ai/index';
import { outputs, run } from '../../index';
import { fakeModel } from '../../testing/index';

describe('the tools of an MCP server', () => {
  let begun: Promise<void>;
  let aborted: Promise<void>;
  let client: Client;

  beforeEach(async () => {
    const server = new McpServer({ name: 'weather', version: '1' });
    server.registerTool(
      'weather',
      { description: 'The weather in a city.', inputSchema: { city: z.string() } },
      ({ city }) => {
        if (city === 'Atlantis') return { isError: true, content: [{ type: 'text', text: 'no such city' }] };
        return { content: [{ type: 'text', text: `rain in ${city}` }] };
      },
    );
    server.registerTool('data', { inputSchema: {}, outputSchema: { n: z.number() } }, () => ({
      content: [],
      structuredContent: { n: 1 },
    }));
    let begin = (): void => undefined;
    begun = new Promise((resolve) => (begin = resolve));
    aborted = new Promise((resolve) => {
      server.registerTool('slow', { inputSchema: {} }, async (_args, { signal }) => {
        begin();
        await new Promise<void>((stop) => {
          signal.addEventListener('abort', () => {
            stop();
          });
        });
        resolve();
        return { content: [] };
      });
    });
    client = new Client({ name: 'test', version: '1' });
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    await Promise.all([server.connect(theirs), client.connect(ours)]);
  });
  afterEach(() => client.close());

  const named = (tools: readonly Tool[], name: string) => {
    const found = tools.find(({ agent }) => agent.name === name);
    if (found === undefined) throw new Error(`no tool ${name}`);
    return found.agent as never;
  };

  it('work in a toolLoop, failures included', async () => {
    const tools = await toolsFromMcp(client, { only: ['weather'] });
    const model = fakeModel([
      {
        toolCalls: [
          { tool: 'weather', arguments: { city: 'Seoul' } },
          { tool: 'weather', arguments: { city: 'Atlantis' } },
          { tool: 'weather', arguments: { town: 'x' } },
        ],
      },
      { text: 'So it is.' },
    ]);
    const { messages } = await lastValueFrom(
      run(toolLoop('assistant', { model, tools }), 'x').pipe(outputs()),
    );

    expect(messages.flatMap((one) => (one.role === 'tool' ? [one.content] : []))).toEqual([
      'rain in Seoul',
      'It failed: MCP tool "weather" failed: no such city',
      expect.stringContaining('It failed: '),
    ]);
    expect(model.calls[0]?.tools?.[0]).toMatchObject({
      name: 'weather',
      description: 'The weather in a city.',
      parameters: { type: 'object', required: ['city'] },
    });
  });

  it('are agents of their own, which give data where the server does', async () => {
    const tools = await toolsFromMcp(client);

    expect(await lastValueFrom(run(named(tools, 'data'), {} as never).pipe(outputs()))).toEqual({ n: 1 });
  });

  it('hear that nobody waits any more', async () => {
    const tools = await toolsFromMcp(client);
    const subscription = run(named(tools, 'slow'), {} as never).subscribe();
    await begun;
    subscription.unsubscribe();

    await aborted;
  });

  it('are refused by name when the server does not have them', async () => {
    await expect(toolsFromMcp(client, { only: ['whether'] })).rejects.toThrow(
      'Cannot take tool "whether" of the MCP server: it has weather, data, slow',
    );
  });
});
