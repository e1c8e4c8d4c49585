/**
 * Millrace: agent workflows as RxJS operators, with runs that resume from where they stood.
 *
 * @packageDocumentation
 */
export { explain } from './lib/codec/validate';
export { StateValueError } from './lib/errors/runErrors';
export * from './lib/codec/validate';
export { ValidationError } from './lib/errors/runErrors';
export { DefinitionError } from './lib/errors/definitionErrors';
export { toMermaid } from './lib/definition/toMermaid';
export { initialState } from './lib/definition/definition';
export { live } from './lib/definition/wire';
export type { Live } from './lib/streams/pull';
export { pick } from './lib/definition/wire';
export { quorum } from './lib/definition/wire';
export type { SettledFailure } from './lib/definition/wire';
export { settled } from './lib/definition/wire';
export type { Resolved, Source, Wire } from './lib/definition/wire';
export type { ExecutionHistory } from './lib/history/executionHistory';
export { executionHistory } from './lib/history/executionHistory';
export { LogCompletedError } from './lib/errors/storageErrors';
export { memoryHistory } from './lib/history/memoryHistory';
export { UnknownLogError } from './lib/errors/storageErrors';
export * from './lib/log/entry';
export type { Logger, LoggerOptions } from './lib/log/logger';
export { createLogger } from './lib/log/logger';
export type { LogQuery } from './lib/log/logMemory';
export type { Redaction } from './lib/log/redact';
export type { MismatchLog } from './lib/log/syncStates';
export { syncStates } from './lib/log/syncStates';
export { above } from './lib/metrics/ruleConditions';
export * from './lib/metrics/agentMetrics';
export * from './lib/metrics/alert';
export * from './lib/metrics/backTest';
export type { Durations, DurationStats, SavedDurations } from './lib/metrics/durations';
export { failureRateOver } from './lib/metrics/ruleConditions';
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
} from './lib/model/agentType';
export * from './lib/model/backoff';
export * from './lib/model/event';
export type * from './lib/model/executionLog';
export * from './lib/model/failure';
export type { LogLevel } from './lib/model/event';
export { NonRetryableError } from './lib/model/failure';
export * from './lib/model/outcome';
export * from './lib/model/plan';
export { reduceRun, refusal } from './lib/model/reduce';
export { RunError } from './lib/errors/runErrors';
export { isSecretKey } from './lib/model/secretNames';
export * from './lib/model/select';
export type * from './lib/model/snapshot';
export type { RunState, RunStatus } from './lib/model/state';
export type { StepResult, StepStatus } from './lib/model/stepResult';
export { StepTable } from './lib/model/stepTable';
export type { Transition } from './lib/model/event';
export type { Usage } from './lib/model/usage';
export * from './lib/report/bottlenecks';
export { runSummary } from './lib/report/runSummary';
export type { Screen } from './lib/report/screen';
export type { AnswerCache, KeptAnswer } from './lib/store/answerCache';
export type { Durability } from './lib/store/durability';
export { InvalidRunIdError } from './lib/errors/storageErrors';
export * from './lib/store/folder/lowdbStore';
export type { MemoryStoreOptions } from './lib/store/memory/memoryStore';
export { memoryStore } from './lib/store/memory/memoryStore';
export { resumable } from './lib/store/summary';
export { RunActiveError } from './lib/errors/storageErrors';
export { RunExistsError } from './lib/errors/storageErrors';
export { salvage } from './lib/store/salvage/salvage';
export type { LeftOut } from './lib/store/salvage/leftOut';
export type { SnapshotPolicy } from './lib/model/snapshot';
export { StorageError } from './lib/errors/storageErrors';
export * from './lib/store/store';
export { StoreCorruptError } from './lib/errors/storageErrors';
export { StoreFormatError } from './lib/errors/storageErrors';
export { StoreLockedError } from './lib/errors/storageErrors';
export { UnknownRunError } from './lib/errors/storageErrors';
export { UnknownSnapshotError } from './lib/errors/storageErrors';
export * from './operators/agents/agent';
export { alertOn } from './operators/taps/alertOn';
export { AllFailedError } from './lib/errors/stepErrors';
export { answer } from './operators/runs/answer';
export { anyOf } from './operators/taps/snapshotPolicies';
export { approval, type ApprovalOptions } from './operators/agents/approval';
export { ApprovalTimeoutError } from './lib/errors/stepErrors';
export { AttemptOverError } from './lib/errors/stepErrors';
export { branch } from './operators/agents/branch';
export * from './operators/taps/budget';
export type { Spending } from './lib/errors/runErrors';
export { BudgetExceededError } from './lib/errors/runErrors';
export { cancel } from './operators/runs/cancel';
export { chain } from './operators/agents/chain';
export { AnswerMisfitError } from './lib/errors/runErrors';
export { NotWaitingError } from './lib/errors/runErrors';
export { RunEndedError } from './lib/errors/runErrors';
export { CompensationError } from './lib/errors/runErrors';
export { critical } from './operators/taps/snapshotPolicies';
export { DefinitionMismatchError } from './lib/errors/runErrors';
export { DuplicateStepError } from './lib/errors/stepErrors';
export { each, type EachOptions, type Items } from './operators/agents/each';
export { EmptyAnswerError } from './lib/errors/stepErrors';
export { everyNth } from './operators/taps/snapshotPolicies';
export { everyStep } from './operators/taps/snapshotPolicies';
export { execute } from './operators/runs/execute';
export { fallback, type FallbackInput } from './operators/agents/fallback';
export { firstOf } from './operators/agents/firstOf';
export { fork, type ForkOptions } from './operators/runs/fork';
export { InputMismatchError } from './lib/errors/runErrors';
export { ItemMissingError } from './lib/errors/stepErrors';
export * from './operators/taps/logTo';
export { loop, type LoopOptions } from './operators/agents/loop';
export { LoopLimitError } from './lib/errors/stepErrors';
export * from './operators/taps/measure';
export { NestedInputError } from './lib/errors/stepErrors';
export { NoCaseError } from './lib/errors/stepErrors';
export { NoRunError } from './lib/errors/runErrors';
export { onFailure } from './operators/taps/snapshotPolicies';
export { outcomes } from './operators/runs/outcomes';
export { outputs } from './operators/runs/outputs';
export * from './operators/runs/partials';
export { PoisonStepError } from './lib/errors/stepErrors';
export * from './operators/taps/progress';
export { pulled } from './operators/runs/pulled';
export * from './operators/taps/record';
export { restore } from './operators/runs/restore';
export { resume, type ResumeOptions } from './operators/runs/resume';
export type { RunArguments } from './operators/runs/run';
export { run } from './operators/runs/run';
export { runEach, type RunEachOptions, type WhenBusy } from './operators/runs/runEach';
export * from './lib/engine/runOptions';
export * from './operators/agents/saga';
export type { SaveToOptions } from './operators/taps/saveTo';
export { saveTo } from './operators/taps/saveTo';
export { sleep } from './operators/agents/sleep';
export { StepError } from './lib/errors/stepErrors';
export { StepTimeoutError } from './lib/errors/stepErrors';
export { StreamInputError } from './lib/errors/runErrors';
export { StreamSourceError } from './lib/errors/stepErrors';
export type { TapOptions } from './operators/taps/tap';
export { UnknownStepError } from './lib/errors/stepErrors';
export { watch } from './operators/taps/watch';
export * from './operators/agents/workflow';
