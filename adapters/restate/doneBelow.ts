import type { StepTable } from '../../lib/model/stepTable';
import { IngressError } from './ingress';
import { pause } from './pause';
import type { BelowStep } from './protocol';

/**
 * What steps asked for by a function have done. A saga may have to undo it, so it must not be missing: while it cannot be
 * read, it is asked for again, until nobody wants it any more.
 *
 * @param known - Reads what is known of steps below this one.
 * @throws IngressError when the server refuses to say: it always will.
 */
export async function doneBelow(
  known: () => Promise<StepTable | undefined>,
  path: string,
  signal: AbortSignal,
): Promise<readonly BelowStep[]> {
  while (!signal.aborted) {
    try {
      return completedBelow(await known(), path);
    } catch (error) {
      if (error instanceof IngressError && isFinal(error.status)) throw error;
      // The server was away for longer than its patience; it asks another worker, or is back.
      await pause(AGAIN_MS, signal);
    }
  }
  return [];
}

const AGAIN_MS = 250;

/** A question that was too slow, or one of too many, is answered another time. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function completedBelow(table: StepTable | undefined, path: string): readonly BelowStep[] {
  return [...(table ?? [])]
    .filter(({ status, stepId }) => status === 'COMPLETED' && stepId.startsWith(`${path}/`))
    .map(({ stepId, agent, output }) => ({ path: stepId, agent, output }));
}
