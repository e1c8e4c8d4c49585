import type { SchedulerLike } from 'rxjs';

import type { Agent } from '../../lib/model/agent';
import type { Claim } from '../../lib/store/store';

/** One life of a run. */
export interface Life<O> {
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  readonly claim: Claim;
  readonly scheduler: SchedulerLike | undefined;
  readonly onMismatch: 'refuse' | 'actual';
  readonly maxCrashes: number;
  /** Aborted when the run is to be cancelled and its subscriber to hear of it. */
  readonly signal: AbortSignal | undefined;
  /** Whether the store must know the run already. */
  readonly mustExist: boolean;
}
