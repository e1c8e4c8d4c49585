import type { OperatorFunction } from 'rxjs';
import { isObservable, of } from 'rxjs';

import { checkName } from '../../lib/definition/checks';
import type { FunctionDefinition, Part, StructureDefinition } from '../../lib/definition/definition';
import { defineAgent, definitionOf, depthOf } from '../../lib/definition/definition';
import type { RunningStep } from '../../lib/definition/scope';
import { givenByOf, isBail } from '../../lib/definition/scope';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type { Agent } from '../../lib/model/agentType';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { Bail } from '../../lib/model/bail';
import { BAILED } from '../../lib/model/bail';
import type { GivenBy } from '../../lib/model/givenBy';
import { givenById } from '../../lib/model/givenBy';
import { agentFrom } from './internal/asOperator';
import { formOf } from './internal/outputCodec';
import { idsOf } from './internal/structure';

type Link<I, O> = OperatorFunction<I, O>;

type AnyLink = Link<never, unknown>;

type Taken<L> = L extends Link<infer I, unknown> ? I : never;

type Given<L> = L extends Link<never, infer O> ? O : never;

type LastOf<L extends readonly AnyLink[]> = L extends readonly [...AnyLink[], infer Z] ? Z : L[number];

/** The link before each link; unknown for the first. */
type Before<L extends readonly AnyLink[]> = readonly [never, ...{ [K in keyof L]: Passed<Given<L[K]>> }];

/** What of an output goes on to the next link. */
type Passed<O> = Exclude<O, Bail<unknown>>;

/** With what a link may end the chain. */
type BailedWith<O> = O extends Bail<infer X> ? X : never;

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
 * A `loop` or an `each` that is used again is `refine#2`: `refine[1]` is a round of the first.
 *
 * A link that gives `bail(value)` ends the chain: `value` is its output, and the links behind it are SKIPPED.
 *
 * @throws DefinitionError when there is no link, or a link is not an operator.
 */
export function chain<A, B, X1 = never>(name: string, a: Link<A, B | Bail<X1>>): Agent<A, B | NoInfer<X1>>;
/** The same with two links. */
export function chain<A, B, C, X1 = never, X2 = never>(
  name: string,
  a: Link<A, B | Bail<X1>>,
  b: Link<B, C | Bail<X2>>,
): Agent<A, C | NoInfer<X1> | NoInfer<X2>>;
/** The same with three links. */
export function chain<A, B, C, D, X1 = never, X2 = never, X3 = never>(
  name: string,
  a: Link<A, B | Bail<X1>>,
  b: Link<B, C | Bail<X2>>,
  c: Link<C, D | Bail<X3>>,
): Agent<A, D | NoInfer<X1> | NoInfer<X2> | NoInfer<X3>>;
/** The same with four links. */
export function chain<A, B, C, D, E, X1 = never, X2 = never, X3 = never, X4 = never>(
  name: string,
  a: Link<A, B | Bail<X1>>,
  b: Link<B, C | Bail<X2>>,
  c: Link<C, D | Bail<X3>>,
  d: Link<D, E | Bail<X4>>,
): Agent<A, E | NoInfer<X1> | NoInfer<X2> | NoInfer<X3> | NoInfer<X4>>;
/** The same with five links. */
export function chain<A, B, C, D, E, F, X1 = never, X2 = never, X3 = never, X4 = never, X5 = never>(
  name: string,
  a: Link<A, B | Bail<X1>>,
  b: Link<B, C | Bail<X2>>,
  c: Link<C, D | Bail<X3>>,
  d: Link<D, E | Bail<X4>>,
  e: Link<E, F | Bail<X5>>,
): Agent<A, F | NoInfer<X1> | NoInfer<X2> | NoInfer<X3> | NoInfer<X4> | NoInfer<X5>>;
/** The same with six links. */
export function chain<
  A,
  B,
  C,
  D,
  E,
  F,
  G,
  X1 = never,
  X2 = never,
  X3 = never,
  X4 = never,
  X5 = never,
  X6 = never,
>(
  name: string,
  a: Link<A, B | Bail<X1>>,
  b: Link<B, C | Bail<X2>>,
  c: Link<C, D | Bail<X3>>,
  d: Link<D, E | Bail<X4>>,
  e: Link<E, F | Bail<X5>>,
  f: Link<F, G | Bail<X6>>,
): Agent<A, G | NoInfer<X1> | NoInfer<X2> | NoInfer<X3> | NoInfer<X4> | NoInfer<X5> | NoInfer<X6>>;
/** The same with seven links. */
export function chain<
  A,
  B,
  C,
  D,
  E,
  F,
  G,
  H,
  X1 = never,
  X2 = never,
  X3 = never,
  X4 = never,
  X5 = never,
  X6 = never,
  X7 = never,
>(
  name: string,
  a: Link<A, B | Bail<X1>>,
  b: Link<B, C | Bail<X2>>,
  c: Link<C, D | Bail<X3>>,
  d: Link<D, E | Bail<X4>>,
  e: Link<E, F | Bail<X5>>,
  f: Link<F, G | Bail<X6>>,
  g: Link<G, H | Bail<X7>>,
): Agent<
  A,
  H | NoInfer<X1> | NoInfer<X2> | NoInfer<X3> | NoInfer<X4> | NoInfer<X5> | NoInfer<X6> | NoInfer<X7>
>;
/** The same with eight links. */
export function chain<
  A,
  B,
  C,
  D,
  E,
  F,
  G,
  H,
  J,
  X1 = never,
  X2 = never,
  X3 = never,
  X4 = never,
  X5 = never,
  X6 = never,
  X7 = never,
  X8 = never,
>(
  name: string,
  a: Link<A, B | Bail<X1>>,
  b: Link<B, C | Bail<X2>>,
  c: Link<C, D | Bail<X3>>,
  d: Link<D, E | Bail<X4>>,
  e: Link<E, F | Bail<X5>>,
  f: Link<F, G | Bail<X6>>,
  g: Link<G, H | Bail<X7>>,
  h: Link<H, J | Bail<X8>>,
): Agent<
  A,
  | J
  | NoInfer<X1>
  | NoInfer<X2>
  | NoInfer<X3>
  | NoInfer<X4>
  | NoInfer<X5>
  | NoInfer<X6>
  | NoInfer<X7>
  | NoInfer<X8>
>;
/** The same with any number of links: each must take what the one before it gives, in an array each after each. */
export function chain<L extends readonly AnyLink[]>(
  name: string,
  ...links: Fitting<L>
): Agent<Taken<L[0]>, Passed<Given<LastOf<L>>> | BailedWith<Given<L[number]>>>;
export function chain(name: string, ...links: readonly Link<never, unknown>[]): Agent<never, unknown> {
  checkName(name, 'the name of the chain', name);
  if (links.length === 0) throw new DefinitionError(name, 'a chain needs at least one agent');
  const agents = links.map((link, position) => agentOf(name, link, position));
  const stepIds = idsOf(agents);
  const ids = stepIds.map(({ id }) => id);
  const definition: StructureDefinition = {
    kind: 'chain',
    name,
    policy: {},
    shape: 'sequence',
    depth: depthOf(name, agents),
    parts: agents.map((agent, position): Part => {
      const previous = ids[position - 1];
      return {
        ...(stepIds[position] as Part),
        agent,
        sources: [previous ?? 'input'],
        isPlanned: true,
        isConditional: false,
      };
    }),
    form: formOf(agents.at(-1)),
    madeWith: [],
    begin(input, scope) {
      let running: RunningStep | undefined;
      const endEarly = (position: number, value: unknown): void => {
        for (const [index, agent] of agents.entries())
          if (index > position) scope.skip(ids[index] as string, agent, 'abandoned');
        scope.complete(value, givenById(ids[position] as string, BAILED));
      };
      const proceed = (position: number, value: unknown, givenBy: GivenBy | undefined): void => {
        const agent = agents[position];
        if (agent === undefined) {
          scope.complete(value, givenBy);
          return;
        }
        running = scope.step({ id: ids[position] as string, agent, input: value }, (answer) => {
          if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
          else if (isBail(answer)) endEarly(position, answer.output);
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
    madeWith: [operator],
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
