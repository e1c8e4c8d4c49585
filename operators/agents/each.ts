import type { Either } from 'fp-ts/lib/Either';
import { left, right } from 'fp-ts/lib/Either';
import type { Observable } from 'rxjs';

import { typeName } from '../../lib/codec/typeName';
import { checkConcurrency } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import type { Answer, Containment, RunningStep, Scope, TaskPolicy } from '../../lib/definition/scope';
import { givenByOf } from '../../lib/definition/scope';
import type { SettledFailure } from '../../lib/definition/wire';
import { quotedKey } from '../../lib/engine/task';
import { ItemMissingError, NestedInputError } from '../../lib/errors/stepErrors';
import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import type { Failure } from '../../lib/model/failure';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { GivenBy } from '../../lib/model/givenBy';
import { givenByItems } from '../../lib/model/givenBy';
import type { Pull, PullReceiver } from '../../lib/streams/pull';
import { isStream, pullFrom } from '../../lib/streams/pull';
import { eitherListForm, listForm } from './internal/outputCodec';
import { structure } from './internal/structure';

/** What `each` goes over. Anything but an array is a stream: it can be read only once, and cannot be saved. */
export type Items<T> = readonly T[] | Observable<T> | AsyncIterable<T> | IterableIterator<T>;

/** How the items are handled, and how the whole is carried out. */
export interface EachOptions<I> extends AgentPolicy<Items<I>> {
  /** How many items are under way at once; 16 when left out. */
  readonly concurrency?: number;
  /** Names an item in its path: `pages["a"]/ocr` instead of `pages[3]/ocr`. Must be pure, and give each item another name. */
  readonly key?: (item: I, index: number) => string;
  /**
   * `fail`: the first item that fails makes the step fail and aborts the others. `collect`: every item is handled, and its
   * output is an `Either`. `fail` when left out.
   */
  readonly onError?: 'fail' | 'collect';
}

// The defaults: an agent made on the spot is inferred last, and would be blamed for a wrong option.
/**
 * Applies an agent to each of many items, several at once, and gives the outputs in the order of the items. Every item is a
 * durable step of its own.
 *
 * It takes an item when there is room for it: an iterable never makes more than `concurrency` items beyond those that are
 * done. It cannot slow an Observable down; items that come too early wait. To resume a run, give the stream again from its
 * beginning: the step fails when an item differs from the one that was handled at its place.
 *
 * @throws DefinitionError when `concurrency` is no whole number from 1, or a policy cannot be honoured, as `idleTimeoutMs`.
 * @throws NestedInputError, ItemMissingError (the step fails) when a stream that is given again is another one.
 */
export function each<I = never, O = unknown>(
  name: string,
  agent: Agent<I, O>,
  options: EachOptions<NoInfer<I>> & { readonly onError: 'collect' },
): Agent<Items<I>, Either<SettledFailure, O>[]>;
/** The same, failing when an item fails. */
export function each<I = never, O = unknown>(
  name: string,
  agent: Agent<I, O>,
  options?: EachOptions<NoInfer<I>> & { readonly onError?: 'fail' },
): Agent<Items<I>, O[]>;
export function each<I, O>(
  name: string,
  agent: Agent<I, O>,
  { concurrency = 16, key, onError = 'fail', ...policy }: EachOptions<I> = {},
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
    policy,
    agents: [[agent.name, plan.agent]],
    form: plan.isCollecting ? eitherListForm(agent) : listForm(agent),
    madeWith: [onError],
    begin: (input, scope) => {
      const run = new EachRun(plan, input, scope);
      run.proceed();
      return () => {
        run.stop();
      };
    },
  });
}

interface EachPlan {
  readonly agent: Agent<never, unknown>;
  readonly concurrency: number;
  readonly key: EachOptions<unknown>['key'];
  readonly isCollecting: boolean;
}

/** One `each` under way: begins items as there is room for them, and hears how they end. */
class EachRun implements PullReceiver {
  readonly #plan: EachPlan;
  readonly #scope: Scope;
  readonly #isArray: boolean;
  readonly #isReadOnce: boolean;
  readonly #policy: TaskPolicy;
  readonly #pull: Pull;
  readonly #outputs: unknown[] = [];
  readonly #givenBy: (GivenBy | undefined)[] = [];
  readonly #running = new Map<number, RunningStep>();
  readonly #keys = new Set<string>();
  /** How many items wait since an earlier life: they go on waiting beside others, also where fewer may begin at once by now. */
  readonly #waiting: number;
  #waitingLeft: number;
  #begun = 0;
  #isAsking = false;
  #hasEnded = false;
  #isOver = false;

  constructor(plan: EachPlan, input: unknown, scope: Scope) {
    this.#plan = plan;
    this.#scope = scope;
    this.#isArray = Array.isArray(input);
    this.#waiting = scope.waitingBelow();
    this.#waitingLeft = this.#waiting;
    // A generator gives another attempt what this one has left.
    this.#isReadOnce = typeof (input as { readonly next?: unknown } | undefined)?.next === 'function';
    // An item of a stream is only known by its place: after a resume, the same place must hold the same item.
    this.#policy = { ...definitionOf(plan.agent)?.policy, ...(!this.#isArray && { checkInput: true }) };
    // The items of an array are at hand: they need no turns in the queue of the run.
    if (Array.isArray(input)) this.#pull = pullFrom(input.values(), this);
    else if (isStream(input)) this.#pull = scope.pull(input, this);
    else throw new InvalidArgumentError(`Cannot go over ${typeName(input)}`, 'give an array or a stream');
  }

  /** Takes an item if there is room for one; completes when nothing is left. */
  proceed(): void {
    if (!this.#isAsking && !this.#hasEnded && !this.#isOver && this.#hasRoom()) {
      this.#isAsking = true;
      this.#pull.next();
    }
    if (!this.#hasEnded || this.#running.size > 0 || this.#isOver) return;
    this.#isOver = true;
    const gaps = this.#outputs.flatMap((output, index) => (output === undefined ? [index] : []));
    this.#scope.complete(this.#outputs, givenByItems(this.#givenBy, gaps));
  }

  #hasRoom(): boolean {
    const { concurrency } = this.#plan;
    return this.#running.size < (this.#waitingLeft > 0 ? concurrency + this.#waiting : concurrency);
  }

  stop(): void {
    this.#isOver = true;
    this.#pull.stop();
    for (const step of this.#running.values()) step.cancel();
  }

  item(item: unknown): void {
    this.#isAsking = false;
    this.#launch(item);
    if (!this.#isOver) this.proceed();
  }

  end(): void {
    this.#hasEnded = true;
    const next = `[${String(this.#begun)}]/${this.#plan.agent.name}`;
    const isMissing =
      !this.#isArray && this.#plan.key === undefined && this.#scope.recorded(next) !== undefined;
    if (isMissing) this.fail(new ItemMissingError(this.#scope.path, this.#begun));
    else this.proceed();
  }

  fail(error: unknown, failure?: Failure): void {
    this.stop();
    this.#scope.fail(error, failure);
  }

  #launch(item: unknown): void {
    let id: string;
    try {
      id = this.#idOf(item);
    } catch (error) {
      this.fail(error);
      return;
    }
    const index = this.#begun;
    this.#begun += 1;
    if (this.#waitingLeft > 0 && this.#scope.isWaitedIn(id)) this.#waitingLeft -= 1;
    const { agent, isCollecting } = this.#plan;
    const contain = isCollecting ? contained : undefined;
    const step = this.#scope.step({ id, agent, input: item, policy: this.#policy, contain }, (answer) => {
      this.#running.delete(index);
      this.#take(index, answer);
    });
    this.#running.set(index, step);
  }

  #idOf(item: unknown): string {
    const { agent, key } = this.#plan;
    if (key === undefined) return `[${String(this.#begun)}]/${agent.name}`;
    const name = key(item, this.#begun);
    // Numbers have always been taken where no compiler looks: saved runs have such paths.
    if (typeof name !== 'string' && typeof name !== 'number') {
      throw new InvalidArgumentError(
        `Cannot name item ${String(this.#begun)} of "${this.#scope.path}": its key is ${typeName(name)}`,
        'let the key be a string',
      );
    }
    if (this.#keys.has(name)) {
      throw new InvalidArgumentError(
        `Cannot tell two items apart: both have the key "${name}"`,
        'give each item a key of its own',
      );
    }
    this.#keys.add(name);
    return `[${quotedKey(name)}]/${agent.name}`;
  }

  #take(index: number, answer: Answer): void {
    const { isCollecting } = this.#plan;
    this.#givenBy[index] = givenByOf(answer);
    if (answer.kind !== 'failed') this.#outputs[index] = isCollecting ? right(answer.output) : answer.output;
    else if (isCollecting && !(answer.cause instanceof NestedInputError)) {
      const { name, message, path = '' } = answer.failure;
      this.#outputs[index] = left({ name, message, path });
    } else {
      const { failure } = answer;
      this.fail(answer.cause, this.#isReadOnce ? { ...failure, retryable: false } : failure);
      return;
    }
    this.proceed();
  }
}

function contained(): Containment {
  return { isContained: true };
}
