import type { Cancellation } from './cancellation';
import type { NestedSteps } from './contextSteps';
import type { Admissions } from './permits';
import type { StepsOnRecord } from './priorSteps';
import type { Waiting } from './suspend';

/** What all that happens to the steps of a run shares. */
export interface RunUnderWay extends Waiting {
  readonly onRecord: StepsOnRecord;
  readonly limited: Admissions;
  readonly cancelling: Cancellation;
  readonly nested: NestedSteps;
  /** Whether the life has ended. */
  isOver(): boolean;
}
