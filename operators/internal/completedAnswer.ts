import { validate } from '../../lib/codec/validate';
import type { Answer } from '../../lib/graph/answer';
import type { Definition } from '../../lib/graph/definition';

export type CompletedAnswer = Extract<Answer, { kind: 'completed' }>;

/**
 * The answer of a step that has completed, from the form in which its output is saved.
 *
 * @param kept - Its partial results, where another step reads them live.
 * @throws ValidationError when the agent's codec cannot read what was saved.
 */
export function completedAnswer(
  { name, output: codec }: Definition,
  stored: unknown,
  kept: readonly unknown[] | undefined,
): CompletedAnswer {
  const output = codec === undefined ? stored : validate(codec, stored, `saved output of agent "${name}"`);
  return kept === undefined ? { kind: 'completed', output } : { kind: 'completed', output, kept };
}
