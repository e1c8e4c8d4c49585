import * as t from 'io-ts';

import type { StepContext, Wire } from '../../../index';
import { agent, chain, workflow } from '../../../index';

export const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs in which somebody hung and was told that nobody waits. */
export const aborted = new Set<string>();

/** Hangs until nobody wants the answer any more. */
export const hang = (_: unknown, context: StepContext) =>
  new Promise<never>((_resolve, reject) =>
    context.signal.addEventListener('abort', () => {
      aborted.add(context.runId);
      reject(new Error('aborted'));
    }),
  );

const calls = new Map<string, number>();
/** Counts the calls of one step of one run. */
export const countCall = ({ idempotencyKey }: StepContext): number => {
  const count = (calls.get(idempotencyKey) ?? 0) + 1;
  calls.set(idempotencyKey, count);
  return count;
};

/** Fails until it has been called so often. */
export const flaky = (good: number) => (text: string, context: StepContext) => {
  const count = countCall(context);
  if (count < good) throw new Error(`no ${count}`);
  return `${text} at ${count}`;
};

/** Runs of which the test has heard a partial result. */
export const heard = new Set<string>();

export const upper = agent('upper', (text: string) => text.toUpperCase());
export const later = agent('later', async (text: string) => {
  await wait(30);
  return `${text}~`;
});
export const twice = agent('twice', (text: string) => text + text);
export const broken = agent('broken', (_: unknown): string => {
  throw new RangeError('broken for good');
});
export const hanging = agent('hanging', hang);
export const words = agent('words', async function* (text: string) {
  for (const word of text.split(' ')) {
    await wait(5);
    yield word;
  }
});
export const plus = agent('plus', (n: number) => n + 1);
export const shout = chain('shout', upper, twice);
export const inner = workflow('inner', (text: Wire<string>, step) => ({
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
export const dated = agent('dated', (ms: number) => new Date(ms), { output: DateCodec });
