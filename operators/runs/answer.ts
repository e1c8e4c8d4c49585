import { isDeepStrictEqual } from 'node:util';

import { jsonValue } from '../../lib/codec/jsonValue';
import { validate } from '../../lib/codec/validate';
import { definitionAt } from '../../lib/definition/definitionAt';
import type { AnswerRequest } from '../../lib/engine/engine';
import type { Where } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import { AnswerMisfitError, NotWaitingError, ValidationError } from '../../lib/errors/runErrors';
import { UnknownStepError } from '../../lib/errors/stepErrors';
import { checkRunId } from '../../lib/errors/storageErrors';
import type { Agent } from '../../lib/model/agentType';
import type { StepResult } from '../../lib/model/stepResult';
import type { Store } from '../../lib/store/store';

/** Where the run rests, and which question is answered. */
export type AnswerOptions = AnswerRequest & Where<Pick<Store, 'loadRun' | 'post' | 'isServed'>>;

/** What has become of an answer. */
export interface AnswerReceipt {
  /** The id of the question that it answers; absent where the step has not asked yet, and on an engine. */
  readonly asking?: string;
  /**
   * `taken`: the step has it. `kept`: it waits for whoever carries the run on, who checks it; what does not fit is dropped then with a
   * WARNING, and the step goes on waiting. So is another answer to the same question, however close behind the first: the first that
   * fits counts.
   */
  readonly became: 'taken' | 'kept';
  /**
   * Whether somebody is there who goes on with the run by itself; otherwise it hears what is kept when somebody does, such as one that
   * failed or was cancelled when it is resumed.
   */
  readonly isServed: boolean;
}

/**
 * Answers a question of a run: now or weeks later, from this process or another one. The run takes it at once where it is
 * under way, otherwise when it is resumed; an engine goes on with it by itself. It answers that one question: for any other,
 * also of the same step, it is void. What can never be heard is refused.
 *
 * @param path - Of the step that waits, such as `sign` or `pages[3]/review`; `RunSummary.waiting` and `run.suspended` name them.
 * @param value - Plain JSON data. With `{ agent }` it is checked at once; otherwise what does not fit the approval is found when
 * the run hears it: a WARNING, and the step goes on waiting.
 * @throws UnknownRunError when the store, or the engine, does not know the run.
 * @throws RunEndedError when the run has completed.
 * @throws UnknownStepError when the run has no such step, and can get none.
 * @throws NotWaitingError when the step does not wait for this answer, and never will.
 * @throws AnswerMisfitError when `agent` is given and the value is no answer to its approval.
 * @throws StateValueError when the value is no plain JSON.
 */
export async function answer(
  runId: string,
  path: string,
  value: unknown,
  options: AnswerOptions,
): Promise<AnswerReceipt> {
  checkRunId(runId);
  const { store, engine } = checkedWhere(`answer run "${runId}"`, options, 'post');
  const { agent, asking } = options;
  const meant = asking !== undefined && { asking };
  if (agent !== undefined) checkAnswer(runId, agent, path, value);
  if (engine !== undefined) {
    await engine.answer(runId, path, value, { ...(agent !== undefined && { agent }), ...meant });
    return { became: 'kept', isServed: true };
  }
  const posted = await store.post(runId, { kind: 'answer', path, value, ...meant });
  const { asking: named, value: given } = posted.kind === 'answer' ? posted : {};
  const state = await store.loadRun(runId);
  const row = state?.steps.get(path);
  const became = row !== undefined && showsAnswer(row, named, given) ? 'taken' : 'kept';
  // Nobody goes on by itself with a run that failed or was cancelled, a fork among them.
  const isLeft = became === 'kept' && (state?.status === 'FAILED' || state?.status === 'CANCELLED');
  return {
    ...(named !== undefined && { asking: named }),
    became,
    isServed: !isLeft && (await store.isServed()),
  };
}

/** Whether the row shows this answer. That its question is over says nothing: somebody else may have answered it meanwhile. */
function showsAnswer(row: StepResult, named: string | undefined, given: unknown): boolean {
  const { status, asked, answer: taken, output } = row;
  if (status === 'SUSPENDED' || (named === undefined && asked === undefined)) return false;
  if (taken === undefined) return status === 'COMPLETED' && isDeepStrictEqual(output, given);
  return taken.by === 'answer' && isDeepStrictEqual(taken.value, given);
}

function checkAnswer(runId: string, agent: Agent<never, unknown>, path: string, value: unknown): void {
  const definition = definitionAt(agent, path);
  if (definition === undefined) throw new UnknownStepError(runId, path);
  if (definition === 'unknown') return;
  if (definition.kind !== 'approval' || definition.answers === undefined)
    throw new NotWaitingError(runId, path, []);
  try {
    validate(definition.answers, jsonValue(value, path), 'it');
  } catch (error) {
    throw error instanceof ValidationError ? new AnswerMisfitError(runId, path, error.mismatches) : error;
  }
}
