import type { ThreadContext } from '../../../adapters/workers';
import type { Bail } from '../../../lib/model/bail';
import { bail } from '../../../lib/model/bail';

/** Keeps a core busy; counts primes below `limit`. */
export function primes(limit: number): number {
  let count = 0;
  for (let n = 2; n < limit; n += 1) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d += 1) if (n % d === 0) isPrime = false;
    if (isPrime) count += 1;
  }
  return count;
}

export function telling(n: number, context: ThreadContext): string {
  for (let i = 0; i < n; i += 1) context.emit(i);
  context.log('INFO', 'told', { n });
  return `${context.path} ${context.attempt}`;
}

export async function* letters(text: string): AsyncGenerator<string> {
  for (const letter of text) yield await Promise.resolve(letter);
}

export function failing(): never {
  throw Object.assign(new RangeError('too far'), { retryable: false });
}

/** As SDKs tell that a server has refused, or wants to be left alone for a while. */
export function refused(status: number): never {
  const headers = new Headers({ 'retry-after-ms': '30' });
  throw Object.assign(new Error('refused', { cause: new Error('the server') }), { status, headers });
}

export function bailing(text: string): Bail<string> {
  return bail(`enough of ${text}`);
}

export async function* bailingLate(text: string): AsyncGenerator<string | Bail<string>> {
  yield await Promise.resolve(text);
  yield bail(`enough of ${text}`);
}

export function forever(): never {
  for (;;);
}

/** Has its thread to itself as `forever` does, and needs no core. */
export function never(): Promise<never> {
  return new Promise(() => undefined);
}

export function tellingFunction(_: unknown, context: ThreadContext): void {
  context.emit(() => 1);
}

export async function* givingFunction(): AsyncGenerator {
  yield await Promise.resolve(1);
  yield () => 1;
}

export function answeringFunction(): unknown {
  return () => 1;
}

export function loggingFunction(_: unknown, context: ThreadContext): void {
  context.log('INFO', 'told', { made: () => 1 });
}

export function adding(text: string, context: ThreadContext): unknown {
  context.update({ add: text });
  return context.shared;
}

export function changing(_: string, context: ThreadContext): void {
  context.update((draft: unknown[]) => draft.push(1));
}
