/**
 * Every class of error; docs/errors.md says what each means and what to do.
 *
 * @packageDocumentation
 */
export { DefinitionError, NoJsonSchemaError } from './lib/errors/definitionErrors';
export type { Spending } from './lib/errors/runErrors';
export {
  AgentNotServedError,
  AnswerMisfitError,
  BudgetExceededError,
  CompensationError,
  DefinitionMismatchError,
  InputMismatchError,
  NoOutputError,
  NoRunError,
  NotWaitingError,
  RunEndedError,
  RunError,
  StateValueError,
  StreamInputError,
  ValidationError,
} from './lib/errors/runErrors';
export {
  AllFailedError,
  ApprovalTimeoutError,
  AttemptOverError,
  CircuitOpenError,
  DuplicateStepError,
  EmptyAnswerError,
  EndlessAnswerError,
  ItemMissingError,
  LoopLimitError,
  MissingServiceError,
  NestedAgentError,
  NestedInputError,
  NoCaseError,
  NoSharedStateError,
  PoisonStepError,
  QuorumError,
  StepDepthError,
  StepError,
  StepTimeoutError,
  StreamSourceError,
  UnknownStepError,
} from './lib/errors/stepErrors';
export {
  BacklogFullError,
  EventsNotKeptError,
  InvalidRunIdError,
  LinesLostError,
  LogCompletedError,
  RequestFailedError,
  RunActiveError,
  RunArchiveError,
  RunExistsError,
  StorageError,
  StoreCorruptError,
  StoreFormatError,
  StoreLockedError,
  StoreNotServedError,
  StreamActiveError,
  StreamNameError,
  UnknownLogError,
  UnknownRunError,
  UnknownSnapshotError,
} from './lib/errors/storageErrors';
export { MetricsBusyError, MetricsFileError } from './lib/metrics/metricsStore';
export type { ErrorRecord, Failure } from './lib/model/failure';
export { InvalidArgumentError, MillraceError, NonRetryableError } from './lib/model/failure';
