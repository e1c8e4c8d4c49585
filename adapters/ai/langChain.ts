import type { Message, Model, ModelRequest } from '../../lib/definition/languageModel';
import type { ModelOptions } from './model';
import { NonRetryableError } from '../../lib/model/failure';
import { modelFrom, withToolNames } from './model';
import { chatMessage } from './openAi';

/** What is used of a chat model of LangChain (`@langchain/core`). */
export interface LangChainModel {
  /** Asks the model. */
  stream(messages: never, options: never): PromiseLike<AsyncIterable<unknown>>;
  /** The provider's name of the model. */
  readonly model?: unknown;
  /** The same model with tools. */
  bindTools?(tools: never): unknown;
}

/**
 * A chat model of LangChain: `langChainModel('gpt', new ChatOpenAI({ model: 'gpt-5-mini', maxRetries: 0 }))`. Give it
 * `maxRetries: 0`, so that its own retries and those of `retry` are not multiplied.
 */
export function langChainModel(name: string, model: LangChainModel, options: ModelOptions = {}): Model {
  return modelFrom(
    name,
    options,
    withToolNames(async (request, parts, { signal }) => {
      const bound = withTools(name, model, request);
      const messages = request.messages.filter(says).map(chatMessage);
      const stream = await bound.stream(messages as never, { signal } as never);
      let hasCalls = false;
      let read: number | undefined;
      let said: number | undefined;
      for await (const chunk of stream as AsyncIterable<Chunk>) {
        // Some models notice the signal between two chunks only.
        signal.throwIfAborted();
        parts.addText(textIn(chunk.content));
        for (const call of chunk.tool_call_chunks ?? []) {
          hasCalls = true;
          parts.addToCall(call.index ?? call.id ?? 0, { id: call.id, tool: call.name, text: call.args });
        }
        // What does not stream tells its calls whole.
        if (chunk.tool_call_chunks === undefined) {
          for (const call of [...(chunk.tool_calls ?? []), ...(chunk.invalid_tool_calls ?? [])]) {
            hasCalls = true;
            parts.addToCall(call.id ?? call.name ?? 0, { id: call.id, tool: call.name, text: call.args });
          }
        }
        // Chunks are made to be added up: each says what is new.
        read = sumOf(read, chunk.usage_metadata?.input_tokens);
        said = sumOf(said, chunk.usage_metadata?.output_tokens);
        parts.use(read, said);
      }
      // LangChain has no common word for why an answer ended.
      if (hasCalls) parts.finish = 'tools';
      else if (parts.text !== '') parts.finish = 'stop';
    }),
    typeof model.model === 'string' ? { model: model.model } : {},
  );
}

/** A model may end without a word, and some providers refuse a turn that is empty. */
function says(message: Message): boolean {
  return message.role !== 'assistant' || message.content !== '' || (message.toolCalls ?? []).length > 0;
}

interface Chunk {
  readonly content?: unknown;
  readonly tool_call_chunks?: readonly {
    readonly index?: number;
    readonly id?: string;
    readonly name?: string;
    readonly args?: string;
  }[];
  readonly tool_calls?: readonly WholeCall[];
  /** Those whose arguments are no JSON. */
  readonly invalid_tool_calls?: readonly WholeCall[];
  readonly usage_metadata?: { readonly input_tokens?: number; readonly output_tokens?: number };
}

interface WholeCall {
  readonly id?: string;
  readonly name?: string;
  readonly args?: unknown;
}

function sumOf(before: number | undefined, more: number | undefined): number | undefined {
  return more === undefined || !Number.isFinite(more) ? before : (before ?? 0) + more;
}

function withTools(name: string, model: LangChainModel, { tools = [] }: ModelRequest): LangChainModel {
  if (tools.length === 0) return model;
  if (typeof model.bindTools !== 'function')
    throw new NonRetryableError(
      `Cannot give tools to model "${name}": it has no bindTools(); take one that has`,
    );
  const described = tools.map((tool) => ({ type: 'function', function: tool }));
  return model.bindTools(described as never) as LangChainModel;
}

function textIn(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as readonly { readonly type?: unknown; readonly text?: unknown }[])
    .map(({ type, text }) => (type === 'text' && typeof text === 'string' ? text : ''))
    .join('');
}
