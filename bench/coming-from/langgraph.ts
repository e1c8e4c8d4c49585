import { join } from 'node:path';

import { Command } from '@langchain/langgraph';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import { ChatOpenAI } from '@langchain/openai';
import { AIMessageChunk, createAgent, humanInTheLoopMiddleware, tool } from 'langchain';
import Database from 'libsql';
import { z } from 'zod';

import { end, IS_APPROVED, lookUp, MODEL_URL, QUESTION, refund, say, STATE, wait } from './world.ts';

const clerk = createAgent({
  model: new ChatOpenAI({ model: 'gpt', apiKey: 'k', maxRetries: 0, configuration: { baseURL: MODEL_URL } }),
  tools: [
    tool(lookUp, {
      name: 'lookUp',
      description: 'What an order cost.',
      schema: z.object({ order: z.string() }),
    }),
    tool(refund, {
      name: 'refund',
      description: 'Pays money back.',
      schema: z.object({ amount: z.number() }),
    }),
  ],
  middleware: [humanInTheLoopMiddleware({ interruptOn: { refund: true } })],
  // Speaks as better-sqlite3 does, and needs no compiler.
  checkpointer: new SqliteSaver(new Database(join(STATE, 'checkpoints.db')) as never),
});
const config = { configurable: { thread_id: 'refund-1' } };

const before = await clerk.graph.getState(config);
const isBegun = before.createdAt !== undefined;
const isAsking = before.tasks.some(({ interrupts }) => interrupts.length > 0);
if (isAsking && !IS_APPROVED) wait();
else {
  const first = isBegun ? null : { messages: [{ role: 'user', content: QUESTION }] };
  const input = isAsking ? new Command({ resume: { decisions: [{ type: 'approve' }] } }) : first;
  const stream = await clerk.stream(input as never, {
    ...config,
    streamMode: 'messages',
    durability: 'sync',
  });
  for await (const [message] of stream) if (AIMessageChunk.isInstance(message)) say(message.text);
  const { tasks, values } = await clerk.graph.getState(config);
  if (tasks.some(({ interrupts }) => interrupts.length > 0)) wait();
  else end(values.messages.at(-1).text);
}
