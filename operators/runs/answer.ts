import { UnknownRunError } from '../../lib/errors/storageErrors';
import type { Store } from '../../lib/store/store';

/**
 * Answers an approval of a run: now or weeks later, from this process or another one. The run takes it at once where it is
 * under way, otherwise when it is resumed. What does not fit the approval is found then: a WARNING, and the step goes on
 * waiting.
 *
 * @param path - Of the step that waits, such as `sign` or `pages[3]/review`; `run.suspended` names them.
 * @param value - Plain JSON data.
 * @throws UnknownRunError when the store does not know the run.
 */
export async function answer(
  store: Pick<Store, 'loadRun' | 'post'>,
  runId: string,
  path: string,
  value: unknown,
): Promise<void> {
  if ((await store.loadRun(runId)) === undefined) throw new UnknownRunError(runId);
  await store.post(runId, { kind: 'answer', path, value });
}
