import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { type ModelMessage, tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';

import { end, IS_APPROVED, lookUp, MODEL_URL, QUESTION, refund, say, STATE, wait } from './world.ts';

const file = join(STATE, 'messages.json');
function save(all: readonly ModelMessage[]): void {
  writeFileSync(`${file}.new`, JSON.stringify(all));
  renameSync(`${file}.new`, file);
}

const messages: ModelMessage[] = existsSync(file)
  ? JSON.parse(readFileSync(file, 'utf8'))
  : [{ role: 'user', content: QUESTION }];
const clerk = new ToolLoopAgent({
  model: createOpenAICompatible({ name: 'local', baseURL: MODEL_URL })('gpt'),
  tools: {
    lookUp: tool({
      description: 'What an order cost.',
      inputSchema: z.object({ order: z.string() }),
      execute: (input) => lookUp(input),
    }),
    refund: tool({
      description: 'Pays money back.',
      inputSchema: z.object({ amount: z.number() }),
      execute: (input) => refund(input),
    }),
  },
  toolApproval: { refund: 'user-approval' },
});

const last = messages.at(-1);
const asked =
  last?.role === 'assistant' && typeof last.content !== 'string'
    ? last.content.filter((part) => part.type === 'tool-approval-request')
    : [];
if (IS_APPROVED) {
  const content = asked.map(({ approvalId }) => ({
    type: 'tool-approval-response' as const,
    approvalId,
    approved: true,
  }));
  messages.push({ role: 'tool', content });
  save(messages);
}
if (asked.length > 0 && !IS_APPROVED) wait();
else {
  const result = await clerk.stream({
    messages,
    onStepEnd: ({ response }) => save([...messages, ...response.messages]),
  });
  let isAsking = false;
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta') say(part.text);
    if (part.type === 'tool-approval-request') isAsking = true;
    if (part.type === 'error') throw part.error;
  }
  if (isAsking) wait();
  else end(await result.text);
}
