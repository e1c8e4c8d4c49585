import { isLeft, left, right } from 'fp-ts/lib/Either';
import type { TaskEither } from 'fp-ts/lib/TaskEither';
import { lastValueFrom } from 'rxjs';

import type { RunOptions } from '../../lib/engine/runOptions';
import type { Agent, AgentPolicy, StepContext } from '../../lib/model/agentType';
import { agent } from '../../operators/agents/agent';
import { outputs } from '../../operators/runs/outputs';

import type { RunArguments } from '../../operators/runs/run';
import { run } from '../../operators/runs/run';

/**
 * An agent of a `TaskEither` of fp-ts: what is left is how the step fails, as if it had been thrown.
 *
 * @example
 * ```ts
 * const read = fromTaskEither('read', (file: string) => TE.tryCatch(() => readFile(file, 'utf8'), E.toError));
 * ```
 */
export function fromTaskEither<I, E, A>(
  name: string,
  build: (input: I, context: StepContext) => TaskEither<E, A>,
  policy: AgentPolicy<I> = {},
): Agent<I, A> {
  const call = async (input: I, context: StepContext): Promise<A> => {
    const result = await build(input, context)();
    if (isLeft(result)) throw result.left as Error;
    return result.right;
  };
  return agent(name, call, policy) as Agent<I, A>;
}

/** A run as a `TaskEither`: what `run` errors with is left. It begins each time the task is called. */
export function toTaskEither<I, O>(
  of: Agent<I, O>,
  ...where: RunArguments<I, RunOptions>
): TaskEither<unknown, O> {
  return async () => {
    try {
      return right(await lastValueFrom(run(of, ...where).pipe(outputs())));
    } catch (error) {
      return left(error);
    }
  };
}

/**
 * An agent of an effect, such as one of Effect: `runPromise` carries it out, and stops it when its signal is aborted.
 *
 * @example
 * ```ts
 * const load = fromEffect('load', (id: string) => loadUser(id), Effect.runPromise);
 * ```
 */
export function fromEffect<I, F, A>(
  name: string,
  build: (input: I, context: StepContext) => F,
  runPromise: (effect: F, options: { readonly signal: AbortSignal }) => PromiseLike<A>,
  policy: AgentPolicy<I> = {},
): Agent<I, A> {
  const call = (input: I, context: StepContext): PromiseLike<A> =>
    runPromise(build(input, context), { signal: context.signal });
  return agent(name, call, policy) as Agent<I, A>;
}
