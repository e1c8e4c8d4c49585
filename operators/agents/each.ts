import type { Either } from 'fp-ts/lib/Either';
import { left, right } from 'fp-ts/lib/Either';
import type { Observable } from 'rxjs';

import { typeName } from '../../lib/codec/typeName';
import { checkConcurrency } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import type { Answer, Containment, RunningStep, Scope, TaskPolicy } from '../../lib/definition/scope';
import { givenByOf } from '../../lib/definition/scope';
import type { SettledFailure } from '../../lib/definition/wire';
import { ItemMissingError, NestedInputError } from '../../lib/errors/stepErrors';
import type { Agent } from '../../lib/model/agentType';
import type { GivenBy } from '../../lib/model/givenBy';
import { givenByItems } from '../../lib/model/givenBy';
import type { PullReceiver } from '../../lib/streams/pull';
import { isStream, pullFrom } from '../../lib/streams/pull';
import { eitherListForm, listForm } from './internal/outputCodec';
import { structure } from './internal/structure';
import { InvalidArgumentError } from '../../lib/model/failure';

/** What `each` goes over. Everything but an array is a stream: it is read once and cannot be saved. */
export type Items<T> = readonly T[] | Observable<T> | AsyncIterable<T> | IterableIterator<T>;

/** How the items are handled. */
export interface EachOptions<I> {
  /** How many items are under way at once; 16 when left out. */
  readonly concurrency?: number;
  /** Names an item in its path, `pages["a"]/ocr` instead of `pages[3]/ocr`. Must be pure, and give no two items one name. */
  readonly key?: (item: I, index: number) => string;
  /**
   * Whether one item that fails makes the whole fail, and aborts the others; or every item is handled, and its output is an
   * `Either`. `fail` when left out.
   */
  readonly onError?: 'fail' | 'collect';
}

/**
 * Applies an agent to each of many items, some at once, and gives the outputs in the order of the items. Every item is a
 * durable step of its own.
 *
 * Items are taken as there is room for them: an iterable never makes more than `concurrency` beyond those that are done; an
 * Observable is not held up, what it gives too early waits. When a run is resumed, a stream must be given again from its
 * beginning: an item that differs from the one that was handled at its place is refused.
 *
 * @throws DefinitionError when `concurrency` is no whole number from 1.
 * @throws NestedInputError, ItemMissingError (the step fails) when a stream that is given again is another one.
 */
export function each<I, O>(
  name: string,
  agent: Agent<I, O>,
  options: EachOptions<NoInfer<I>> & { readonly onError: 'collect' },
): Agent<Items<I>, Either<SettledFailure, O>[]>;
/** The same, failing when an item fails. */
export function each<I, O>(
  name: string,
  agent: Agent<I, O>,
  options?: EachOptions<NoInfer<I>> & { readonly onError?: 'fail' },
): Agent<Items<I>, O[]>;
export function each<I, O>(
  name: string,
  agent: Agent<I, O>,
  { concurrency = 16, key, onError = 'fail' }: EachOptions<I> = {},
): Agent<Items<I>, unknown[]> {
  checkConcurrency(name, 'concurrency', concurrency);
  const plan = {
    agent: agent as unknown as Agent<never, unknown>,
    concurrency,
    key: key as EachOptions<unknown>['key'],
    isCollecting: onError === 'collect',
  };
  return structure({
    kind: 'each',
    name,
    agents: [[agent.name, plan.agent]],
    form: plan.isCollecting ? eitherListForm(agent) : listForm(agent),
    begin: (input, scope) => beginEach(plan, input, scope),
  });
}

interface EachPlan {
  readonly agent: Agent<never, unknown>;
  readonly concurrency: number;
  readonly key: EachOptions<unknown>['key'];
  readonly isCollecting: boolean;
}

function beginEach({ agent, concurrency, key, isCollecting }: EachPlan, input: unknown, scope: Scope) {
  const isArray = Array.isArray(input);
  if (!isArray && !isStream(input)) {
    throw new InvalidArgumentError(`Cannot go over ${typeName(input)}`, 'give an array or a stream');
  }
  const outputs: unknown[] = [];
  const givenBy: (GivenBy | undefined)[] = [];
  const running = new Map<number, RunningStep>();
  const keys = key === undefined ? undefined : new Set<string>();
  // What a stream gives is only known by its place: the same place must hold the same item again.
  const policy: TaskPolicy = { ...definitionOf(agent)?.policy, ...(!isArray && { checkInput: true }) };
  const contain = isCollecting ? (): Containment => ({ isContained: true }) : undefined;
  let begun = 0;
  let isAsking = false;
  let hasEnded = false;
  let isOver = false;

  const idOf = (item: unknown): string => {
    if (key === undefined || keys === undefined) return `[${String(begun)}]/${agent.name}`;
    const name = key(item, begun);
    if (keys.has(name)) {
      throw new InvalidArgumentError(
        `Cannot tell two items apart: both have the key "${name}"`,
        'give each item a key of its own',
      );
    }
    keys.add(name);
    return `[${quoted(name)}]/${agent.name}`;
  };

  const stop = (): void => {
    isOver = true;
    pull.stop();
    for (const step of running.values()) step.cancel();
  };

  const launch = (item: unknown): void => {
    let id: string;
    try {
      id = idOf(item);
    } catch (error) {
      stop();
      scope.fail(error);
      return;
    }
    const index = begun;
    begun += 1;
    const step = scope.step({ id, agent, input: item, policy, contain }, (answer) => {
      running.delete(index);
      take(index, answer);
    });
    running.set(index, step);
  };

  const take = (index: number, answer: Answer): void => {
    givenBy[index] = givenByOf(answer);
    if (answer.kind !== 'failed') outputs[index] = isCollecting ? right(answer.output) : answer.output;
    else if (isCollecting && !(answer.cause instanceof NestedInputError)) {
      const { name, message, path = '' } = answer.failure;
      outputs[index] = left({ name, message, path });
    } else {
      stop();
      scope.fail(answer.cause, answer.failure);
      return;
    }
    proceed();
  };

  const proceed = (): void => {
    if (!isAsking && !hasEnded && !isOver && running.size < concurrency) {
      isAsking = true;
      pull.next();
    }
    if (!hasEnded || running.size > 0 || isOver) return;
    isOver = true;
    const gaps = outputs.flatMap((output, index) => (output === undefined ? [index] : []));
    scope.complete(outputs, givenByItems(givenBy, gaps));
  };

  const receiver: PullReceiver = {
    item(item) {
      isAsking = false;
      launch(item);
      if (!isOver) proceed();
    },
    end() {
      hasEnded = true;
      const next = `[${String(begun)}]/${agent.name}`;
      if (isArray || keys !== undefined || scope.recorded(next) === undefined) proceed();
      else {
        stop();
        scope.fail(new ItemMissingError(scope.path, begun));
      }
    },
    fail(error) {
      stop();
      scope.fail(error);
    },
  };
  // The items of an array are at hand: they are no turns of their own.
  const pull = isArray ? pullFrom(input.values(), receiver) : scope.pull(input, receiver);
  proceed();
  return stop;
}

/** A key as it stands in a path: quoted, and without what separates the parts of a path. */
function quoted(key: string): string {
  return JSON.stringify(key).replace(
    /[/[\]]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
