import * as t from 'io-ts';
import { delay, EMPTY, from } from 'rxjs';

import { agent } from '../../../index';
import type { EngineCase } from '../engineCase';
import { broken, dated, later, upper, wait, words } from './agents';

/** What a function may take and give. */
export const functionCases: readonly EngineCase[] = [
  { title: 'one agent', agent: upper, input: 'a', gives: 'A' },
  {
    title: 'an agent that gives nothing',
    agent: agent('nothing', () => undefined),
    input: 1,
    gives: undefined,
  },
  { title: 'an agent that answers later', agent: later, input: 'a', gives: 'a~' },
  { title: 'an agent that fails', agent: broken, input: 'a', gives: 'RangeError' },
  {
    title: 'an Observable',
    agent: agent('observable', (n: number) => from([n, n + 1]).pipe(delay(5))),
    input: 1,
    gives: 2,
  },
  {
    title: 'an Observable that is empty',
    agent: agent('empty', () => EMPTY),
    input: 1,
    gives: 'EmptyAnswerError',
  },
  { title: 'an AsyncIterable', agent: words, input: 'a b c', gives: 'c' },
  {
    title: 'an AsyncIterable that is folded',
    agent: agent('fold', (text: string) => from(text.split('')), {
      reduce: { fold: (sum: string, letter: string) => letter + sum, seed: '' },
    }),
    input: 'abc',
    gives: 'cba',
  },
  {
    title: 'partial results and log entries of a function',
    agent: agent('teller', async (n: number, context) => {
      context.log('INFO', 'begun', { n });
      context.emit('half');
      await wait(120);
      context.emit({ done: 1 });
      return n;
    }),
    input: 1,
    gives: 1,
  },
  {
    title: 'an input that is refused',
    agent: agent('strict', (n: number) => n, { input: t.number }),
    input: 'no',
    gives: 'ValidationError',
  },
  {
    title: 'a service that nobody gave',
    agent: agent('mailing', (_: string, context) => typeof Reflect.get(context.services, 'mailer')),
    input: 'a',
    gives: 'MissingServiceError',
  },
  { title: 'an output with a codec', agent: dated, input: 0, gives: new Date(0) },
  {
    title: 'an output that JSON would change',
    agent: agent('map', () => new Map()),
    input: 1,
    gives: 'StateValueError',
  },
  {
    title: 'an output with undefined in it',
    agent: agent('holes', () => ({ a: undefined, b: 1 })),
    input: 1,
    gives: { b: 1 },
  },
];
