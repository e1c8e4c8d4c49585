import type { WorkflowSharedContext } from '@restatedev/restate-sdk';
import { TerminalError } from '@restatedev/restate-sdk';

/** Resolves a durable promise; false when somebody else has done so before. */
export async function resolveOnce(
  context: WorkflowSharedContext,
  name: string,
  value: unknown,
): Promise<boolean> {
  const promise = context.promise(name);
  if ((await promise.peek()) !== undefined) return false;
  try {
    await promise.resolve(value);
    return true;
  } catch (error) {
    if (error instanceof TerminalError) return false;
    throw error;
  }
}
