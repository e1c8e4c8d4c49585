import * as t from 'io-ts';
import { concat, delay, EMPTY, from, lastValueFrom, map, mergeMap, NEVER, of, throwError, timer } from 'rxjs';

import type { Agent, FallbackInput, Live, StepContext, Wire } from '../../index';
import {
  agent,
  approval,
  branch,
  chain,
  each,
  fallback,
  firstOf,
  live,
  loop,
  pick,
  quorum,
  settled,
  sleep,
  workflow,
} from '../../index';

/** A run that must go the same way on every engine. */
export interface EngineCase {
  readonly title: string;
  readonly agent: Agent<never, unknown>;
  readonly input: unknown;
  readonly status?: 'COMPLETED' | 'FAILED';
  /** What comes out, or the name of the failure. */
  readonly gives: unknown;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Hangs until nobody wants the answer any more. */
const hang = (_: unknown, context: StepContext) =>
  new Promise<never>((_resolve, reject) =>
    context.signal.addEventListener('abort', () => reject(new Error('aborted'))),
  );

const calls = new Map<string, number>();
/** Counts the calls of one step of one run. */
const countCall = ({ idempotencyKey }: StepContext): number => {
  const count = (calls.get(idempotencyKey) ?? 0) + 1;
  calls.set(idempotencyKey, count);
  return count;
};

/** Fails until it has been called so often. */
const flaky = (good: number) => (text: string, context: StepContext) => {
  const count = countCall(context);
  if (count < good) throw new Error(`no ${count}`);
  return `${text} at ${count}`;
};

const upper = agent('upper', (text: string) => text.toUpperCase());
const later = agent('later', async (text: string) => {
  await wait(30);
  return `${text}~`;
});
const twice = agent('twice', (text: string) => text + text);
const broken = agent('broken', (_: unknown): string => {
  throw new RangeError('broken for good');
});
const hanging = agent('hanging', hang);
const words = agent('words', async function* (text: string) {
  for (const word of text.split(' ')) {
    await wait(5);
    yield word;
  }
});
const say = agent('say', (given: Live<string>) => given.pipe(map((word) => word.toUpperCase())), {
  reduce: { fold: (all: string, word: string) => all + word, seed: '' },
});
const tooBig = agent('tooBig', (size: number) => 'x'.repeat(size));
const plus = agent('plus', (n: number) => n + 1);
const shout = chain('shout', upper, twice);
const inner = workflow('inner', (text: Wire<string>, step) => ({
  a: step('upper', upper, text),
  b: step('later', later, text),
}));

const DateCodec = new t.Type<Date, string>(
  'Date',
  (value): value is Date => value instanceof Date,
  (value, context) =>
    value instanceof Date
      ? t.success(value)
      : typeof value === 'string'
        ? t.success(new Date(value))
        : t.failure(value, context),
  (date) => date.toISOString(),
) as t.Type<Date, unknown>;
const dated = agent('dated', (ms: number) => new Date(ms), { output: DateCodec });

const second = agent('flaky', flaky(2));
const retried = workflow<string, Wire<string>>(
  'part',
  (text: Wire<string>, step) => {
    const up = step('up', upper, text);
    return step('flaky', second, up);
  },
  { retry: 2 },
);

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

/** Every kind of step, every policy, every source. */
export const engineCases: readonly EngineCase[] = [
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
  { title: 'a chain', agent: chain('three', upper, later, twice), input: 'a', gives: 'A~A~' },
  { title: 'a chain with one agent twice', agent: chain('again', twice, twice), input: 'a', gives: 'aaaa' },
  {
    title: 'a chain with an operator',
    agent: chain(
      'mapped',
      upper,
      map((text: string) => text.length),
      plus,
    ),
    input: 'abc',
    gives: 4,
  },
  {
    title: 'a chain that fails half-way',
    agent: chain('half', upper, broken, twice),
    input: 'a',
    gives: 'RangeError',
  },
  {
    title: 'a chain of codecs',
    agent: chain(
      'year',
      dated,
      agent('yearOf', (date: Date) => date.getUTCFullYear()),
    ),
    input: 0,
    gives: 1970,
  },
  {
    title: 'a workflow: a diamond',
    agent: workflow('diamond', (text: Wire<string>, step) => {
      const a = step('a', upper, text);
      const b = step('b', later, a);
      const c = step('c', twice, a);
      return step('join', ({ x, y }: { x: string; y: string }) => `${x}|${y}`, { x: b, y: c });
    }),
    input: 'a',
    gives: 'A~|AA',
  },
  {
    title: 'a workflow: nested structures and a tuple as the result',
    agent: workflow('nested', (text: Wire<string>, step) => {
      const a = step('first', inner, text);
      const b = step(
        'shout',
        shout,
        pick(a, ({ b: given }) => given),
      );
      return [a, b, pick(text, (all) => all.length)];
    }),
    input: 'ab',
    gives: [{ a: 'AB', b: 'ab~' }, 'AB~AB~', 2],
  },
  {
    title: 'a workflow: steps with a condition',
    agent: workflow('conditions', (n: Wire<number>, step) => ({
      yes: step('yes', plus, n, { when: (given) => given > 0 }),
      no: step('no', plus, n, { when: (given) => given < 0 }),
      other: step('other', plus, n, { when: () => false, otherwise: 'nobody' }),
    })),
    input: 1,
    gives: { yes: 2, no: undefined, other: 'nobody' },
  },
  {
    title: 'a workflow: a condition that throws',
    agent: workflow('badCondition', (n: Wire<number>, step) =>
      step('never', plus, n, {
        when: () => {
          throw new TypeError('cannot tell');
        },
      }),
    ),
    input: 1,
    gives: 'TypeError',
  },
  {
    title: 'a workflow: a failure that is settled',
    agent: workflow('settling', (text: Wire<string>, step) =>
      settled({ good: step('good', upper, text), bad: step('bad', broken, text) }),
    ),
    input: 'a',
    gives: {
      good: { _tag: 'Right', right: 'A' },
      bad: { _tag: 'Left', left: { name: 'RangeError', message: 'broken for good', path: 'bad' } },
    },
  },
  {
    title: 'a workflow: two of three',
    agent: workflow('quorate', (text: Wire<string>, step) => {
      const a = step('a', upper, text);
      const b = step('b', twice, text);
      const c = step(
        'c',
        agent('slow', async (given: string) => (await wait(150), given)),
        text,
      );
      return { first: quorum(2, [a, b, c]), c };
    }),
    input: 'a',
    gives: { first: ['A', 'aa'], c: 'a' },
  },
  {
    title: 'a workflow: a failure stops what runs beside it',
    agent: workflow('stopping', (text: Wire<string>, step) => {
      const slow = step('slow', hanging, text);
      const bad = step('bad', broken, step('later', later, text));
      return { slow, bad };
    }),
    input: 'a',
    gives: 'RangeError',
  },
  {
    title: 'a workflow: a step that reads another one live',
    agent: workflow('spoken', (text: Wire<string>, step) => {
      const made = step('words', words, text);
      const said = step('said', say, live(made));
      return { made, said };
    }),
    input: 'a b c',
    gives: { made: 'c', said: 'ABC' },
  },
  {
    title: 'retries until it is good',
    agent: agent('third', flaky(3), { retry: 3 }),
    input: 'x',
    gives: 'x at 3',
  },
  {
    title: 'retries that are not enough',
    agent: agent('fourth', flaky(4), { retry: { count: 2, delayMs: 10 } }),
    input: 'x',
    gives: 'Error',
  },
  {
    title: 'retries that a function decides',
    agent: agent('decided', flaky(3), {
      retry: {
        count: 5,
        delayMs: (_failure, attempt) => attempt * 5,
        retryIf: ({ message }) => message !== 'no 2',
      },
    }),
    input: 'x',
    gives: 'Error',
  },
  {
    title: 'an error that says not to try again',
    agent: agent('final', () => Promise.reject(Object.assign(new Error('never'), { retryable: false })), {
      retry: 3,
    }),
    input: 1,
    gives: 'Error',
  },
  {
    title: 'a workflow that is retried as a whole',
    agent: chain('whole', retried),
    input: 'x',
    gives: 'X at 2',
  },
  {
    title: 'a step that takes too long',
    agent: agent('tooLong', hang, { timeoutMs: 40 }),
    input: 1,
    gives: 'StepTimeoutError',
  },
  {
    title: 'a stream that falls silent',
    agent: agent('silent', () => concat(of(1), NEVER), { idleTimeoutMs: 40 }),
    input: 1,
    gives: 'StepTimeoutError',
  },
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
  {
    title: 'steps that a function asks for',
    agent: chain('asking', research, twice),
    input: 'q',
    gives: 'Q~ QQQ~ QQ',
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
  {
    title: 'many steps at once',
    agent: each('wide', plus, { concurrency: 50 }),
    input: Array.from({ length: 120 }, (_, n) => n),
    gives: Array.from({ length: 120 }, (_, n) => n + 1),
  },
];

/** Agents of the tests that do more than run once. */
export const scripted = {
  signing: workflow('signing', (text: Wire<string>, step) => {
    const asked = step('up', upper, text);
    const sign = step('sign', approval<boolean, string>('sign', t.boolean), asked);
    const aside = step('aside', later, text);
    return { sign, aside };
  }),
  soon: chain(
    'soon',
    approval<string, string, string>('sign', t.string, {
      timeoutMs: 300,
      onTimeout: agent('boss', (text: string) => `boss says ${text}`),
    }),
  ),
  twoLives: workflow('twoLives', (text: Wire<string>, step) => {
    const first = step('first', agent('first', flaky(1)), text);
    return step('second', agent('second', flaky(2)), first);
  }),
  hanging: chain('hangs', upper, hanging),
  tooBig,
  long: each('long', plus, { concurrency: 100 }),
  patient: chain(
    'patient',
    later,
    agent('slowly', async (text: string, context) => {
      for (let i = 0; i < 8; i += 1) {
        context.emit(i);
        await wait(100);
      }
      return text;
    }),
  ),
};
