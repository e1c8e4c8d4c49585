/**
 * Agents that think: language models of every usual SDK as agents, and loops in which they use tools.
 *
 * No SDK is imported: give the client that you have.
 *
 * @packageDocumentation
 */
export { aiSdkModel } from './aiSdk';
export type { AiSdk, AiSdkOptions } from './aiSdk';
export { anthropicModel } from './anthropic';
export type { AnthropicClient, AnthropicOptions } from './anthropic';
export { fromEffect, fromTaskEither, toTaskEither } from './effects';
export { fetchAgent, HttpError } from './fetchAgent';
export type { FetchOptions } from './fetchAgent';
export type { JsonSchema } from '../../lib/codec/jsonSchema';
export { langChainModel } from './langChain';
export type { LangChainModel } from './langChain';
export { McpToolError, toolsFromMcp } from './mcp';
export type { McpClient, McpOptions } from './mcp';
export { ModelAnswerError, modelFrom } from './model';
export type { AboutModel, AnswerParts, ModelOptions, ModelPrice } from './model';
export type {
  AssistantMessage,
  Message,
  Model,
  ModelAnswer,
  ModelRequest,
  ModelUsage,
  SystemMessage,
  ToolCall,
  ToolDescription,
  ToolMessage,
  UserMessage,
  UserPart,
} from '../../lib/definition/languageModel';
export { openAiModel, openAiResponsesModel } from './openAi';
export type { OpenAiClient, OpenAiOptions, OpenAiResponsesClient } from './openAi';
export { priced } from './priced';
export { tool, toolLoop, ToolsFailedError } from './toolLoop';
export type { Tool, ToolLoopAnswer, ToolLoopInput, ToolLoopOptions, ToolOptions } from './toolLoop';
