import { agent, answer, lowdbStore, run } from 'millrace';
import { openAiModel, tool, toolLoop } from 'millrace/ai';
import OpenAI from 'openai';
import { z } from 'zod';

import { end, IS_APPROVED, lookUp, MODEL_URL, QUESTION, refund, say, STATE, wait } from './world.ts';

const store = lowdbStore(STATE);
const lookUpAgent = agent('lookUp', lookUp, { input: z.object({ order: z.string() }) });
const refundAgent = agent('refund', refund, { input: z.object({ amount: z.number() }) });
const clerk = toolLoop('clerk', {
  model: openAiModel('gpt', new OpenAI({ baseURL: MODEL_URL, apiKey: 'k' }), { model: 'gpt' }),
  tools: [
    tool(lookUpAgent, { description: 'What an order cost.' }),
    tool(refundAgent, { description: 'Pays money back.', approve: () => true }),
  ],
});

const [{ waiting = [] } = {}] = await store.listRuns();
if (IS_APPROVED)
  for (const { path } of waiting) await answer('refund-1', path, { approved: true }, { store });
run(clerk, QUESTION, { store, runId: 'refund-1' }).subscribe(({ event, state }) => {
  if (event.type === 'step.emitted') say(String(event.value));
  if (event.type === 'run.suspended') wait();
  if (event.type === 'run.completed') end(state.output?.text ?? '');
});
