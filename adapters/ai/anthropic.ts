import type {
  AssistantMessage,
  Message,
  Model,
  ModelRequest,
  UserMessage,
} from '../../lib/definition/languageModel';
import type { AnswerParts, ModelOptions } from './model';
import { checkWhole, madeOf, modelFrom, systemText } from './model';

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
    async (request, parts, { signal }) => {
      const stream = await client.messages.create(
        { ...messagesBody(request), model, max_tokens: maxTokens, stream: true, ...body } as never,
        { signal, maxRetries: 0 } as never,
      );
      const blocks = new Blocks(parts);
      for await (const event of stream as AsyncIterable<MessagesEvent>) blocks.read(event);
      checkWhole(name, parts);
      blocks.finish();
    },
    { model, provider: PROVIDER },
    madeOf(client, { api: 'messages', model, body: { maxTokens, ...body } }),
  );
}

interface MessagesEvent {
  readonly type: string;
  readonly index?: number;
  readonly message?: { readonly usage?: { readonly input_tokens?: number; readonly output_tokens?: number } };
  readonly content_block?: { readonly type: string; readonly id?: string; readonly name?: string };
  readonly delta?: {
    readonly type?: string;
    readonly text?: string;
    readonly partial_json?: string;
    readonly thinking?: string;
    readonly signature?: string;
    readonly stop_reason?: string | null;
  };
  readonly usage?: { readonly output_tokens?: number };
}

const FINISHES: Readonly<Record<string, AnswerParts['finish']>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  tool_use: 'tools',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'refused',
};

/** Collects the blocks of an answer. Thinking is signed, and must come back unchanged before the results of its tools. */
class Blocks {
  readonly #parts: AnswerParts;
  readonly #blocks: Record<string, unknown>[] = [];
  #hasThinking = false;

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  read(event: MessagesEvent): void {
    const { index = 0, delta } = event;
    switch (event.type) {
      case 'message_start': {
        const usage = event.message?.usage;
        this.#parts.use(usage?.input_tokens, usage?.output_tokens);
        return;
      }
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
        this.#parts.use(undefined, event.usage?.output_tokens);
        if (typeof delta?.stop_reason === 'string')
          this.#parts.finish = FINISHES[delta.stop_reason] ?? 'stop';
        return;
      default:
    }
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
    const last = turns[turns.length - 1];
    if (last?.role === role) last.content.push(...blocksOf(message));
    else turns.push({ role, content: blocksOf(message) });
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
      // The API takes objects only: what was no JSON comes back as what it was.
      input: typeof input === 'object' && input !== null ? input : { arguments: input },
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
