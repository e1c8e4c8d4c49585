import { anthropicModel, langChainModel, priced } from '../../../adapters/ai';
import { execute, memoryStore, run } from '../../../index';
import { reportedUsage } from '../../../lib/model/usage';
import type { Model, ModelRequest } from '../../../adapters/ai';

const request: ModelRequest = { messages: [{ role: 'user', content: 'go' }] };
const price = { input: 10, output: 100 };

/** What the answer of a model says that it has used, and what the run does. */
async function used(model: Model): Promise<unknown> {
  const { output, used: ofRun, error } = await execute(model, request, { store: memoryStore() });
  expect(error).toBeUndefined();
  return [output?.usage, ofRun];
}

const messages = (usage: object, last: object = { output_tokens: 50 }, stopReason = 'end_turn') => {
  const events = [
    { type: 'message_start', message: { usage: { output_tokens: 1, ...usage } } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } },
    { type: 'message_delta', delta: { stop_reason: stopReason }, usage: last },
  ];
  const client = { messages: { create: () => Promise.resolve(events.values()) } };
  return anthropicModel('claude', client, { model: 'claude', price });
};

describe('what anthropicModel() says that was used', () => {
  it('has what was read from the cache of the prompt and written into it, each at its price', async () => {
    const usage = {
      input_tokens: 1_000,
      cache_read_input_tokens: 20_000,
      cache_creation_input_tokens: 4_000,
    };
    const tokens = { inputTokens: 25_000, outputTokens: 50, tokens: 25_050 };

    // 1,000 + a tenth of 20,000 + 1.25 times 4,000 at 10 dollars a million, 50 at 100.
    const usd = 0.085;
    expect(await used(messages(usage))).toEqual([
      { ...tokens, usd: expect.closeTo(usd, 9) as number },
      { tokens: 25_050, usd: expect.closeTo(usd, 9) as number },
    ]);
    const hourly = { ...usage, cache_creation: { ephemeral_1h_input_tokens: 4_000 } };
    expect(await used(messages(hourly))).toMatchObject([
      { ...tokens, usd: expect.closeTo(0.115, 9) as number },
      {},
    ]);
  });

  it('is what was told last: null is no count', async () => {
    const last = { input_tokens: 30, cache_read_input_tokens: null, output_tokens: 50 };
    expect(await used(messages({ input_tokens: 10, cache_read_input_tokens: 5 }, last))).toMatchObject([
      { inputTokens: 35, outputTokens: 50, tokens: 85 },
      { tokens: 85 },
    ]);
  });

  it('is counted the same where an agent passes on what the client gave', () => {
    const usage = {
      input_tokens: 1_000,
      output_tokens: 50,
      cache_read_input_tokens: 20_000,
      cache_creation_input_tokens: 4_000,
    };
    expect(reportedUsage({ usage })).toEqual({ tokens: 25_050 });
    const event = { type: 'step.completed', agent: 'claude' } as never;
    expect(priced({ claude: price })({ usage }, event)?.usd).toBeCloseTo(0.085, 9);
  });
});

describe('an answer that has reached its limit', () => {
  it.each(['max_tokens', 'pause_turn'])(
    'is told as cut, also to who only sees its text: %s',
    async (reason) => {
      const told: string[] = [];
      const cut = run(messages({ input_tokens: 5 }, { output_tokens: 50 }, reason), request);
      await cut.forEach(({ event }) => {
        if (event.type === 'step.logged') told.push(`${event.level} ${event.message}`);
        if (event.type === 'run.completed')
          expect(event.output).toMatchObject({ finish: 'length', text: 'hi' });
      });
      expect(told).toEqual(['WARNING The answer of model "claude" is cut: it has reached its limit']);
    },
  );
});

describe('what langChainModel() says that was used', () => {
  const model = (...counts: readonly (readonly [input: number, output: number])[]) => {
    const chunks = counts.map(([input_tokens, output_tokens]) => ({
      content: 'hi',
      tool_call_chunks: [],
      usage_metadata: { input_tokens, output_tokens },
    }));
    return langChainModel('chat', { stream: () => Promise.resolve(from(chunks)) }, { price });
  };

  it('is the sum of its chunks, each of which says what is new', async () => {
    const usage = {
      inputTokens: 700,
      outputTokens: 51,
      tokens: 751,
      usd: expect.closeTo(0.0121, 9) as number,
    };
    expect(await used(model([700, 1], [0, 50]))).toMatchObject([usage, { tokens: 751 }]);
    expect(await used(model([700, 20], [0, 21], [0, 10]))).toMatchObject([usage, { tokens: 751 }]);
  });
});

async function* from<T>(parts: readonly T[]): AsyncGenerator<T> {
  for (const part of parts) yield await Promise.resolve(part);
}
