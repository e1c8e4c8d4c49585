import type * as t from 'io-ts';

import type { SchemaOutput, StandardSchema } from '../../lib/codec/schema';
import { codecFrom, SchemaCodec } from '../../lib/codec/schema';
import { validate } from '../../lib/codec/validate';
import type { RunningStep } from '../../lib/definition/scope';
import { givenByOf, passOn } from '../../lib/definition/scope';
import { ValidationError } from '../../lib/errors/runErrors';
import { ApprovalTimeoutError } from '../../lib/errors/stepErrors';
import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import { toFailure } from '../../lib/model/failure';
import { givenById } from '../../lib/model/givenBy';
import { alternativesForm, formOf, plain } from './internal/outputCodec';
import { structure } from './internal/structure';

/** How long an answer is waited for, and how the step is carried out. */
export interface ApprovalOptions<I, P> extends AgentPolicy<I> {
  /** Milliseconds from the first asking; the moment is on record, and a restart does not move it. Without it, for ever. */
  readonly timeoutMs?: number;
  /** Decides when nobody has answered in time; it gets the request. When left out, the step fails. */
  readonly onTimeout?: Agent<I, P>;
}

/**
 * Asks somebody outside: the step is SUSPENDED, with its input as the request, until `answer()` is called for it. The output
 * is the answer.
 *
 * When nothing else in the run can go on, the run ends as suspended. Resume it after the answer, weeks later or in another
 * process. An answer that does not fit the codec is logged as a WARNING, and the step goes on waiting.
 *
 * @param schema - What an answer looks like: a codec of io-ts, or a schema of zod, valibot, arktype and others.
 * @throws DefinitionError when `timeoutMs` is not at least 0, or the codec is neither of both.
 * @throws ApprovalTimeoutError (the step fails) when the deadline has passed and there is no `onTimeout`.
 * @throws NoRunError in a plain `pipe`.
 *
 * @example
 * ```ts
 * const sign = approval('sign', t.type({ yes: t.boolean }), { timeoutMs: 86_400_000, onTimeout: askTheBoss });
 * ```
 */
export function approval<S extends StandardSchema, I = unknown, P = never>(
  name: string,
  schema: S,
  options?: ApprovalOptions<I, P>,
): Agent<I, SchemaOutput<S> | P>;
/** The same with a codec of io-ts. */
export function approval<A, I = unknown, P = never>(
  name: string,
  codec: t.Type<A, unknown>,
  options?: ApprovalOptions<I, P>,
): Agent<I, A | P>;
export function approval<A, I = unknown, P = never>(
  name: string,
  given: unknown,
  { onTimeout, ...policy }: ApprovalOptions<I, P> = {},
): Agent<I, A | P> {
  const codec = codecFrom(name, 'codec of answers', given);
  const other = onTimeout as unknown as Agent<never, unknown> | undefined;
  const inner = other === undefined ? [] : [[other.name, other] as const];
  // What a schema has made of the answer is saved as it is.
  const answerForm = codec instanceof SchemaCodec ? plain : () => codec;
  return structure({
    kind: 'approval',
    name,
    policy,
    agents: inner,
    answers: codec,
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
      };
      scope.wait(request, ({ by, value }) => {
        if (by === 'answer') scope.complete(validate(codec, value, `answer for step "${scope.path}"`), null);
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
