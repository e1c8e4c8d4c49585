import { join } from 'node:path';

import { Mastra } from '@mastra/core';
import { Agent } from '@mastra/core/agent';
import { createDurableAgent } from '@mastra/core/agent/durable';
import { createTool } from '@mastra/core/tools';
import { LibSQLStore } from '@mastra/libsql';
import { z } from 'zod';

import { end, IS_APPROVED, lookUp, MODEL_URL, QUESTION, refund, say, STATE, wait } from './world.ts';

const clerk = createDurableAgent({
  agent: new Agent({
    id: 'clerk',
    name: 'clerk',
    instructions: 'Refund what is due.',
    model: { id: 'local/gpt', url: MODEL_URL, apiKey: 'k' },
    tools: {
      lookUp: createTool({
        id: 'lookUp',
        description: 'What an order cost.',
        inputSchema: z.object({ order: z.string() }),
        execute: (input) => lookUp(input),
      }),
      refund: createTool({
        id: 'refund',
        description: 'Pays money back.',
        inputSchema: z.object({ amount: z.number() }),
        requireApproval: true,
        execute: (input) => refund(input),
      }),
    },
  }),
});
new Mastra({
  agents: { clerk },
  storage: new LibSQLStore({ id: 'runs', url: `file:${join(STATE, 'mastra.db')}` }),
  recovery: { durableAgents: 'auto' },
  logger: false,
});

const active = await clerk.listActiveRuns();
const suspended = await clerk.listSuspendedRuns();
const [run] = suspended.runs;
if (run !== undefined && !IS_APPROVED) wait();
else {
  const { output } =
    run !== undefined
      ? await clerk.resume(run.runId, { approved: true })
      : active.runs.length > 0
        ? await clerk.recover('refund-1')
        : await clerk.stream(QUESTION, { runId: 'refund-1' });
  let isAsking = false;
  for await (const chunk of output.fullStream) {
    if (chunk.type === 'text-delta') say(chunk.payload.text);
    if (chunk.type === 'error') throw chunk.payload.error;
    isAsking = chunk.type === 'tool-call-approval';
    if (isAsking) break;
  }
  if (isAsking) wait();
  else end(await output.text);
}
