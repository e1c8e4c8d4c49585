import type { StepContext } from '../../lib/model/agentType';
import type { Message, Model, ModelRequest, UserMessage } from '../../lib/definition/languageModel';
import type { AnswerParts, ModelOptions } from './model';
import { checkWhole, madeOf, modelFrom, ModelAnswerError, objectOf, withToolNames } from './model';

/** What is used of a client of the package `openai`. */
export interface OpenAiClient {
  /** Its chat completions. */
  readonly chat: { readonly completions: { create(body: never, options: never): PromiseLike<unknown> } };
}

/** What is used of a client of the package `openai` that has the Responses API. */
export interface OpenAiResponsesClient {
  /** Its responses. */
  readonly responses: { create(body: never, options: never): PromiseLike<unknown> };
}

/** Which model answers, and with which further fields of the request. */
export interface OpenAiOptions extends ModelOptions {
  /** The provider's name of the model, such as `gpt-5-mini`. */
  readonly model: string;
  /** Further fields of the request, such as `temperature`. */
  readonly body?: Readonly<Record<string, unknown>>;
}

/**
 * A model behind OpenAI's chat completions, and everything that speaks them (Ollama, vLLM, Groq, OpenRouter …): give the client of the
 * package `openai`. Its answer is streamed. The client's own retries are off: `retry` among the options is what repeats a call.
 *
 * @throws The errors of the client, as they are: `status` and `code` stand in the failure of the step.
 *
 * @example
 * ```ts
 * const gpt = openAiModel('gpt', new OpenAI(), { model: 'gpt-5-mini', retry: 3 });
 * ```
 */
export function openAiModel(name: string, client: OpenAiClient, options: OpenAiOptions): Model {
  const { model, body, ...rest } = options;
  return modelFrom(
    name,
    rest,
    withToolNames(async (request, parts, { signal }) => {
      const { completions } = client.chat;
      const stream = await completions.create(
        {
          ...chatBody(request),
          model,
          stream: true,
          stream_options: { include_usage: true },
          ...body,
        } as never,
        { signal, maxRetries: 0 } as never,
      );
      for await (const chunk of stream as AsyncIterable<ChatChunk>) readChunk(chunk, parts);
      checkWhole(name, parts);
    }),
    { model, provider: 'openai' },
    madeOf(client, { api: 'chat', model, body }),
  );
}

/** The same by OpenAI's Responses API. */
export function openAiResponsesModel(
  name: string,
  client: OpenAiResponsesClient,
  options: OpenAiOptions,
): Model {
  const { model, body, ...rest } = options;
  return modelFrom(
    name,
    rest,
    withToolNames(async (request, parts, { signal }: StepContext) => {
      const stream = await client.responses.create(
        { ...responsesBody(request), model, stream: true, ...body } as never,
        { signal, maxRetries: 0 } as never,
      );
      for await (const event of stream as AsyncIterable<ResponsesEvent>) readEvent(name, event, parts);
      checkWhole(name, parts);
    }),
    { model, provider: 'openai' },
    madeOf(client, { api: 'responses', model, body }),
  );
}

interface ChatChunk {
  readonly choices?:
    | readonly {
        readonly delta?: {
          readonly content?: string | null;
          readonly refusal?: string | null;
          readonly tool_calls?: readonly {
            readonly index?: number;
            readonly id?: string;
            readonly function?: { readonly name?: string; readonly arguments?: string };
          }[];
        };
        readonly finish_reason?: string | null;
      }[]
    | null;
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null;
}

const FINISHES: Readonly<Record<string, AnswerParts['finish']>> = {
  stop: 'stop',
  tool_calls: 'tools',
  function_call: 'tools',
  length: 'length',
  content_filter: 'refused',
};

function readChunk({ choices, usage }: ChatChunk, parts: AnswerParts): void {
  const [choice] = choices ?? [];
  parts.use(usage?.prompt_tokens, usage?.completion_tokens);
  if (choice === undefined) return;
  const { delta, finish_reason: reason } = choice;
  parts.addText(delta?.content ?? delta?.refusal);
  for (const call of delta?.tool_calls ?? [])
    parts.addToCall(call.index ?? 0, {
      id: call.id,
      tool: call.function?.name,
      text: call.function?.arguments,
    });
  if (typeof reason === 'string') parts.finish = FINISHES[reason] ?? 'stop';
}

function chatBody({ messages, tools = [], output }: ModelRequest): object {
  return {
    messages: messages.map(chatMessage),
    ...(tools.length > 0 && { tools: tools.map((tool) => ({ type: 'function', function: tool })) }),
    ...(output !== undefined && {
      response_format: {
        type: 'json_schema',
        json_schema: { name: formName(output.name), schema: output.schema },
      },
    }),
  };
}

/** A message as chat completions take it, and everything made after them. */
export function chatMessage(message: Message): object {
  switch (message.role) {
    case 'tool':
      return { role: 'tool', tool_call_id: message.callId, content: message.content };
    case 'assistant':
      return {
        role: 'assistant',
        content: message.content,
        ...(message.toolCalls !== undefined && {
          tool_calls: message.toolCalls.map(({ id, tool, arguments: args }) => ({
            id,
            type: 'function',
            function: { name: tool, arguments: argumentsText(args) },
          })),
        }),
      };
    case 'user':
      return { role: 'user', content: chatContent(message.content) };
    default:
      return message;
  }
}

function chatContent(content: UserMessage['content']): unknown {
  if (typeof content === 'string') return content;
  return content.map((part) =>
    part.type === 'text' ? part : { type: 'image_url', image_url: { url: part.image } },
  );
}

/** Servers that only speak like OpenAI refuse a conversation with arguments that are no object. */
function argumentsText(args: unknown): string {
  return JSON.stringify(objectOf(args));
}

/** A name of a form as the API takes it. */
function formName(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);
}

interface ResponsesEvent {
  readonly type: string;
  readonly delta?: string;
  readonly message?: string;
  readonly code?: string | null;
  readonly output_index?: number;
  readonly item?: {
    readonly type: string;
    readonly call_id?: string;
    readonly name?: string;
    readonly arguments?: string;
  };
  readonly response?: {
    readonly usage?: { readonly input_tokens?: number; readonly output_tokens?: number } | null;
    readonly error?: { readonly code?: string; readonly message?: string } | null;
    readonly incomplete_details?: { readonly reason?: string } | null;
    readonly output?: readonly unknown[];
  };
}

function readEvent(name: string, event: ResponsesEvent, parts: AnswerParts): void {
  const { response, item } = event;
  switch (event.type) {
    case 'response.output_text.delta':
    case 'response.refusal.delta':
      parts.addText(event.delta);
      return;
    case 'response.output_item.done':
      if (item?.type === 'function_call')
        parts.addToCall(event.output_index ?? 0, { id: item.call_id, tool: item.name, text: item.arguments });
      return;
    case 'response.completed':
    case 'response.incomplete': {
      const { usage, incomplete_details: cut, output = [] } = response ?? {};
      parts.use(usage?.input_tokens, usage?.output_tokens);
      const hasCalls = output.some((one) => (one as { type?: unknown }).type === 'function_call');
      if (cut?.reason === 'content_filter') parts.finish = 'refused';
      else if (event.type === 'response.incomplete') parts.finish = 'length';
      else parts.finish = hasCalls ? 'tools' : 'stop';
      return;
    }
    case 'response.failed':
    case 'error': {
      const { message = 'it failed', code } = response?.error ?? event;
      throw new ModelAnswerError(name, typeof code === 'string' ? `${message} (${code})` : message);
    }
    default:
  }
}

function responsesBody({ messages, tools = [], output }: ModelRequest): object {
  return {
    // Nothing is left behind at the provider: the whole conversation comes with every call.
    store: false,
    input: messages.flatMap(responsesItems),
    ...(tools.length > 0 && { tools: tools.map((tool) => ({ type: 'function', strict: false, ...tool })) }),
    ...(output !== undefined && {
      text: {
        format: { type: 'json_schema', strict: false, name: formName(output.name), schema: output.schema },
      },
    }),
  };
}

function responsesItems(message: Message): object[] {
  switch (message.role) {
    case 'tool':
      return [{ type: 'function_call_output', call_id: message.callId, output: message.content }];
    case 'assistant':
      return [
        ...(message.content === '' ? [] : [{ role: 'assistant', content: message.content }]),
        ...(message.toolCalls ?? []).map(({ id, tool, arguments: args }) => ({
          type: 'function_call',
          call_id: id,
          name: tool,
          arguments: argumentsText(args),
        })),
      ];
    case 'user':
      if (typeof message.content === 'string') return [{ role: 'user', content: message.content }];
      return [
        {
          role: 'user',
          content: message.content.map((part) =>
            part.type === 'text'
              ? { type: 'input_text', text: part.text }
              : { type: 'input_image', image_url: part.image },
          ),
        },
      ];
    default:
      return [{ role: 'system', content: message.content }];
  }
}
