import { condition, defineQuery, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

import type * as activities from './activities.ts';

const { askModel, callTool } = proxyActivities<typeof activities>({ startToCloseTimeout: '5 minutes' });

export const approve = defineSignal<[callId: string, isApproved: boolean]>('approve');
export const waiting = defineQuery<string[]>('waiting');

export async function clerk(question: string): Promise<string> {
  const messages: activities.Message[] = [{ role: 'user', content: question }];
  const asked = new Set<string>();
  const decisions = new Map<string, boolean>();
  setHandler(approve, (callId, isApproved) => void decisions.set(callId, isApproved));
  setHandler(waiting, () => [...asked].filter((id) => !decisions.has(id)));
  for (let round = 1; round <= 16; round += 1) {
    const message = await askModel(messages);
    messages.push(message);
    const calls = (message.tool_calls ?? []).filter((call) => call.type === 'function');
    if (calls.length === 0) return message.content ?? '';
    const results = calls.map(async ({ id, function: { name, arguments: input } }) => {
      if (name === 'refund') {
        asked.add(id);
        await condition(() => decisions.has(id));
        if (decisions.get(id) === false) return 'A person has refused this call.';
      }
      return callTool(name, input);
    });
    for (const [index, content] of (await Promise.all(results)).entries())
      messages.push({ role: 'tool', tool_call_id: calls[index]!.id, content });
  }
  throw new Error('too many rounds');
}
