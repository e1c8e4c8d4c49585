import type {
  AssistantMessage,
  Message,
  Model,
  ModelRequest,
  UserMessage,
} from '../../lib/definition/languageModel';
import type { AnswerParts, ModelOptions } from './model';
import { checkWhole, madeOf, modelFrom, objectOf, systemText, withToolNames } from './model';

/** What is used of a client of the package `@anthropic-ai/sdk`. */
export interface AnthropicClient {
  /** Its messages. */
  readonly messages: { create(body: never, options: never): PromiseLike<unknown> };
}

/** Which model answers, and with which further fields of the request. */
export interface AnthropicOptions extends ModelOptions {
  /** The provider's name of the model, such as `claude-sonnet-4-5`. */
  readonly model: string;
  /** Most tokens of one answer; 4,096 when left out. */
  readonly maxTokens?: number;
  /** Further fields of the request, such as `thinking`. */
  readonly body?: Readonly<Record<string, unknown>>;
}

const PROVIDER = 'anthropic';

/**
 * A model of Anthropic: give the client of the package `@anthropic-ai/sdk`. Its answer is streamed. The client's own retries are off:
 * `retry` among the options is what repeats a call.
 *
 * A form of the answer (`output` of the request) is asked for in words: the API has no other way for every model.
 *
 * @throws The errors of the client, as they are: `status` and `code` stand in the failure of the step.
 */
export function anthropicModel(name: string, client: AnthropicClient, options: AnthropicOptions): Model {
  const { model, maxTokens = 4_096, body, ...rest } = options;
  return modelFrom(
    name,
    rest,
    withToolNames(async (request, parts, { signal }) => {
      const stream = await client.messages.create(
        { ...messagesBody(request), model, max_tokens: maxTokens, stream: true, ...body } as never,
        { signal, maxRetries: 0 } as never,
      );
      const blocks = new Blocks(parts);
      for await (const event of stream as AsyncIterable<MessagesEvent>) blocks.read(event);
      checkWhole(name, parts);
      blocks.finish();
    }),
    { model, provider: PROVIDER },
    madeOf(client, { api: 'messages', model, body: { maxTokens, ...body } }),
  );
}

interface MessagesEvent {
  readonly type: string;
  readonly index?: number;
  readonly message?: { readonly usage?: MessagesUsage };
  readonly content_block?: { readonly type: string; readonly id?: string; readonly name?: string };
  readonly delta?: {
    readonly type?: string;
    readonly text?: string;
    readonly partial_json?: string;
    readonly thinking?: string;
    readonly signature?: string;
    readonly stop_reason?: string | null;
  };
  readonly usage?: MessagesUsage;
}

/** What the API counts. What is read from the cache of the prompt and written into it is not among `input_tokens`. */
interface MessagesUsage {
  readonly input_tokens?: number | null;
  readonly output_tokens?: number | null;
  readonly cache_read_input_tokens?: number | null;
  readonly cache_creation_input_tokens?: number | null;
  readonly cache_creation?: { readonly ephemeral_1h_input_tokens?: number | null } | null;
}

/** What was read in all, and so many tokens at the price of the input cost the same; undefined where neither is said. */
export function readOf(
  usage: MessagesUsage,
): { readonly tokens: number; readonly charged: number } | undefined {
  const { input_tokens: input, cache_read_input_tokens: read, cache_creation_input_tokens: written } = usage;
  if (typeof input !== 'number' && typeof read !== 'number' && typeof written !== 'number') return undefined;
  const [plain, cached, kept] = [input ?? 0, read ?? 0, written ?? 0];
  const hourly = usage.cache_creation?.ephemeral_1h_input_tokens ?? 0;
  return {
    tokens: plain + cached + kept,
    // Anthropic, "Prompt caching", Pricing: a read costs a tenth of the input, a write for five minutes 1.25 times, for an hour twice.
    charged: plain + cached * 0.1 + (kept - hourly) * 1.25 + hourly * 2,
  };
}

const FINISHES: Readonly<Record<string, AnswerParts['finish']>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tools',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  // So many calls of tools of the API itself are made for one answer.
  pause_turn: 'length',
  refusal: 'refused',
};

/** Collects the blocks of an answer. Thinking is signed, and must come back unchanged before the results of its tools. */
class Blocks {
  readonly #parts: AnswerParts;
  readonly #blocks: Record<string, unknown>[] = [];
  #hasThinking = false;
  #usage: MessagesUsage = {};

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  read(event: MessagesEvent): void {
    const { index = 0, delta } = event;
    switch (event.type) {
      case 'message_start':
        this.#use(event.message?.usage);
        return;
      case 'content_block_start': {
        const block = { ...event.content_block };
        this.#blocks[index] = block;
        if (block.type === 'tool_use')
          this.#parts.addToCall(index, { id: block.id, tool: block.name, text: '' });
        if (block.type === 'thinking' || block.type === 'redacted_thinking') this.#hasThinking = true;
        return;
      }
      case 'content_block_delta':
        if (delta !== undefined) this.#add(index, delta);
        return;
      case 'message_delta':
        this.#use(event.usage);
        if (typeof delta?.stop_reason === 'string')
          this.#parts.finish = FINISHES[delta.stop_reason] ?? 'stop';
        return;
      default:
    }
  }

  /** Takes counts that are told, some of them again; what is null or missing stays as it was. */
  #use(told: MessagesUsage = {}): void {
    const counts = Object.entries(told).filter(([, count]) => count !== null && count !== undefined);
    this.#usage = { ...this.#usage, ...Object.fromEntries(counts) };
    const read = readOf(this.#usage);
    this.#parts.use(read?.tokens, this.#usage.output_tokens, read?.charged);
  }

  #add(index: number, delta: NonNullable<MessagesEvent['delta']>): void {
    const block = (this.#blocks[index] ??= {});
    const append = (key: string, text = ''): void => {
      block[key] = `${(block[key] as string | undefined) ?? ''}${text}`;
    };
    if (delta.type === 'text_delta') {
      append('text', delta.text);
      this.#parts.addText(delta.text);
    } else if (delta.type === 'input_json_delta') this.#parts.addToCall(index, { text: delta.partial_json });
    else if (delta.type === 'thinking_delta') append('thinking', delta.thinking);
    else if (delta.type === 'signature_delta') append('signature', delta.signature);
  }

  finish(): void {
    if (!this.#hasThinking) return;
    // The arguments of the tools stand among the calls.
    const data = this.#blocks.filter(({ type }) => type === 'thinking' || type === 'redacted_thinking');
    this.#parts.provider = { name: PROVIDER, data };
  }
}

function messagesBody(request: ModelRequest): object {
  const { messages, tools = [] } = request;
  const system = systemText(request);
  return {
    messages: turnsOf(messages),
    ...(system !== undefined && { system }),
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, parameters }) => ({
        name,
        description,
        input_schema: parameters,
      })),
    }),
  };
}

interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: object[];
}

/** Results of tools are what the user says next: neighbours of one role become one turn. */
function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.role === 'system') continue;
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = blocksOf(message);
    // A model may end without a word, and the API refuses a turn that is empty.
    if (content.length === 0) continue;
    const last = turns[turns.length - 1];
    if (last?.role === role) last.content.push(...content);
    else turns.push({ role, content });
  }
  return turns;
}

function blocksOf(message: Exclude<Message, { readonly role: 'system' }>): object[] {
  switch (message.role) {
    case 'tool':
      return [
        {
          type: 'tool_result',
          tool_use_id: message.callId,
          content: message.content,
          ...(message.isError === true && { is_error: true }),
        },
      ];
    case 'assistant':
      return assistantBlocks(message);
    default:
      return userBlocks(message.content);
  }
}

function assistantBlocks({ content, toolCalls = [], provider }: AssistantMessage): object[] {
  const kept = provider?.name === PROVIDER ? (provider.data as object[]) : [];
  return [
    ...kept,
    ...(content === '' ? [] : [{ type: 'text', text: content }]),
    ...toolCalls.map(({ id, tool, arguments: input }) => ({
      type: 'tool_use',
      id,
      name: tool,
      input: objectOf(input),
    })),
  ];
}

function userBlocks(content: UserMessage['content']): object[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return content.map((part) => {
    if (part.type === 'text') return part;
    const data = /^data:([^;,]+);base64,(.+)$/s.exec(part.image);
    const source =
      data === null
        ? { type: 'url', url: part.image }
        : { type: 'base64', media_type: data[1], data: data[2] };
    return { type: 'image', source };
  });
}
