import type { SchedulerLike } from 'rxjs';
import { Observable } from 'rxjs';

import type { Agent, StepPolicy } from '../lib/model/agentType';
import { agent } from '../operators/agents/agent';
import { messagesOf } from './lanes';
import { currentScheduler } from './virtual';
import { InvalidArgumentError } from '../lib/model/failure';

/** What one call of a fake does. */
export type Fake<O> =
  | { readonly afterMs?: number; readonly value: O }
  | { readonly afterMs?: number; readonly error: unknown }
  | { readonly marbles: string; readonly values?: Readonly<Record<string, O>>; readonly error?: unknown };

/** One call of a fake. */
export interface FakeCall<I> {
  /** What the call was given. */
  readonly input: I;
  /** Path of the step. */
  readonly path: string;
  /** Which attempt it was, from 1. */
  readonly attempt: number;
  /** Aborted when the caller lost interest. */
  readonly signal: AbortSignal;
}

/** An agent that plays a script and remembers how it was called. */
export type FakeAgent<I, O> = Agent<I, O> & { readonly calls: readonly FakeCall<I>[] };

/** How a fake is carried out. */
export interface FakeOptions extends StepPolicy {
  /** Whose clock it follows; the one it is called under when left out. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Stands in for an agent whose real function is async, which virtual time cannot reach: it plays a script, in virtual
 * time under `TestScheduler.run`, `expectRun` and `explore`, in real time elsewhere.
 *
 * A script is a marble diagram, whose frames are milliseconds; one call, such as `{ afterMs: 20, value: 'text' }` or
 * `{ afterMs: 5, error: new Error('down') }`; a list with one entry a call, the last of which stays; or a function of the
 * input and the number of the call, counted from 1. With `value` the answer comes as from a Promise, without partial
 * results; a diagram is a stream, each letter a partial result.
 *
 * @example
 * ```ts
 * const flaky = fakeAgent('flaky', [{ afterMs: 5, error: new Error('down') }, { afterMs: 5, value: 'up' }]);
 * const typing = fakeAgent('typing', '--a--b|');
 * ```
 */
export function fakeAgent<I = unknown>(
  name: string,
  marbles: string,
  options?: FakeOptions,
): FakeAgent<I, string>;
/** The same with one answer, a list of answers, or a function that gives them. */
export function fakeAgent<O, I = unknown>(
  name: string,
  script: Fake<O> | readonly Fake<O>[] | ((input: I, call: number) => Fake<O>),
  options?: FakeOptions,
): FakeAgent<I, O>;
export function fakeAgent<I, O>(
  name: string,
  script: string | Fake<O> | readonly Fake<O>[] | ((input: I, call: number) => Fake<O>),
  { scheduler, ...policy }: FakeOptions = {},
): FakeAgent<I, O> {
  const calls: FakeCall<I>[] = [];
  const playOf = (input: I): Fake<O> => {
    if (typeof script === 'string') return { marbles: script };
    if (typeof script === 'function') return script(input, calls.length);
    if (!isList(script)) return script;
    const play = script[Math.min(calls.length, script.length) - 1];
    if (play === undefined)
      throw new InvalidArgumentError(
        `Cannot play fake "${name}": its list of calls is empty`,
        'give at least one',
      );
    return play;
  };
  const fake = agent(
    name,
    (input: I, { path, attempt, signal }) => {
      calls.push({ input, path, attempt, signal });
      return played(playOf(input), scheduler ?? currentScheduler(), signal) as O;
    },
    policy,
  );
  return Object.defineProperty(fake, 'calls', { value: calls }) as unknown as FakeAgent<I, O>;
}

function isList<T>(script: T | readonly T[]): script is readonly T[] {
  return Array.isArray(script);
}

function played<O>(fake: Fake<O>, scheduler: SchedulerLike, signal: AbortSignal): unknown {
  if ('marbles' in fake) return streamOf(fake.marbles, fake.values, fake.error, scheduler);
  const { afterMs = 0 } = fake;
  // Calls back without a microtask, unlike a Promise: that is what keeps it in virtual time.
  return {
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
      const timer = scheduler.schedule(() => {
        if ('error' in fake) reject(fake.error);
        else resolve(fake.value);
      }, afterMs);
      // Nobody waits any more: a timer would keep the process alive.
      signal.addEventListener('abort', () => {
        timer.unsubscribe();
      });
    },
  };
}

function streamOf(
  marbles: string,
  values: Readonly<Record<string, unknown>> | undefined,
  error: unknown,
  scheduler: SchedulerLike,
): Observable<unknown> {
  const messages = messagesOf(marbles, values, error);
  return new Observable((subscriber) => {
    for (const { atMs, notification } of messages) {
      subscriber.add(
        scheduler.schedule(() => {
          if (notification.kind === 'N') subscriber.next(notification.value);
          else if (notification.kind === 'E') subscriber.error(notification.error);
          else subscriber.complete();
        }, atMs),
      );
    }
  });
}
