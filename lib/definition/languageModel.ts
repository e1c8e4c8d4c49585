import type { JsonSchema } from '../codec/jsonSchema';
import type { Agent } from '../model/agentType';

/** A language model as an agent: what was said so far in, its answer out, and its text piece by piece as partial results. */
export type Model = Agent<ModelRequest, ModelAnswer, string>;

/** One message of a conversation. */
export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;

/** What a model is told first. */
export interface SystemMessage {
  /** Who speaks. */
  readonly role: 'system';
  /** What is said. */
  readonly content: string;
}

/** What a user says. */
export interface UserMessage {
  /** Who speaks. */
  readonly role: 'user';
  /** Text, or parts of it and images. */
  readonly content: string | readonly UserPart[];
}

/** A part of what a user says. */
export type UserPart =
  | { readonly type: 'text'; readonly text: string }
  /** `image` is a URL, `data:` URLs too. */
  | { readonly type: 'image'; readonly image: string };

/** What a model has said. */
export interface AssistantMessage {
  /** Who speaks. */
  readonly role: 'assistant';
  /** Its text. */
  readonly content: string;
  /** The tools it asked for. */
  readonly toolCalls?: readonly ToolCall[];
  /** What its provider wants to have back with it unchanged, such as signed thinking; others leave it out. */
  readonly provider?: { readonly name: string; readonly data: unknown };
}

/** What a tool gave for one call. */
export interface ToolMessage {
  /** Who speaks. */
  readonly role: 'tool';
  /** The id of the call. */
  readonly callId: string;
  /** The name of the tool. */
  readonly tool: string;
  /** What the model is told of it. */
  readonly content: string;
  /** Whether it is what went wrong. */
  readonly isError?: boolean;
}

/** A model asks for a tool. */
export interface ToolCall {
  /** Tells the calls of an answer apart. */
  readonly id: string;
  /** The name of the tool. */
  readonly tool: string;
  /** Its arguments as data; the text itself when it is no JSON. */
  readonly arguments: unknown;
}

/** What a model is told about a tool. */
export interface ToolDescription {
  /** Its name. */
  readonly name: string;
  /** What it does, and when it is of use. */
  readonly description: string;
  /** The JSON Schema of its arguments. */
  readonly parameters: JsonSchema;
}

/** What a model is asked. */
export interface ModelRequest {
  /** The conversation so far. */
  readonly messages: readonly Message[];
  /** The tools it may ask for. */
  readonly tools?: readonly ToolDescription[];
  /** The form that its answer must have, for models that can be held to one. */
  readonly output?: { readonly name: string; readonly schema: JsonSchema };
}

/** What a model has answered. */
export interface ModelAnswer {
  /** What it said. */
  readonly text: string;
  /** The tools it asks for. */
  readonly toolCalls: readonly ToolCall[];
  /** Why it stopped: it was done, asks for tools, reached its limit, or was held back. */
  readonly finish: 'stop' | 'tools' | 'length' | 'refused' | 'other';
  /** What it used, where the provider says so. `usd` needs a `price`. */
  readonly usage?: ModelUsage;
  /** See `AssistantMessage`. */
  readonly provider?: { readonly name: string; readonly data: unknown };
}

/** What one call has used. */
export interface ModelUsage {
  /** What the model has read. */
  readonly inputTokens: number;
  /** What it has said. */
  readonly outputTokens: number;
  /** Both together. */
  readonly tokens: number;
  /** US dollars. */
  readonly usd?: number;
}
