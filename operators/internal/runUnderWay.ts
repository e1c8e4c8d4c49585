import type { Admissions } from './admissions';
import type { Cancellation } from './cancellation';
import type { NestedSteps } from './nestedSteps';
import type { StepsOnRecord } from './stepsOnRecord';
import type { Waiting } from './waiting';

/** What all that happens to the steps of a run shares. */
export interface RunUnderWay extends Waiting {
  readonly onRecord: StepsOnRecord;
  readonly limited: Admissions;
  readonly cancelling: Cancellation;
  readonly nested: NestedSteps;
  /** Whether the life has ended. */
  isOver(): boolean;
}
