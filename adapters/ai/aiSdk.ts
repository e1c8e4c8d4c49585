import type { Message, Model, ModelRequest } from '../../lib/definition/languageModel';
import type { AboutModel, AnswerParts, ModelOptions } from './model';
import { brokenOff, modelFrom, ModelAnswerError, objectOf, systemText, withToolNames } from './model';

/** What is used of the package `ai` (5, 6 or 7): give `import * as ai from 'ai'`. */
export interface AiSdk {
  /** Asks a model. */
  streamText(options: never): { readonly fullStream: AsyncIterable<unknown> };
  /** Makes a schema of the SDK of a JSON Schema. */
  jsonSchema(schema: never): unknown;
}

/** How the model of the AI SDK answers. */
export interface AiSdkOptions extends ModelOptions {
  /** Further options of `streamText`, such as `temperature`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/**
 * A language model of the AI SDK: `aiSdkModel('gpt', ai, openai('gpt-5-mini'))`. Its tools are not run by the SDK, and its own
 * retries are off.
 *
 * @throws The errors of the provider: the SDK ends a failed stream as if it had been empty, so they are read from among its parts.
 */
export function aiSdkModel(name: string, sdk: AiSdk, model: unknown, options: AiSdkOptions = {}): Model {
  const { settings, ...rest } = options;
  return modelFrom(
    name,
    rest,
    withToolNames(async (request, parts, { signal }) => {
      const { fullStream } = sdk.streamText({
        ...sdkOptions(request, sdk),
        model,
        abortSignal: signal,
        maxRetries: 0,
        // It would print them.
        onError: () => undefined,
        ...settings,
      } as never);
      let hasEnded = false;
      try {
        for await (const part of fullStream as AsyncIterable<StreamPart>) {
          readPart(name, part, parts);
          hasEnded ||= part.type === 'finish';
        }
      } catch (error) {
        throw hasBegunWell(error) ? new ModelAnswerError(name, messageOf(error), error) : error;
      }
      if (!hasEnded) throw brokenOff(name);
    }),
    aboutModel(model),
    // A model object does not say on which server it is.
    typeof model === 'string' ? { model, settings } : null,
  );
}

/** What the SDK knows of its model, which may be no more than a text. */
function aboutModel(model: unknown): AboutModel {
  if (typeof model === 'string') return { model };
  const { modelId, provider } = (model ?? {}) as { readonly modelId?: unknown; readonly provider?: unknown };
  return {
    ...(typeof modelId === 'string' && { model: modelId }),
    // `openai.chat`: the part behind the point says how it is asked.
    ...(typeof provider === 'string' && { provider: provider.split('.')[0] ?? provider }),
  };
}

interface StreamPart {
  readonly type: string;
  readonly text?: string;
  readonly error?: unknown;
  readonly toolCallId?: string;
  readonly toolName?: string;
  readonly input?: unknown;
  readonly providerExecuted?: boolean;
  readonly finishReason?: string | { readonly unified?: string };
  readonly totalUsage?: { readonly inputTokens?: unknown; readonly outputTokens?: unknown };
}

const FINISHES: Readonly<Record<string, AnswerParts['finish']>> = {
  stop: 'stop',
  'tool-calls': 'tools',
  length: 'length',
  'content-filter': 'refused',
};

function readPart(name: string, part: StreamPart, parts: AnswerParts): void {
  switch (part.type) {
    case 'text-delta':
      parts.addText(part.text);
      return;
    case 'tool-call':
      // Some tools the provider runs itself, such as a search: their results are in its answer.
      if (part.providerExecuted === true) return;
      parts.addToCall(part.toolCallId ?? '', { id: part.toolCallId, tool: part.toolName, text: part.input });
      return;
    case 'error':
      throw part.error;
    case 'abort':
      throw new ModelAnswerError(name, 'it was aborted');
    case 'finish': {
      const { finishReason: reason, totalUsage } = part;
      const word = (typeof reason === 'string' ? reason : reason?.unified) ?? '';
      // The SDK says `unknown` or `other` of a stream that was empty.
      parts.finish = FINISHES[word] ?? 'other';
      if (word === 'error') throw new ModelAnswerError(name, 'it failed');
      parts.use(totalUsage?.inputTokens, totalUsage?.outputTokens);
      return;
    }
    default:
  }
}

/** The SDK calls an answer final that began well and was cut; asking again helps. */
function hasBegunWell(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { statusCode } = error as { readonly statusCode?: unknown };
  return typeof statusCode === 'number' && statusCode < 300;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sdkOptions(request: ModelRequest, sdk: AiSdk): object {
  const { messages, tools = [] } = request;
  const system = systemText(request);
  const described = tools.map(({ name, description, parameters }) => [
    name,
    { description, inputSchema: sdk.jsonSchema(parameters as never) },
  ]);
  return {
    messages: messages.flatMap(sdkMessage),
    ...(system !== undefined && { system }),
    ...(tools.length > 0 && { tools: Object.fromEntries(described) as object }),
  };
}

function sdkMessage(message: Message): object[] {
  switch (message.role) {
    case 'system':
      return [];
    case 'user':
      return [message];
    case 'assistant': {
      const { content, toolCalls = [] } = message;
      // A model may end without a word, and some providers refuse a turn that is empty.
      if (toolCalls.length === 0) return content === '' ? [] : [{ role: 'assistant', content }];
      const calls = toolCalls.map(({ id, tool, arguments: input }) => ({
        type: 'tool-call',
        toolCallId: id,
        toolName: tool,
        input: objectOf(input),
      }));
      return [
        {
          role: 'assistant',
          content: [...(content === '' ? [] : [{ type: 'text', text: content }]), ...calls],
        },
      ];
    }
    default: {
      const { callId, tool, content, isError } = message;
      const output = { type: isError === true ? 'error-text' : 'text', value: content };
      return [
        { role: 'tool', content: [{ type: 'tool-result', toolCallId: callId, toolName: tool, output }] },
      ];
    }
  }
}
