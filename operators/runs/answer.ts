import type { AnswerRequest } from '../../lib/engine/engine';
import type { Where } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import { checkRunId, UnknownRunError } from '../../lib/errors/storageErrors';
import type { Store } from '../../lib/store/store';

/** Where the run rests, and which question is answered. */
export type AnswerOptions = AnswerRequest & Where<Pick<Store, 'loadRun' | 'post'>>;

/**
 * Answers an approval of a run: now or weeks later, from this process or another one. The run takes it at once where it is
 * under way, otherwise when it is resumed; an engine goes on with it by itself. What does not fit the approval is found then:
 * a WARNING, and the step goes on waiting.
 *
 * @param path - Of the step that waits, such as `sign` or `pages[3]/review`; `run.suspended` names them.
 * @param value - Plain JSON data.
 * @throws UnknownRunError when the store, or the engine, does not know the run.
 */
export async function answer(
  runId: string,
  path: string,
  value: unknown,
  options: AnswerOptions,
): Promise<void> {
  checkRunId(runId);
  const { store, engine } = checkedWhere(`answer run "${runId}"`, options, 'post');
  const { agent, asking } = options;
  const meant = asking !== undefined && { asking };
  if (engine !== undefined) {
    await engine.answer(runId, path, value, { ...(agent !== undefined && { agent }), ...meant });
    return;
  }
  if ((await store.loadRun(runId)) === undefined) throw new UnknownRunError(runId);
  await store.post(runId, { kind: 'answer', path, value, ...meant });
}
