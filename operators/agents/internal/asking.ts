import type * as t from 'io-ts';

import { SchemaCodec } from '../../../lib/codec/schema';
import { validate } from '../../../lib/codec/validate';
import { yesOrNo } from '../../../lib/definition/checks';
import type { RunningStep } from '../../../lib/definition/scope';
import { givenByOf, passOn } from '../../../lib/definition/scope';
import { ValidationError } from '../../../lib/errors/runErrors';
import { ApprovalTimeoutError } from '../../../lib/errors/stepErrors';
import type { Agent, AgentPolicy } from '../../../lib/model/agentType';
import { toFailure } from '../../../lib/model/failure';
import { givenById } from '../../../lib/model/givenBy';
import { alternativesForm, formOf, plain } from './outputCodec';
import { structure } from './structure';

/** How long an answer is waited for, and how the step is carried out. */
export interface ApprovalOptions<I, P> extends AgentPolicy<I> {
  /** Milliseconds from the first asking; the moment is on record, and a restart does not move it. Without it, for ever. */
  readonly timeoutMs?: number;
  /** Decides when nobody has answered in time; it gets the request. When left out, the step fails. */
  readonly onTimeout?: Agent<I, P>;
}

/** Which signals may answer, where it is no question to somebody. */
export interface SignalMatch {
  readonly match: (signal: unknown, input: unknown) => boolean;
}

/** An agent that waits to be told something from outside, and gives what it is told. */
export function asking<I, A, P>(
  name: string,
  codec: t.Type<unknown, unknown>,
  { onTimeout, ...policy }: ApprovalOptions<I, P>,
  signals?: SignalMatch,
): Agent<I, A | P> {
  const other = onTimeout as unknown as Agent<never, unknown> | undefined;
  const inner = other === undefined ? [] : [[other.name, other] as const];
  // What a schema has made of the answer is saved as it is.
  const answerForm = codec instanceof SchemaCodec ? plain : () => codec;
  /** Undefined when the signal is meant for a step with this input, or why it is not. */
  const misfit = (value: unknown, input: unknown): string | undefined => {
    const problem = problemWith(codec, value);
    if (problem !== undefined || signals === undefined) return problem;
    const signal: unknown = validate(codec, value, `signal "${name}"`);
    return yesOrNo(signals.match(signal, input), `match of "${name}"`) ? undefined : 'it is not meant for it';
  };
  return structure({
    kind: 'approval',
    name,
    policy,
    agents: inner,
    answers: codec,
    madeWith: signals === undefined ? [] : [signals.match],
    ...(signals !== undefined && { takes: (value, input) => misfit(value, input) === undefined }),
    form:
      other === undefined
        ? answerForm
        : alternativesForm(
            new Map([
              [null, answerForm],
              [other.name, formOf(other)],
            ]),
          ),
    begin(input, scope) {
      let running: RunningStep | undefined;
      const { timeoutMs } = scope.policy;
      const request = {
        request: input,
        problem: (value: unknown) => problemWith(codec, value),
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(signals !== undefined && {
          signal: { name, takes: (value: unknown) => misfit(value, input) === undefined },
        }),
      };
      const take = (value: unknown): void => {
        let output: unknown;
        try {
          output = validate(codec, value, `answer for step "${scope.path}"`);
        } catch (error) {
          // It was taken by an earlier life, whose codec was another one.
          scope.fail(error);
          return;
        }
        scope.complete(output, null);
      };
      scope.wait(request, ({ by, value }) => {
        if (by === 'answer') take(value);
        else if (other === undefined) scope.fail(new ApprovalTimeoutError(scope.path, timeoutMs ?? 0));
        else {
          running = scope.step({ id: other.name, agent: other, input }, (answer) => {
            if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
            else passOn(scope, answer, givenById(other.name, givenByOf(answer)));
          });
        }
      });
      return () => running?.cancel();
    },
  });
}

function problemWith(codec: t.Decoder<unknown, unknown>, value: unknown): string | undefined {
  try {
    validate(codec, value, 'it');
    return undefined;
  } catch (error) {
    return error instanceof ValidationError ? error.mismatches.join('; ') : toFailure(error).message;
  }
}
