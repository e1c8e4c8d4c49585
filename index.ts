/**
 * Millrace: agent workflows as RxJS operators, with runs that resume from where they stood.
 *
 * @packageDocumentation
 */
export { explain } from './lib/codec/explain';
export * from './lib/codec/stateValueError';
export * from './lib/codec/validate';
export * from './lib/codec/validationError';
export { DefinitionError } from './lib/graph/definitionError';
export { toMermaid } from './lib/graph/draw';
export { initialState } from './lib/graph/initialState';
export { live, type Live } from './lib/graph/live';
export { pick } from './lib/graph/pick';
export { quorum } from './lib/graph/quorum';
export type { SettledFailure } from './lib/graph/settled';
export { settled } from './lib/graph/settled';
export type { Resolved, Source, Wire } from './lib/graph/wire';
export type { ExecutionHistory } from './lib/history/executionHistory';
export { executionHistory } from './lib/history/executionHistory';
export { LogCompletedError } from './lib/history/logCompletedError';
export { memoryHistory } from './lib/history/memory';
export { UnknownLogError } from './lib/history/unknownLogError';
export * from './lib/log/entry';
export type { Logger, LoggerOptions } from './lib/log/logger';
export { createLogger } from './lib/log/logger';
export type { LogQuery } from './lib/log/memory';
export type { Redaction } from './lib/log/redact';
export { isSecretKey } from './lib/log/secretKey';
export type { MismatchLog } from './lib/log/syncStates';
export { syncStates } from './lib/log/syncStates';
export { above } from './lib/metrics/above';
export * from './lib/metrics/agentMetrics';
export * from './lib/metrics/alert';
export * from './lib/metrics/backTest';
export type { Durations, DurationStats, SavedDurations } from './lib/metrics/durations';
export { failureRateOver } from './lib/metrics/failureRateOver';
export * from './lib/metrics/metricsReport';
export * from './lib/metrics/metricsStore';
export * from './lib/metrics/monitor';
export { openMonitor } from './lib/metrics/openMonitor';
export type { SavedSketch } from './lib/metrics/sketch';
export * from './lib/metrics/workflowMetrics';
export type {
  Agent,
  Answered,
  CachePolicy,
  InputOf,
  LimitPolicy,
  OutputOf,
  RetryPolicy,
  StepContext,
  StepPolicy,
} from './lib/model/agent';
export * from './lib/model/backoff';
export * from './lib/model/event';
export type * from './lib/model/executionLog';
export * from './lib/model/failure';
export type { LogLevel } from './lib/model/logLevel';
export { NonRetryableError } from './lib/model/nonRetryableError';
export * from './lib/model/outcome';
export * from './lib/model/plan';
export { reduceRun, refusal } from './lib/model/reduce';
export * from './lib/model/runError';
export * from './lib/model/select';
export type * from './lib/model/snapshot';
export type { RunState, RunStatus } from './lib/model/state';
export type { StepResult, StepStatus } from './lib/model/stepResult';
export { StepTable } from './lib/model/stepTable';
export * from './lib/model/transition';
export type { Usage } from './lib/model/usage';
export * from './lib/report/bottlenecks';
export { runSummary } from './lib/report/runSummary';
export type { Screen } from './lib/report/screen';
export type { AnswerCache, KeptAnswer } from './lib/store/answerCache';
export type { Durability } from './lib/store/durability';
export { InvalidRunIdError } from './lib/store/invalidRunIdError';
export * from './lib/store/lowdb';
export * from './lib/store/memory';
export { resumable } from './lib/store/resumable';
export { RunActiveError } from './lib/store/runActiveError';
export { RunExistsError } from './lib/store/runExistsError';
export * from './lib/store/salvage';
export type { LeftOut } from './lib/store/leftOut';
export type { SnapshotPolicy } from './lib/store/snapshotPolicy';
export { StorageError } from './lib/store/storageError';
export * from './lib/store/store';
export { StoreCorruptError } from './lib/store/storeCorruptError';
export { StoreFormatError } from './lib/store/storeFormatError';
export { StoreLockedError } from './lib/store/storeLockedError';
export { UnknownRunError } from './lib/store/unknownRunError';
export { UnknownSnapshotError } from './lib/store/unknownSnapshotError';
export * from './operators/agent';
export { alertOn } from './operators/alertOn';
export { AllFailedError } from './operators/allFailedError';
export { answer } from './operators/answer';
export { anyOf } from './operators/anyOf';
export { approval, type ApprovalOptions } from './operators/approval';
export { ApprovalTimeoutError } from './operators/approvalTimeoutError';
export { AttemptOverError } from './operators/attemptOverError';
export { branch } from './operators/branch';
export * from './operators/budget';
export * from './operators/budgetExceededError';
export { cancel } from './operators/cancel';
export { chain } from './operators/chain';
export { CompensationError } from './operators/compensationError';
export { critical } from './operators/critical';
export { DefinitionMismatchError } from './operators/definitionMismatchError';
export { DuplicateStepError } from './operators/duplicateStepError';
export { each, type EachOptions, type Items } from './operators/each';
export { EmptyAnswerError } from './operators/emptyAnswerError';
export { everyNth } from './operators/everyNth';
export { everyStep } from './operators/everyStep';
export { execute } from './operators/execute';
export { fallback, type FallbackInput } from './operators/fallback';
export { firstOf } from './operators/firstOf';
export { fork, type ForkOptions } from './operators/fork';
export { InputMismatchError } from './operators/inputMismatchError';
export { ItemMissingError } from './operators/itemMissingError';
export * from './operators/logTo';
export { loop, type LoopOptions } from './operators/loop';
export { LoopLimitError } from './operators/loopLimitError';
export * from './operators/measure';
export { NestedInputError } from './operators/nestedInputError';
export { NoCaseError } from './operators/noCaseError';
export { NoRunError } from './operators/noRunError';
export { onFailure } from './operators/onFailure';
export { outcomes } from './operators/outcomes';
export { outputs } from './operators/outputs';
export * from './operators/partials';
export { PoisonStepError } from './operators/poisonStepError';
export * from './operators/progress';
export { pulled } from './operators/pulled';
export * from './operators/record';
export { restore } from './operators/restore';
export { resume, type ResumeOptions } from './operators/resume';
export * from './operators/run';
export { runEach, type RunEachOptions, type WhenBusy } from './operators/runEach';
export * from './operators/runOptions';
export * from './operators/saga';
export type { SnapshotTarget } from './operators/saveTo';
export { saveTo } from './operators/saveTo';
export { sleep } from './operators/sleep';
export { StepError } from './operators/stepError';
export { StepTimeoutError } from './operators/stepTimeoutError';
export { StreamInputError } from './operators/streamInputError';
export { StreamSourceError } from './operators/streamSourceError';
export type { TapOptions } from './operators/tapOptions';
export { UnknownStepError } from './operators/unknownStepError';
export { watch } from './operators/watch';
export * from './operators/workflow';
