import type { OperatorFunction } from 'rxjs';
import { isObservable, of } from 'rxjs';

import { checkName } from '../../lib/definition/checks';
import type { FunctionDefinition, Part, StructureDefinition } from '../../lib/definition/definition';
import { defineAgent, definitionOf, depthOf } from '../../lib/definition/definition';
import type { RunningStep } from '../../lib/definition/scope';
import { givenByOf } from '../../lib/definition/scope';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type { Agent } from '../../lib/model/agentType';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { GivenBy } from '../../lib/model/givenBy';
import { agentFrom } from './internal/asOperator';
import { formOf } from './internal/outputCodec';
import { idsOf } from './internal/structure';

type Link<I, O> = OperatorFunction<I, O>;

type AnyLink = Link<never, unknown>;

type Taken<L> = L extends Link<infer I, unknown> ? I : never;

type Given<L> = L extends Link<never, infer O> ? O : never;

type LastOf<L extends readonly AnyLink[]> = L extends readonly [...AnyLink[], infer Z] ? Z : L[number];

/** The link before each link; unknown for the first. */
type Before<L extends readonly AnyLink[]> = readonly [never, ...{ [K in keyof L]: Given<L[K]> }];

/**
 * The type each link must have, by position, so that the compiler blames the link that does not fit. It mentions `L[K]` so
 * that the compiler can infer from it.
 */
type Fitting<L extends readonly AnyLink[]> = {
  [K in keyof L]: L[K] & (K extends keyof Before<L> ? Link<Before<L>[K], unknown> : unknown);
};

/**
 * Agents one after another: the output of each is the input of the next. Any other RxJS operator may be a link too: it
 * gets one value at a time, and the last value it gives goes to the next link.
 *
 * Each link is a durable step, named after its agent: `trim`, `trim[1]` when it is used again, `op[2]` for a plain operator.
 *
 * @throws DefinitionError when there is no link, or a link is not an operator.
 */
export function chain<A, B>(name: string, a: Link<A, B>): Agent<A, B>;
/** The same with two links. */
export function chain<A, B, C>(name: string, a: Link<A, B>, b: Link<B, C>): Agent<A, C>;
/** The same with three links. */
export function chain<A, B, C, D>(name: string, a: Link<A, B>, b: Link<B, C>, c: Link<C, D>): Agent<A, D>;
/** The same with four links. */
export function chain<A, B, C, D, E>(
  name: string,
  a: Link<A, B>,
  b: Link<B, C>,
  c: Link<C, D>,
  d: Link<D, E>,
): Agent<A, E>;
/** The same with five links. */
export function chain<A, B, C, D, E, F>(
  name: string,
  a: Link<A, B>,
  b: Link<B, C>,
  c: Link<C, D>,
  d: Link<D, E>,
  e: Link<E, F>,
): Agent<A, F>;
/** The same with six links. */
export function chain<A, B, C, D, E, F, G>(
  name: string,
  a: Link<A, B>,
  b: Link<B, C>,
  c: Link<C, D>,
  d: Link<D, E>,
  e: Link<E, F>,
  f: Link<F, G>,
): Agent<A, G>;
/** The same with seven links. */
export function chain<A, B, C, D, E, F, G, H>(
  name: string,
  a: Link<A, B>,
  b: Link<B, C>,
  c: Link<C, D>,
  d: Link<D, E>,
  e: Link<E, F>,
  f: Link<F, G>,
  g: Link<G, H>,
): Agent<A, H>;
/** The same with eight links. */
export function chain<A, B, C, D, E, F, G, H, J>(
  name: string,
  a: Link<A, B>,
  b: Link<B, C>,
  c: Link<C, D>,
  d: Link<D, E>,
  e: Link<E, F>,
  f: Link<F, G>,
  g: Link<G, H>,
  h: Link<H, J>,
): Agent<A, J>;
/** The same with any number of links: each must take what the one before it gives, in an array each after each. */
export function chain<L extends readonly AnyLink[]>(
  name: string,
  ...links: Fitting<L>
): Agent<Taken<L[0]>, Given<LastOf<L>>>;
export function chain(name: string, ...links: readonly Link<never, unknown>[]): Agent<never, unknown> {
  checkName(name, 'the name of the chain', name);
  if (links.length === 0) throw new DefinitionError(name, 'a chain needs at least one agent');
  const agents = links.map((link, position) => agentOf(name, link, position));
  const ids = idsOf(agents);
  const definition: StructureDefinition = {
    kind: 'chain',
    name,
    policy: {},
    shape: 'sequence',
    depth: depthOf(name, agents),
    parts: agents.map((agent, position): Part => {
      const previous = ids[position - 1];
      return {
        id: ids[position] as string,
        agent,
        sources: [previous ?? 'input'],
        isPlanned: true,
        isConditional: false,
      };
    }),
    form: formOf(agents.at(-1)),
    begin(input, scope) {
      let running: RunningStep | undefined;
      const proceed = (position: number, value: unknown, givenBy: GivenBy | undefined): void => {
        const agent = agents[position];
        if (agent === undefined) {
          scope.complete(value, givenBy);
          return;
        }
        running = scope.step({ id: ids[position] as string, agent, input: value }, (answer) => {
          if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
          else proceed(position + 1, answer.output, givenByOf(answer));
        });
      };
      proceed(0, input, undefined);
      return () => running?.cancel();
    },
  };
  return agentFrom(definition);
}

function agentOf(chainName: string, link: unknown, position: number): Agent<never, unknown> {
  if (definitionOf(link) !== undefined) return link as Agent<never, unknown>;
  if (typeof link !== 'function') {
    throw new DefinitionError(
      chainName,
      `link ${String(position)} must be an agent or an operator, got ${typeof link}`,
    );
  }
  const operator = link as OperatorFunction<unknown, unknown>;
  const definition: FunctionDefinition = {
    kind: 'operator',
    name: `op[${String(position)}]`,
    policy: {},
    invoke: (input) => {
      const answers: unknown = of(input).pipe(operator);
      if (isObservable(answers)) return answers;
      throw new InvalidArgumentError(
        `Link ${String(position)} of chain "${chainName}" is no operator`,
        'wrap the function with agent()',
      );
    },
  };
  return defineAgent<never, unknown>(operator.bind(undefined), definition);
}
