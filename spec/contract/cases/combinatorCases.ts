import * as t from 'io-ts';
import { mergeMap, throwError, timer } from 'rxjs';

import type { FallbackInput } from '../../../operators/agents/fallback';
import { agent, approval, branch, chain, each, fallback, firstOf, loop, sleep } from '../../../index';
import type { EngineCase } from '../engineCase';
import { broken, hang, hanging, inner, later, plus, twice, upper } from './agents';

/** Agents made from agents, and steps that wait. */
export const combinatorCases: readonly EngineCase[] = [
  {
    title: 'each: in order',
    agent: each('many', later, { concurrency: 3 }),
    input: ['a', 'b', 'c', 'd', 'e'],
    gives: ['a~', 'b~', 'c~', 'd~', 'e~'],
  },
  { title: 'each: nothing', agent: each('none', later), input: [], gives: [] },
  {
    title: 'each: with keys, one at a time',
    agent: each('keyed', inner, { concurrency: 1, key: (text) => `k/${text}` }),
    input: ['a', 'b'],
    gives: [
      { a: 'A', b: 'a~' },
      { a: 'B', b: 'b~' },
    ],
  },
  {
    title: 'each: failures collected',
    agent: each(
      'collected',
      agent('odd', (n: number) => {
        if (n % 2 === 0) throw new Error(`${n} is even`);
        return n;
      }),
      { onError: 'collect' },
    ),
    input: [1, 2, 3],
    gives: [
      { _tag: 'Right', right: 1 },
      { _tag: 'Left', left: { name: 'Error', message: '2 is even', path: '[1]/odd' } },
      { _tag: 'Right', right: 3 },
    ],
  },
  {
    title: 'each: one failure stops all',
    isInOneGo: true,
    agent: each(
      'fragile',
      agent('third', async (n: number, context) =>
        n === 2 ? Promise.reject(new Error('two')) : hang(n, context),
      ),
    ),
    input: [1, 2],
    gives: 'Error',
  },
  {
    title: 'many steps at once',
    agent: each('wide', plus, { concurrency: 50 }),
    input: Array.from({ length: 120 }, (_, n) => n),
    gives: Array.from({ length: 120 }, (_, n) => n + 1),
  },
  {
    title: 'branch: a case',
    agent: branch('route', (n: number) => (n > 0 ? 'up' : 'down'), {
      up: plus,
      down: agent('minus', (n: number) => n - 1),
    }),
    input: -1,
    gives: -2,
  },
  {
    title: 'branch: otherwise',
    agent: branch(
      'routes',
      (n: number) => String(n),
      { one: plus },
      agent('rest', (n: number) => n * 10),
    ),
    input: 7,
    gives: 70,
  },
  {
    title: 'branch: no case',
    agent: branch('lost', (): 'up' => 'sideways' as 'up', { up: plus }),
    input: 1,
    gives: 'NoCaseError',
  },
  {
    title: 'loop: until it is enough',
    agent: loop('grow', plus, { until: (n) => n >= 3, max: 9 }),
    input: 0,
    gives: 3,
  },
  {
    title: 'loop: never enough',
    agent: loop('forever', plus, { until: () => false, max: 2 }),
    input: 0,
    gives: 'LoopLimitError',
  },
  {
    title: 'fallback: not needed',
    agent: fallback(
      'spare',
      upper,
      agent('unused', () => 'no'),
    ),
    input: 'a',
    gives: 'A',
  },
  {
    title: 'fallback: needed',
    agent: fallback(
      'saved',
      broken,
      agent(
        'saver',
        ({ input, error }: FallbackInput<unknown>) => `${String(input)} ${error.name} ${error.path}`,
      ),
    ),
    input: 'a',
    gives: 'a RangeError broken',
  },
  {
    title: 'fallback: fails too',
    agent: fallback(
      'sunk',
      broken,
      agent('worse', () => {
        throw new SyntaxError('worse');
      }),
    ),
    input: 'a',
    gives: 'SyntaxError',
  },
  {
    title: 'firstOf: the others are stopped',
    isInOneGo: true,
    agent: firstOf('fastest', later, hanging),
    input: 'a',
    gives: 'a~',
  },
  {
    title: 'firstOf: all fail',
    agent: firstOf(
      'hopeless',
      broken,
      agent('alsoBroken', () => timer(30).pipe(mergeMap(() => throwError(() => new Error('too'))))),
    ),
    input: 'a',
    gives: 'AllFailedError',
  },
  { title: 'sleep', agent: chain('rest', upper, sleep('nap', 60), twice), input: 'a', gives: 'AA' },
  {
    title: 'approval: nobody answers in time',
    agent: chain(
      'unanswered',
      chain('one', approval('sign', t.boolean, { timeoutMs: 40 })),
      agent('after', (yes: boolean) => yes),
    ),
    input: 'a',
    gives: 'SUSPENDED',
  },
];
