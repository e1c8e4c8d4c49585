import OpenAI from 'openai';

import { lookUp, MODEL_URL, refund } from '../world.ts';

export type Message = OpenAI.ChatCompletionMessageParam;

const client = new OpenAI({ baseURL: MODEL_URL, apiKey: 'k', maxRetries: 0 });
const tools: OpenAI.ChatCompletionTool[] = [
  describe('lookUp', 'What an order cost.', { order: { type: 'string' } }),
  describe('refund', 'Pays money back.', { amount: { type: 'number' } }),
];

function describe(name: string, description: string, properties: object): OpenAI.ChatCompletionTool {
  const parameters = { type: 'object', properties, required: Object.keys(properties) };
  return { type: 'function', function: { name, description, parameters } };
}

/** One call of the model. Its words do not reach the workflow before it ends. */
export async function askModel(messages: Message[]): Promise<OpenAI.ChatCompletionMessage> {
  const { choices } = await client.chat.completions.create({ model: 'gpt', messages, tools });
  return choices[0]!.message;
}

export async function callTool(name: string, input: string): Promise<string> {
  if (name === 'lookUp') return JSON.stringify(await lookUp(JSON.parse(input)));
  if (name === 'refund') return refund(JSON.parse(input));
  return `There is no tool "${name}".`;
}
