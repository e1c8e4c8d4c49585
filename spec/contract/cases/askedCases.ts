import { lastValueFrom } from 'rxjs';

import { agent, chain } from '../../../index';
import type { EngineCase } from '../engineCase';
import { broken, countCall, flaky, later, shout, twice, upper } from './agents';

const research = agent('research', async (topic: string, context) => {
  const plan = await lastValueFrom(context.step('plan', upper, topic));
  const [a, b] = await Promise.all([
    lastValueFrom(context.step('one', later, plan)),
    lastValueFrom(context.step('two', shout, plan)),
  ]);
  return `${a} ${b}`;
});

const stubborn = agent(
  'stubborn',
  async (topic: string, context) => {
    const plan = await lastValueFrom(context.step('plan', agent('plan', flaky(1)), topic));
    if (countCall(context) < 2) throw new Error('again');
    return plan;
  },
  { retry: 2 },
);

/** Steps that a function asks for. */
export const askedCases: readonly EngineCase[] = [
  {
    title: 'steps that a function asks for',
    agent: chain('asking', research, twice),
    input: 'q',
    gives: 'Q~ QQQ~ QQ',
  },
  {
    title: 'steps that a function calls',
    agent: agent('calling', async (text: string, context) => {
      const plan = await context.call('plan', upper, text);
      const [a, b] = await Promise.all([context.call('one', later, plan), context.call('two', shout, plan)]);
      return `${a} ${b}`;
    }),
    input: 'q',
    gives: 'Q~ QQ',
  },
  { title: 'a function that asks again after a failure', agent: stubborn, input: 'q', gives: 'q at 1' },
  {
    title: 'a step that a function asks for fails',
    agent: agent('unlucky', async (text: string, context) =>
      lastValueFrom(context.step('bad', broken, text)),
    ),
    input: 'q',
    gives: 'RangeError',
  },
  {
    title: 'a function that asks for one step twice',
    agent: agent('greedy', async (text: string, context) => {
      await lastValueFrom(context.step('a', upper, text));
      return lastValueFrom(context.step('a', upper, text));
    }),
    input: 'q',
    gives: 'DuplicateStepError',
  },
];
