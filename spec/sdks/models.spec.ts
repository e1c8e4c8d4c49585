import Anthropic from '@anthropic-ai/sdk';
import { ChatOpenAI } from '@langchain/openai';
import * as ai5 from 'ai5';
import * as ai6 from 'ai6';
import { createOpenAICompatible as compatible1 } from 'compatible1';
import { createOpenAICompatible as compatible2 } from 'compatible2';
import OpenAI from 'openai';

import {
  aiSdkModel,
  anthropicModel,
  langChainModel,
  openAiModel,
  openAiResponsesModel,
} from '../../adapters/ai/index';
import type { MakeModel } from './support/describeModel';
import { describeModel } from './support/describeModel';

const makers: Record<string, MakeModel> = {
  'chat completions of openai': ({ url }, model, options) =>
    openAiModel('model', new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k' }), { model, ...options }),
  'responses of openai': ({ url }, model, options) =>
    openAiResponsesModel('model', new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k' }), { model, ...options }),
  'messages of anthropic': ({ url }, model, options) =>
    anthropicModel('model', new Anthropic({ baseURL: url, apiKey: 'k' }), { model, ...options }),
  'the AI SDK 5': ({ url }, model, options) =>
    aiSdkModel(
      'model',
      ai5,
      compatible1({ name: 'p', baseURL: `${url}/v1`, includeUsage: true })(model),
      options,
    ),
  'the AI SDK 6': ({ url }, model, options) =>
    aiSdkModel(
      'model',
      ai6,
      compatible2({ name: 'p', baseURL: `${url}/v1`, includeUsage: true })(model),
      options,
    ),
  LangChain: ({ url }, model, options) =>
    langChainModel(
      'model',
      new ChatOpenAI({ model, apiKey: 'k', maxRetries: 0, configuration: { baseURL: `${url}/v1` } }),
      options,
    ),
};

for (const [name, make] of Object.entries(makers)) describeModel(name, make);
