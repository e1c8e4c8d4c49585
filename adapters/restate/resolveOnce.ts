import type { WorkflowSharedContext } from '@restatedev/restate-sdk';
import { TerminalError } from '@restatedev/restate-sdk';

/** Resolves a promise unless somebody else has done so. */
export async function isResolved(
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
